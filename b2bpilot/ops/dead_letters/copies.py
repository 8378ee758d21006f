"""Copies of dead letters, from the queue or from an export: chosen by the same rules, on disk until they are used, or written into
a file."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from b2bpilot.aws.queue import Judge
from b2bpilot.errors import PartlyFailed, UsageError
from b2bpilot.ops.dead_letters.archive import (
    Archived,
    Origin,
    archived,
    dead_letters_in,
    line,
    parsed,
    require_readable,
)
from b2bpilot.ops.dead_letters.causes import Cause, SeenDeadLetter
from b2bpilot.ops.dead_letters.filters import Selection
from b2bpilot.ops.dead_letters.peek import Matches, Peek, ours_to_process, peek, within
from b2bpilot.ops.dead_letters.sweep import THE_OTHERS
from b2bpilot.ops.ports import VisibilityQueue
from b2bpilot.pipeline.dead_letter import DeadLetter
from b2bpilot.pipeline.owner import Owner
from b2bpilot.plural import many


class Spool:
    """Lines of an archive in a file that only this process sees; memory holds their places, by the id in the queue."""

    def __init__(self) -> None:
        self._file = tempfile.TemporaryFile()  # noqa: SIM115  # closed by the block's end
        self._end = 0
        self._places: dict[str, int] = {}
        self._owners: dict[str, Owner] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def put(self, entry: Archived, dead_letter: DeadLetter) -> None:
        """`dead_letter` is the entry, decoded; whose it is stays known."""
        self._owners[entry.queue_message_id] = dead_letter.owner
        self._file.seek(self._end)
        self._places[entry.queue_message_id] = self._end
        self._end += self._file.write(line(entry, dead_letter) + b"\n")

    def lines(self, queue_message_ids: Iterable[str]) -> Iterator[bytes]:
        """Yield the lines, with their ends, in the order of the ids."""
        for queue_message_id in queue_message_ids:
            self._file.seek(self._places[queue_message_id])
            yield self._file.readline()

    def dead_letters(self, queue_message_ids: Iterable[str]) -> Iterator[DeadLetter]:
        for text in self.lines(queue_message_ids):
            dead_letter = parsed(text, "the copy").dead_letter
            yield replace(dead_letter, owner=self._owners[dead_letter.queue_message_id])


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportRequest:
    """What is exported, and what is told meanwhile: how many were seen of about how many."""

    selection: Selection
    origin: Origin
    now: datetime
    observe: Callable[[int, int], None] = lambda _saw, _about: None


def export_to_file(queue: VisibilityQueue, path: Path, request: ExportRequest) -> Peek:
    """Write a new file (0600) that is there at once and whole. Raises UsageError when it exists or cannot be made."""
    try:
        if path.exists():
            raise UsageError(f"{path} exists already", hint="name a new file; nothing was written")
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.") as file:
            look = export(queue, file, request)
            file.flush()
            os.fsync(file.fileno())
            os.link(file.name, path)
    except OSError as exc:
        raise UsageError(f"{path} cannot be written: {exc.strerror}") from exc
    return look


def export(queue: VisibilityQueue, target: IO[bytes], request: ExportRequest) -> Peek:
    """Write a line for each selected dead letter that could be seen, oldest first. Memory holds none of them."""
    with Spool() as spool:
        look = peek(
            queue,
            now=request.now,
            selection=request.selection,
            visit=lambda dead_letter: spool.put(archived(dead_letter, request.origin), dead_letter),
            observe=request.observe,
        )
        target.writelines(spool.lines(dead_letter.queue_message_id for dead_letter in look.found))
    return look


def require_all_seen(look: Peek, selection: Selection) -> None:
    """Raises PartlyFailed when a dead letter that was meant may be missing in what was written."""
    if look.is_complete or len(look.found) == selection.limit:
        return
    raise PartlyFailed(
        f"perhaps not all of them: {look.saw:,} of about {many(look.about, 'dead letter')} could be seen, and what was seen "
        "is written",
        hint=f"{THE_OTHERS}: export again, to another file",
    )


MOST = 1_000
"""So many are chosen where no limit was given."""
FILE_HINT = "a file's groups are numbered by what is in it: G1 is its most frequent cause"


@dataclass(frozen=True, slots=True, kw_only=True)
class Copies:
    """What was chosen, oldest first: what can be processed within the limit, and what is left out beside it. `matching`
    counts what the filters match, `processable` what of it can be processed, `saw` and `about` what was looked at."""

    chosen: Sequence[SeenDeadLetter]
    matching: int
    processable: int
    names: dict[Cause, str]
    saw: int
    about: int
    unseen: int
    """About how many that may be meant were not seen."""
    spool: Spool
    cut: str | None = None
    """Which line of a file ends before its dead letter does."""

    @property
    def unreadable(self) -> list[SeenDeadLetter]:
        return [found for found in self.chosen if found.owner.is_ours and found.message_id is None]

    @property
    def readable(self) -> list[SeenDeadLetter]:
        """What can be processed: ours, and with a message in it."""
        return [found for found in self.chosen if found.owner.is_ours and found.message_id is not None]

    @property
    def others(self) -> list[SeenDeadLetter]:
        """What is not ours: it is left out."""
        return [found for found in self.chosen if not found.owner.is_ours]

    def dead_letters(self) -> Iterator[DeadLetter]:
        """Yield those that can be read, one at a time."""
        return self.spool.dead_letters(found.queue_message_id for found in self.readable)


def copies_from_queue(
    queue: VisibilityQueue, spool: Spool, request: ExportRequest, *, most: int = MOST
) -> Copies:
    """Copy what the selection matches; all is given back before. Raises UsageError for a group or a field that is not
    there, AwsError."""
    look = peek(
        queue,
        now=request.now,
        selection=request.selection,
        counts=ours_to_process,
        visit=lambda dead_letter: spool.put(archived(dead_letter, request.origin), dead_letter),
        observe=request.observe,
    )
    limit = request.selection.limit
    return Copies(
        chosen=within(look.found, limit or most, ours_to_process),
        matching=len(look.found),
        processable=look.counted,
        names=dict(look.names),
        saw=look.saw,
        about=look.about,
        unseen=look.unseen_of(request.selection),
        spool=spool,
    )


def copies_from_file(
    path: Path, spool: Spool, selection: Selection, *, judge: Judge, now: datetime, most: int = MOST
) -> Copies:
    """Copy the dead letters of an export that the selection matches. It is read once: it may be a pipe. Raises ArchiveInvalid,
    and UsageError for a group or a field that is not there."""
    matches = Matches(selection, now=now, place="the file", hint=FILE_HINT)
    cut: list[str] = []
    for entry in dead_letters_in(path, cut.append):
        dead_letter = judge(entry.dead_letter)
        if matches.see(dead_letter):
            spool.put(entry, dead_letter)
    require_readable(cut[0] if cut else None, read=matches.saw)
    names = matches.names()
    matching = matches.found(names)
    return Copies(
        chosen=within(matching, selection.limit or most, ours_to_process),
        matching=len(matching),
        processable=sum(map(ours_to_process, matching)),
        names=names,
        saw=matches.saw,
        about=matches.saw,
        unseen=0,
        spool=spool,
        cut=cut[0] if cut else None,
    )
