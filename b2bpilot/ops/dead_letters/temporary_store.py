"""Dead letters on disk for as long as a command runs, because memory must not grow with the queue."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import replace
from types import TracebackType
from typing import Self

from b2bpilot.ops.dead_letters.archive import Archived, line, parsed
from b2bpilot.pipeline.dead_letter import DeadLetter
from b2bpilot.pipeline.owner import Owner


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
