"""Copying dead letters into a file: a whole one, or none. Whether the queue showed all of its dead letters is said beside it."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import IO

from b2bpilot.errors import PartlyFailed, UsageError
from b2bpilot.ops.dead_letters.archive import Origin, archived
from b2bpilot.ops.dead_letters.filters import Selection
from b2bpilot.ops.dead_letters.peek import Peek, peek
from b2bpilot.ops.dead_letters.temporary_store import Spool
from b2bpilot.ops.dead_letters.unseen import THE_OTHERS
from b2bpilot.ops.ports import VisibilityQueue
from b2bpilot.plural import many


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportRequest:
    """What is exported, and what is told meanwhile: how many were seen of about how many."""

    selection: Selection
    origin: Origin
    now: datetime
    observe: Callable[[int, int], None] = lambda _saw, _about: None


def export_to_file(queue: VisibilityQueue, path: Path, wanted: ExportRequest) -> Peek:
    """Write a new file (0600) that is there at once and whole. Raises UsageError when it exists or cannot be made."""
    try:
        if path.exists():
            raise UsageError(f"{path} exists already", hint="name a new file; nothing was written")
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.") as file:
            found = export(queue, file, wanted)
            file.flush()
            os.fsync(file.fileno())
            os.link(file.name, path)
    except OSError as exc:
        raise UsageError(f"{path} cannot be written: {exc.strerror}") from exc
    return found


def export(queue: VisibilityQueue, target: IO[bytes], wanted: ExportRequest) -> Peek:
    """Write a line for each selected dead letter that could be seen, oldest first. Memory holds none of them."""
    with Spool() as spool:
        found = peek(
            queue,
            now=wanted.now,
            selection=wanted.selection,
            visit=lambda dead_letter: spool.put(archived(dead_letter, wanted.origin), dead_letter),
            observe=wanted.observe,
        )
        target.writelines(spool.lines(dead_letter.queue_message_id for dead_letter in found.found))
    return found


def require_all_seen(found: Peek, selection: Selection) -> None:
    """Raises PartlyFailed when a dead letter that was meant may be missing in what was written."""
    if found.is_complete or len(found.found) == selection.limit:
        return
    raise PartlyFailed(
        f"perhaps not all of them: {found.saw:,} of about {many(found.about, 'dead letter')} could be seen, and what was seen "
        "is written",
        hint=f"{THE_OTHERS}: export again, to another file",
    )
