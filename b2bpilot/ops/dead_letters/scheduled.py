"""Copies of dead letters that a schedule makes, so that none is gone when SQS deletes it: each dead letter once, in files of a folder.

Times are AWS's: SQS counts a dead letter's age by its own clock.
"""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

from b2bpilot.errors import MessageUnreadable, PartlyFailed, UsageError
from b2bpilot.ops.dead_letters.archive import ArchiveInvalid, Origin, archived, dead_letters_in
from b2bpilot.ops.dead_letters.copies import Spool
from b2bpilot.ops.dead_letters.peek import Peek, peek
from b2bpilot.ops.dead_letters.sweep import THE_OTHERS
from b2bpilot.ops.ports import ArchivedQueue
from b2bpilot.ops.runs.durable import exclusive
from b2bpilot.paths import open_private, private_folder
from b2bpilot.pipeline.dead_letter import DeadLetter
from b2bpilot.pipeline.message import format_time, parse_time
from b2bpilot.plural import many

FOLDER = "scheduled"
LAST = "last.json"
ARCHIVES = "dead-letters-*.jsonl"
SCHEMA_VERSION = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Last:
    """What the last scheduled export saw. `complete_at` is when one of them saw everything that SQS counted."""

    at: datetime
    complete_at: datetime | None
    oldest_sent_at: datetime | None
    """Of the dead letters that were in the queue then."""

    def to_json(self) -> str:
        times = {"at": self.at, "complete_at": self.complete_at, "oldest_sent_at": self.oldest_sent_at}
        fields = {name: format_time(moment) if moment else None for name, moment in times.items()}
        return json.dumps({"schema_version": SCHEMA_VERSION, **fields})

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Raises ValueError, KeyError, TypeError, MessageUnreadable."""
        document: dict[str, Any] = json.loads(text)

        def time(name: str) -> datetime | None:
            return parse_time(document[name]) if document[name] else None

        return cls(
            at=parse_time(document["at"]),
            complete_at=time("complete_at"),
            oldest_sent_at=time("oldest_sent_at"),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Scheduled:
    """What one scheduled export did. `path` is None when nothing was new."""

    path: Path | None
    new: int
    look: Peek
    unreadable: tuple[str, ...] = ()
    """Earlier archives that cannot be read: what they hold may have been copied again."""


def folder_of(home: Path, origin: Origin) -> Path:
    """Return where the archives of an environment's queue are, unless another folder is named."""
    whose = f"-{origin.subscriber}" if origin.subscriber else ""
    return home / FOLDER / f"{origin.environment}-{origin.account_id}-{origin.region}{whose}"


def folders_of(home: Path, origin: Origin) -> list[Path]:
    """Return every folder of this machine into which this environment's dead letters were copied by schedule."""
    default = folder_of(home, origin)
    with contextlib.suppress(OSError, ValueError):
        text = _named(default).read_text(encoding="utf-8")
        return [default, *(Path(line) for line in text.splitlines() if line)]
    return [default]


def remember(home: Path, origin: Origin, folder: Path) -> None:
    """Note a folder that somebody named, so that `verify` knows of it. Who cannot write there has exported all the same."""
    if folder in folders_of(home, origin):
        return
    path = _named(folder_of(home, origin))
    with contextlib.suppress(OSError):
        private_folder(path.parent)
        with open_private(path, "a") as file:
            file.write(f"{folder}\n")


def _named(default: Path) -> Path:
    return default.with_name(f"{default.name}.folders")


def read_last(folder: Path) -> Last | None:
    """Return what the last export saw; None when there was none, or nothing can be read of it."""
    try:
        return Last.from_json((folder / LAST).read_text(encoding="utf-8"))
    except (OSError, ValueError, KeyError, TypeError, MessageUnreadable):
        return None


def export_new(queue: ArchivedQueue, folder: Path, *, origin: Origin, now: datetime) -> Scheduled:
    """Copy what no archive of the folder holds into a new one. `now` serves where AWS gives no time.

    Raises Refused while another export writes into the folder, UsageError when it cannot be written, and AwsError.
    """
    with exclusive(folder / ".lock", "a scheduled export into this folder"):
        known, unreadable = _known(folder)
        at = queue.attributes().read_at or now
        with _translated(folder), Spool() as spool:
            new: set[str] = set()

            def visit(dead_letter: DeadLetter) -> None:
                if dead_letter.queue_message_id not in known:
                    new.add(dead_letter.queue_message_id)
                    spool.put(archived(dead_letter, origin), dead_letter)

            look = peek(queue, now=now, visit=visit)
            ids = [one.queue_message_id for one in look.found if one.queue_message_id in new]
            path = _write(folder, at, spool.lines(ids)) if ids else None
            _note(folder, look, at)
    return Scheduled(path=path, new=len(ids), look=look, unreadable=unreadable)


def require_all_seen(done: Scheduled) -> None:
    """Raises PartlyFailed when a dead letter may be in the queue that no archive holds."""
    if not done.look.is_complete:
        raise PartlyFailed(
            f"perhaps not all of them: {done.look.saw:,} of about {many(done.look.about, 'dead letter')} could be seen; what "
            "was seen is archived",
            hint=f"{THE_OTHERS}: the next export takes them",
        )


def _known(folder: Path) -> tuple[set[str], tuple[str, ...]]:
    """Return the ids that archives hold. A broken one says of its dead letters nothing: better twice than never."""
    known: set[str] = set()
    unreadable: list[str] = []
    for path in sorted(folder.glob(ARCHIVES)):
        try:
            known.update([entry.queue_message_id for entry in dead_letters_in(path)])
        except ArchiveInvalid as exc:
            unreadable.append(str(exc))
    return known, tuple(unreadable)


def _note(folder: Path, look: Peek, at: datetime) -> None:
    before = read_last(folder)
    complete_at = at if look.is_complete else before.complete_at if before else None
    oldest = min((one.sent_at for one in look.found if one.sent_at), default=None)
    last = Last(at=at, complete_at=complete_at, oldest_sent_at=oldest)
    _put(folder / LAST, [last.to_json().encode() + b"\n"])


def _write(folder: Path, at: datetime, lines: Iterable[bytes]) -> Path:
    """Write a new archive."""
    name = f"dead-letters-{at.astimezone(UTC):%Y%m%dT%H%M%SZ}"
    number, path = 1, folder / f"{name}.jsonl"
    while path.exists():
        number += 1
        path = folder / f"{name}-{number}.jsonl"
    _put(path, lines)
    return path


def _put(path: Path, lines: Iterable[bytes]) -> None:
    """Write a file (0600) that is there at once and whole, also after a power cut."""
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=".new-")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.writelines(lines)
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(path)
    finally:
        Path(name).unlink(missing_ok=True)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


@contextmanager
def _translated(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as exc:
        raise UsageError(f"{folder} cannot be written: {exc.strerror}") from exc
