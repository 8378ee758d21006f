"""What runs of this machine did with the message: publishing, redriving, restoring, discarding."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from b2bpilot.errors import MessageUnreadable
from b2bpilot.ops.dead_letters.marks import Mark, discards_of
from b2bpilot.ops.inspect.source import MessageEvent, MessageQuestion, SendingRun, SourceAnswer
from b2bpilot.ops.recipient import PROCESSOR
from b2bpilot.ops.runs.durable import JournalFailed
from b2bpilot.ops.runs.runs import journals
from b2bpilot.ops.table.row_state import Asked
from b2bpilot.pipeline.message import parse_time

SAID = frozenset({"planned", "proof", "started", "resumed"})
"""Entries that announce; what was done follows."""
NEWEST = 500
"""So many journals are looked through."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Journals:
    """The folder of journals. Satisfies InspectSource."""

    home: Path
    environment: str
    account_id: str
    name: str = "runs of this machine"

    def ask(self, question: MessageQuestion) -> SourceAnswer:
        paths = journals(self.home)
        seen = [one for path in paths[:NEWEST][::-1] for one in self._in(path, question)]
        note = f"the newest {NEWEST} of {len(paths):,}" if len(paths) > NEWEST else None
        discards = discards_of(self.home, environment=self.environment, account_id=self.account_id)
        return SourceAnswer(
            moments=[one for one in seen if isinstance(one, MessageEvent)],
            sendings=[one for one in dict.fromkeys(seen) if isinstance(one, SendingRun)],
            discarded_in=discards.get(Asked(question.message_id, question.is_test)),
            note=note,
        )

    def _in(self, path: Path, question: MessageQuestion) -> Iterator[MessageEvent | SendingRun]:
        """A journal may hold thousands of dead letters: only the lines with the id are parsed."""
        wanted = [one.encode() for one in question.ids]
        started: Mapping[str, Any] = {}
        try:
            with path.open("rb") as file:
                for line in file:
                    if not started:
                        started = _parsed(line)
                        if not self._is_ours(started):
                            return
                    elif any(one in line for one in wanted):
                        yield from _told(_parsed(line), started)
        except OSError as exc:
            raise JournalFailed(f"{path} cannot be read: {exc.strerror}") from exc

    def _is_ours(self, started: Mapping[str, Any]) -> bool:
        return (started.get("environment"), started.get("account_id")) == (self.environment, self.account_id)


def _told(entry: Mapping[str, Any], started: Mapping[str, Any]) -> Iterator[MessageEvent | SendingRun]:
    if entry.get("event") == "sending" and _other_subscriber(started) is None:
        parameters = started.get("parameters")
        via = parameters.get("via") if isinstance(parameters, dict) else None
        yield SendingRun(run_id=str(started.get("run_id")), via=str(via) if via else None)
    if moment := _moment(entry, started):
        yield moment


def _moment(entry: Mapping[str, Any], started: Mapping[str, Any]) -> MessageEvent | None:
    event = entry.get("event")
    if not event or event in SAID:
        return None
    try:
        at = parse_time(entry.get("at"))
    except MessageUnreadable:
        return None
    outcome = entry.get("verdict")
    said = f"{event} ({outcome})" if outcome and outcome != event else str(event)
    if mark := entry.get("mark"):
        said = _said_of_mark(str(mark), entry.get("why"), str(started.get("command")))
    error = f": {entry['error']}" if entry.get("error") else ""
    sns = f", SNS {entry['sns_message_id']}" if entry.get("sns_message_id") else ""
    other = _other_subscriber(started)
    to = f" to subscriber {other}" if other else ""
    what = f"{started.get('command')} {started.get('run_id')}{to} by {started.get('operator')}: {said}{sns}{error}"
    parameters = started.get("parameters")
    is_of_a_test = isinstance(parameters, dict) and parameters.get("test") is True
    return MessageEvent(
        at=at,
        source="run",
        what=what,
        is_of_a_test=is_of_a_test,
        sns_message_id=entry.get("sns_message_id"),
    )


def _other_subscriber(started: Mapping[str, Any]) -> str | None:
    """Whom a run sent to, where that is not the processor: what it did says nothing of the row."""
    parameters = started.get("parameters")
    named = parameters.get("subscriber") if isinstance(parameters, dict) else None
    return None if named in (None, PROCESSOR) else str(named)


def _said_of_mark(mark: str, why: str | None, command: str) -> str:
    """Journals of earlier versions call every such entry `marked`; what its mark is, only the mark says."""
    match mark:
        case Mark.MARKED:
            return "row abandoned, for the edited one" if command == "edit" else "row marked as discarded"
        case Mark.NO_ROW:
            return "it has no row to mark"
        case Mark.COMPLETED:
            return "row not marked: it is completed"
        case Mark.NOT_MARKED:
            return why or "row not marked"
        case Mark.BUSY:
            return "row not marked: a lease on it held, or it kept changing"
        case _:
            return f"row not marked: {why or mark}"


def _parsed(line: bytes) -> Mapping[str, Any]:
    try:
        found = json.loads(line)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
