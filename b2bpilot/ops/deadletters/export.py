"""Copying dead letters into a file: all of what was selected, or no file at all."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import IO

from b2bpilot.errors import UsageError
from b2bpilot.ops.deadletters.archive import Origin, archived, line
from b2bpilot.ops.deadletters.look import Look, Queue, look
from b2bpilot.ops.deadletters.selection import Selection
from b2bpilot.ops.deadletters.whole import whole
from b2bpilot.pipeline.deadletter import DeadLetter


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What is exported, and what is told meanwhile: how many were seen of about how many."""

    selection: Selection
    origin: Origin
    now: datetime
    observe: Callable[[int, int], None] = lambda _saw, _about: None


def export_to_file(queue: Queue, path: Path, wanted: Wanted) -> Look:
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


def export(queue: Queue, target: IO[bytes], wanted: Wanted) -> Look:
    """Write a line for each selected letter. Memory holds none of them: until it is known which letters a group or a
    limit leaves, they wait in a file that only this process sees."""
    with tempfile.TemporaryFile() as seen:
        places: list[tuple[str, int]] = []

        def visit(letter: DeadLetter) -> None:
            places.append((letter.queue_message_id, seen.tell()))
            seen.write(line(archived(whole(letter), wanted.origin)) + b"\n")

        found = look(queue, now=wanted.now, selection=wanted.selection, visit=visit, observe=wanted.observe)
        _copy(seen, target, places, {letter.queue_message_id for letter in found.found})
    return found


def _copy(source: IO[bytes], target: IO[bytes], places: list[tuple[str, int]], chosen: set[str]) -> None:
    if len(chosen) == len(places):
        source.seek(0)
        shutil.copyfileobj(source, target)
        return
    for queue_message_id, place in places:
        if queue_message_id in chosen:
            source.seek(place)
            target.write(source.readline())
