"""The journal of one run: JSON lines that are on disk before what they announce is done."""

from __future__ import annotations

import json
import os
import platform
import re
import secrets
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

from b2bpilot.ops.runs.durable import DurableFile
from b2bpilot.ops.runs.record import ANNOUNCED, RunRecord, read
from b2bpilot.pipeline.clock import HostClock, machine_time
from b2bpilot.pipeline.dead_letter import DeadLetter
from b2bpilot.pipeline.message import format_time

if TYPE_CHECKING:
    from b2bpilot.ops.recipient import Recipient

SCHEMA_VERSION = 1
FOLDER = "runs"
SUFFIX = ".jsonl"
NUMBER = re.compile(r"(\+\d{4})\d+(\d{4})")
"""A phone number, wherever it stands in what is written: journals hold none in full."""

Clock = Callable[[], datetime]


class Journal:
    """What a run planned, did and found. Threads may write side by side. While it is open, the run counts as running."""

    def __init__(self, run_id: str, file: DurableFile, *, clock: Clock) -> None:
        self.run_id = run_id
        self._file = file
        self._clock = clock
        self._unwritten: list[Mapping[str, object]] = []
        self.is_finished = False

    @classmethod
    def create(
        cls,
        home: Path,
        *,
        command: str,
        environment: str,
        account_id: str,
        region: str,
        operator: str,
        reason: str | None,
        parameters: Mapping[str, object],
        subscriber: Recipient | None = None,
        clock: Clock = machine_time,
        dated_by: HostClock | None = None,
    ) -> Self:
        """Begin a run in `home`/runs. Raises JournalFailed; then nothing must be changed.

        `dated_by` is the host whose clock tells the times, such as AWS's: a resumed run compares them with what that host
        dated. Without it they are `clock`'s.
        """
        clock = dated_by.now if dated_by else clock
        run_id, file = _new_file(home, command, clock)
        journal = cls(run_id, file, clock=clock)
        journal.write(
            {
                "event": "started",
                "schema_version": SCHEMA_VERSION,
                "run_id": run_id,
                "command": command,
                "environment": environment,
                "account_id": account_id,
                "region": region,
                "operator": operator,
                "reason": reason,
                "parameters": dict(parameters),
                **_about(subscriber),
                **_dated_by(dated_by),
                **_process(),
            }
        )
        return journal

    @classmethod
    def reopen(cls, path: Path, *, operator: str, clock: Clock = machine_time) -> Self:
        """Go on with the run of this journal. Raises Refused while it still runs, or JournalFailed."""
        journal = cls(path.name.removesuffix(SUFFIX), DurableFile.reopen(path), clock=clock)
        journal.write({"event": "resumed", "operator": operator, **_process()})
        return journal

    @property
    def path(self) -> Path:
        return self._file.path

    def write(self, *entries: Mapping[str, object], durable: bool = True) -> None:
        """Return when the entries are on disk: an fsync serves all threads that wait. Raises JournalFailed.

        `durable=False` is for what a resumed run can find out again: it survives a kill, not a power cut.

        An entry is {"event": ..., ...}; one about a dead letter names its `queue_message_id`.
        """
        at = format_time(self._clock())
        stamped = [{"at": at, **entry} for entry in entries]
        try:
            self._file.append([_line(entry) for entry in stamped], durable=durable)
        except BaseException:
            self._unwritten += stamped
            raise

    def so_far(self) -> RunRecord:
        """Return what is known of the run: what the file says, and the results that could not be written there. What was only
        announced, and could not be written, was not begun. Raises JournalFailed."""
        return read(
            self.path, more=[entry for entry in self._unwritten if entry.get("event") not in ANNOUNCED]
        )

    def finish(self, counts: Mapping[str, int]) -> None:
        """Write that the run came to its end; without it, it was interrupted and can be resumed."""
        self.write({"event": "finished", "counts": dict(counts)})
        self.is_finished = True

    def close(self) -> None:
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def operator_name() -> str:
    """Return who runs this program, as `user@host`."""
    import getpass

    try:
        user = getpass.getuser()
    except (KeyError, OSError):
        user = f"uid {os.getuid()}"
    return f"{user}@{platform.node()}"


def _new_file(home: Path, command: str, clock: Clock) -> tuple[str, DurableFile]:
    while True:
        run_id = f"{clock().astimezone(UTC):%Y%m%dT%H%M%SZ}-{command}-{secrets.token_hex(2)}"
        try:
            return run_id, DurableFile.create(home / FOLDER / f"{run_id}{SUFFIX}")
        except FileExistsError:
            continue


def _about(subscriber: Recipient | None) -> Mapping[str, object]:
    """Whose dead letters it is about: a name may mean another one when the run is resumed, its subscription does not."""
    if subscriber is None:
        return {}
    return {
        "subscriber": subscriber.name,
        "subscription": subscriber.subscription_arn,
        "queue_url": subscriber.dead_letter_queue_url,
    }


def _dated_by(host: HostClock | None) -> Mapping[str, object]:
    """What leads back to this machine's clock."""
    if host is None or not host.is_known:
        return {}
    return {
        "dated_by": host.host,
        "machine_ahead_seconds": round(host.machine_ahead().total_seconds(), 1),
    }


def _process() -> Mapping[str, object]:
    return {"pid": os.getpid(), "host": platform.node()}


def _line(entry: Mapping[str, object]) -> bytes:
    return NUMBER.sub(r"\1***\2", json.dumps(entry)).encode()


def entry(event: str, dead_letter: DeadLetter, **fields: object) -> Mapping[str, object]:
    """Return a line of the journal about one dead letter."""
    message_id = dead_letter.message_id
    return {
        "event": event,
        "queue_message_id": dead_letter.queue_message_id,
        "message_id": message_id,
        **fields,
    }
