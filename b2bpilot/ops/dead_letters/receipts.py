"""The receipts of dead letters that are held: on disk when they are many, for SQS's have 400 characters and a run may hold 100,000."""

from __future__ import annotations

import heapq
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from tempfile import SpooledTemporaryFile

from b2bpilot.aws.queue import Receipt
from b2bpilot.pipeline.dead_letter import DeadLetter

IN_MEMORY_BYTES = 1_000_000
SEPARATOR = "\t"


@dataclass(slots=True, eq=False)
class Batch:
    """The dead letters of one answer, by their place in the file. `extend_at` is by a clock of the holder's."""

    offset: int
    length: int
    extend_at: float


class Receipts:
    """What is held: by batch, because it is extended and given back as it came, and by dead letter, because it is deleted so.

    Threads may use it side by side. A dead letter that was received again belongs to its last batch only: the older receipt
    is worth nothing.
    """

    def __init__(self) -> None:
        self._file = SpooledTemporaryFile(max_size=IN_MEMORY_BYTES)  # noqa: SIM115  # closed by close()
        self._end = 0
        self._batch_of: dict[str, Batch] = {}
        self._due: list[tuple[float, int, Batch]] = []
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._batch_of)

    def add(self, dead_letters: Sequence[DeadLetter], *, extend_at: float) -> list[DeadLetter]:
        """Hold the dead letters of one answer; return those that were not held before."""
        lines = [
            f"{dead_letter.queue_message_id}{SEPARATOR}{dead_letter.receipt_handle}"
            for dead_letter in dead_letters
        ]
        text = "\n".join(lines).encode()
        with self._lock:
            self._file.seek(self._end)
            self._file.write(text)
            batch = Batch(self._end, len(text), extend_at)
            self._end += len(text)
            new = [
                dead_letter
                for dead_letter in dead_letters
                if dead_letter.queue_message_id not in self._batch_of
            ]
            self._batch_of |= dict.fromkeys(
                (dead_letter.queue_message_id for dead_letter in dead_letters), batch
            )
            self._push(batch)
        return new

    def pop_due(self, now: float | None = None) -> Batch | None:
        """Take out the batch that is due first, if it is by `now`; None is any time. `put_back` it after an extension."""
        with self._lock:
            while self._due and (now is None or self._due[0][0] <= now):
                batch = heapq.heappop(self._due)[2]
                if any(self._held(batch)):
                    return batch
            return None

    def put_back(self, batch: Batch, *, extend_at: float) -> None:
        with self._lock:
            batch.extend_at = extend_at
            self._push(batch)

    def held(self, batch: Batch) -> list[Receipt]:
        """Return what of the batch is held still."""
        with self._lock:
            return list(self._held(batch))

    def current(self, dead_letters: Sequence[DeadLetter]) -> list[Receipt]:
        """Return the last receipts of dead letters; of one that is not held, the one that it came with."""
        with self._lock:
            batches = {self._batch_of.get(dead_letter.queue_message_id) for dead_letter in dead_letters}
            last = {
                receipt.queue_message_id: receipt
                for batch in batches
                if batch
                for receipt in self._held(batch)
            }
        return [
            last.get(
                dead_letter.queue_message_id,
                Receipt(dead_letter.receipt_handle, dead_letter.queue_message_id),
            )
            for dead_letter in dead_letters
        ]

    def drop(self, dead_letters: Sequence[DeadLetter]) -> None:
        with self._lock:
            for dead_letter in dead_letters:
                self._batch_of.pop(dead_letter.queue_message_id, None)

    def close(self) -> None:
        self._file.close()

    def _push(self, batch: Batch) -> None:
        heapq.heappush(self._due, (batch.extend_at, batch.offset, batch))

    def _held(self, batch: Batch) -> Iterator[Receipt]:
        self._file.seek(batch.offset)
        for line in self._file.read(batch.length).decode().split("\n"):
            queue_message_id, _, handle = line.partition(SEPARATOR)
            if self._batch_of.get(queue_message_id) is batch:
                yield Receipt(handle, queue_message_id)
