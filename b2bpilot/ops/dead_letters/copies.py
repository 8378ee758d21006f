"""Copies of dead letters, from the queue or from an export: chosen by the same rules, and on disk until they are used."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from b2bpilot.aws.queue import Judge
from b2bpilot.ops.dead_letters.archive import archived, dead_letters_in, require_readable
from b2bpilot.ops.dead_letters.causes import Cause, Found
from b2bpilot.ops.dead_letters.export import ExportRequest
from b2bpilot.ops.dead_letters.filters import Selection
from b2bpilot.ops.dead_letters.peek import Matches, ours_to_process, peek, within
from b2bpilot.ops.dead_letters.temporary_store import Spool
from b2bpilot.ops.ports import VisibilityQueue
from b2bpilot.pipeline.dead_letter import DeadLetter

MOST = 1_000
"""So many are chosen where no limit was given."""
FILE_HINT = "a file's groups are numbered by what is in it: G1 is its most frequent cause"


@dataclass(frozen=True, slots=True, kw_only=True)
class Copies:
    """What was chosen, oldest first: what can be processed within the limit, and what is left out beside it. `matching`
    counts what the filters match, `processable` what of it can be processed, `saw` and `about` what was looked at."""

    chosen: Sequence[Found]
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
    def unreadable(self) -> list[Found]:
        return [found for found in self.chosen if found.owner.is_ours and found.message_id is None]

    @property
    def readable(self) -> list[Found]:
        """What can be processed: ours, and with a message in it."""
        return [found for found in self.chosen if found.owner.is_ours and found.message_id is not None]

    @property
    def others(self) -> list[Found]:
        """What is not ours: it is left out."""
        return [found for found in self.chosen if not found.owner.is_ours]

    def dead_letters(self) -> Iterator[DeadLetter]:
        """Yield those that can be read, one at a time."""
        return self.spool.dead_letters(found.queue_message_id for found in self.readable)


def copies_from_queue(
    queue: VisibilityQueue, spool: Spool, wanted: ExportRequest, *, most: int = MOST
) -> Copies:
    """Copy what the selection matches; all is given back before. Raises UsageError for a group or a field that is not
    there, AwsError."""
    found = peek(
        queue,
        now=wanted.now,
        selection=wanted.selection,
        counts=ours_to_process,
        visit=lambda dead_letter: spool.put(archived(dead_letter, wanted.origin), dead_letter),
        observe=wanted.observe,
    )
    limit = wanted.selection.limit
    return Copies(
        chosen=within(found.found, limit or most, ours_to_process),
        matching=len(found.found),
        processable=found.counted,
        names=dict(found.names),
        saw=found.saw,
        about=found.about,
        unseen=found.unseen_of(wanted.selection),
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
    found = matches.found(names)
    return Copies(
        chosen=within(found, selection.limit or most, ours_to_process),
        matching=len(found),
        processable=sum(map(ours_to_process, found)),
        names=names,
        saw=matches.saw,
        about=matches.saw,
        unseen=0,
        spool=spool,
        cut=cut[0] if cut else None,
    )
