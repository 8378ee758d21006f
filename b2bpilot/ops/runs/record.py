"""A journal read back: what became of the run and of each message in it."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from itertools import chain
from pathlib import Path
from typing import Any

from b2bpilot.ops.runs.durable import JournalFailed, is_in_use
from b2bpilot.pipeline.clock import HostClock
from b2bpilot.pipeline.message import parse_time


class RunState(StrEnum):
    RUNNING = "running"
    FINISHED = "finished"
    INTERRUPTED = "interrupted"
    """It wrote no end, and its process is gone."""


class Stage(StrEnum):
    """The last thing that the journal says of a dead letter; also the names of the events."""

    PLANNED = "planned"
    ARCHIVED = "archived"
    SENDING = "sending"
    """Being sent when the journal ended: nobody knows whether it was."""
    ACCEPTED = "accepted"
    FAILED = "failed"
    UNKNOWN = "unknown"
    """Sent without an answer."""
    REMOVING = "removing"
    """Being deleted when the journal ended, as its message was completed before."""
    DELETED = "deleted"
    RELEASED = "released"


STAGES = frozenset(Stage)
ANNOUNCED = frozenset({Stage.PLANNED, Stage.ARCHIVED, Stage.SENDING, Stage.REMOVING, "marking", "unmarking"})
"""What is written before it is done."""
LAST_LINE_BYTES = 4_096


@dataclass(slots=True, kw_only=True)
class MessageState:
    """One dead letter of a run. What `was` stays true when later events follow."""

    queue_message_id: str
    message_id: str | None = None
    stage: Stage = Stage.PLANNED
    error: str | None = None
    decision: str | None = None
    """What the plan said of it."""
    fate: str | None = None
    """What its row said afterwards."""
    verdict: str | None = None
    """What the route said of it when it was sent last."""
    was_accepted: bool = False
    was_archived: bool = False
    test: bool = False
    """Whether it holds a test message."""
    former_status: str | None = None
    """What the row's status was before the run wrote over it."""
    mark: str | None = None
    """What the run did with the row: see marks.Mark."""
    receipt_handle: str | None = field(default=None, repr=False)
    """Of the receive that planned it: with it a resumed run makes the dead letter visible at once. None when it is deleted."""

    @property
    def is_unknown(self) -> bool:
        return self.stage in (Stage.SENDING, Stage.UNKNOWN)

    @property
    def perhaps_sent(self) -> bool:
        """Whether nobody knows of any of its attempts that it was accepted, and one may have been."""
        return self.is_unknown and not self.was_accepted


def is_sent(state: MessageState | None) -> bool:
    return state is not None and state.was_accepted


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRecord:
    """A run as its journal tells it. `counts` are what the run itself said at its end, None before that."""

    path: Path
    run_id: str
    command: str
    environment: str
    account_id: str
    region: str
    operator: str
    reason: str | None
    parameters: Mapping[str, Any]
    pid: int | None
    started_at: datetime
    last_at: datetime
    state: RunState
    counts: Mapping[str, int] | None
    messages: Mapping[str, MessageState]
    subscriber: str | None = None
    """Whose dead letters it was about, where they were not the processor's."""
    subscription: str | None = None
    """The ARN of that subscriber's subscription, and below its dead-letter queue; None in earlier versions' journals."""
    queue_url: str | None = None
    machine_ahead: timedelta | None = None
    """By how much this machine's clock was ahead of AWS's, which told the run's times; None where this machine's told them."""

    def began_at(self, clock: HostClock) -> datetime:
        """Return when the run began by AWS's clock. Of a run that this machine dated, that is as sure as that its clock has
        not been set since."""
        if self.machine_ahead is not None:
            return self.started_at
        return self.started_at - clock.machine_ahead()

    def stages(self) -> Counter[Stage]:
        return Counter(message.stage for message in self.messages.values())


def read(path: Path, *, more: Iterable[Mapping[str, Any]] = ()) -> RunRecord:
    """Fold a journal, and `more` that should be in it. A torn last line is left out: nobody was told that it was written.
    Raises JournalFailed."""
    is_running = _is_running(path)
    reading = _Reading()
    for entry in chain(entries(path), more):
        reading.add(entry)
    return reading.record(path, is_running=is_running)


def glance(path: Path) -> RunRecord:
    """Return the record of a finished run without its messages, by the first and the last line; of another one, all of it.

    Raises JournalFailed.
    """
    is_running = _is_running(path)
    last = _parse(_last_line(path))
    if last is None or last.get("event") != "finished":
        return read(path)
    reading = _Reading()
    reading.add(next(entries(path), {}))
    reading.add(last)
    return reading.record(path, is_running=is_running)


def entries(path: Path) -> Iterator[Mapping[str, Any]]:
    """Yield the lines of a journal or an archive one by one, without a torn last one. Raises JournalFailed."""
    try:
        with path.open("rb") as file:
            for number, line in enumerate(file, start=1):
                entry = _parse(line)
                if entry is None and line.endswith(b"\n"):
                    raise JournalFailed(f"{path}, line {number}, is not a JSON object")
                if entry is not None:
                    yield entry
    except OSError as exc:
        raise JournalFailed(f"{path} cannot be read: {exc.strerror}") from exc


def _parse(line: bytes) -> Mapping[str, Any] | None:
    try:
        entry = json.loads(line)
    except ValueError:
        return None
    return entry if isinstance(entry, dict) else None


def _last_line(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - LAST_LINE_BYTES))
            return file.read().rstrip(b"\n").rpartition(b"\n")[2]
    except OSError as exc:
        raise JournalFailed(f"{path} cannot be read: {exc.strerror}") from exc


def _is_running(path: Path) -> bool:
    try:
        return is_in_use(path)
    except OSError as exc:
        raise JournalFailed(f"{path} cannot be read: {exc.strerror}") from exc


class _Reading:
    """The fold: entries in, in their order; a record out."""

    def __init__(self) -> None:
        self._started: Mapping[str, Any] | None = None
        self._pid: int | None = None
        self._last_at: str | None = None
        self._counts: Mapping[str, int] | None = None
        self._messages: dict[str, MessageState] = {}

    def add(self, entry: Mapping[str, Any]) -> None:
        self._last_at = entry.get("at", self._last_at)
        match entry.get("event"):
            case "started":
                self._started, self._pid = entry, entry.get("pid")
            case "resumed":
                self._counts, self._pid = None, entry.get("pid")
            case "finished":
                self._counts = entry.get("counts") or {}
        if "queue_message_id" in entry:
            self._add_to_message(str(entry["queue_message_id"]), entry)

    def _add_to_message(self, queue_message_id: str, entry: Mapping[str, Any]) -> None:
        """What a later version writes and we do not know changes nothing."""
        event = entry.get("event")
        known = self._messages.setdefault(
            queue_message_id,
            MessageState(queue_message_id=queue_message_id, message_id=entry.get("message_id")),
        )
        known.message_id = known.message_id or entry.get("message_id")
        known.decision = entry.get("decision", known.decision)
        known.receipt_handle = entry.get("receipt_handle", known.receipt_handle)
        known.test = bool(entry.get("test", known.test))
        known.former_status = entry.get("former_status", known.former_status)
        known.mark = entry.get("mark", known.mark)
        if event == "proof":
            known.fate, known.error = entry.get("fate"), entry.get("reason") or known.error
        if event not in STAGES:
            return
        known.verdict = entry.get("verdict", known.verdict)
        is_unknown = entry.get("verdict") == Stage.UNKNOWN
        known.stage = Stage.UNKNOWN if is_unknown else Stage(str(event))
        known.error = entry.get("error")
        known.was_accepted = known.was_accepted or known.stage is Stage.ACCEPTED
        known.was_archived = known.was_archived or known.stage is Stage.ARCHIVED
        if known.stage is Stage.DELETED:
            known.receipt_handle = None

    def record(self, path: Path, *, is_running: bool) -> RunRecord:
        started = self._started
        if started is None:
            raise JournalFailed(f"{path} does not begin like a journal: its run did nothing")
        ended = RunState.FINISHED if self._counts is not None else RunState.INTERRUPTED
        return RunRecord(
            path=path,
            run_id=str(started["run_id"]),
            command=str(started["command"]),
            environment=str(started["environment"]),
            account_id=str(started["account_id"]),
            region=str(started["region"]),
            operator=str(started["operator"]),
            reason=started.get("reason"),
            parameters=started.get("parameters") or {},
            pid=self._pid,
            started_at=parse_time(started["at"]),
            last_at=parse_time(self._last_at),
            state=RunState.RUNNING if is_running else ended,
            counts=self._counts,
            messages=self._messages,
            subscriber=started.get("subscriber"),
            subscription=started.get("subscription"),
            queue_url=started.get("queue_url"),
            machine_ahead=_seconds(started.get("machine_ahead_seconds")),
        )


def _seconds(given: object) -> timedelta | None:
    return timedelta(seconds=given) if isinstance(given, int | float) else None
