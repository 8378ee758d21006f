"""Taking dead letters out of sight, and giving back at the end whatever was not deleted."""

from __future__ import annotations

import heapq
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from tempfile import SpooledTemporaryFile
from types import TracebackType
from typing import Self

from b2bpilot.aws.queue import Receipt
from b2bpilot.aws.queue_attributes import Counters
from b2bpilot.errors import AwsError
from b2bpilot.ops.ports import DeletingQueue, VisibilityQueue
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


HIDDEN_SECONDS = 30
"""After a kill -9 the dead letters are visible again this soon: short, and extended while the run lives."""
EXTEND_AFTER = 0.5
"""Of that time; what is left is more than a call takes as a rule."""
RETRY_SECONDS = 2.0
LOOK_EVERY_SECONDS = 1.0

BATCH = 10
WORKERS = 16
REFUSED = "SQS refused it"


class Hiding:
    """Dead letters that are hidden while somebody looks at them. Leaving the block gives all of them back, whatever happened.

    Whoever receives in threads ends them within the block: SQS may have hidden dead letters for a call that is under way.
    What a call brings is held before anybody looks at it, so that a Ctrl-C loses nothing.
    """

    def __init__(
        self,
        queue: VisibilityQueue,
        *,
        hidden_seconds: int,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.not_released = 0
        """How many could not be given back, once the block is left."""
        self.release_error: str | None = None
        self._queue = queue
        self._hidden_seconds = hidden_seconds
        self._monotonic = monotonic
        self._receipts = Receipts()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            with ThreadPoolExecutor(WORKERS) as pool:
                for worker in [pool.submit(self._release_until_none) for _ in range(WORKERS)]:
                    self.not_released += worker.result()
        finally:
            self._receipts.close()

    def receive(self, *, wait_seconds: int) -> list[DeadLetter]:
        """Take up to ten more dead letters; one that is held already (its time ran out once) is only refreshed."""
        extend_at = self._extend_at()
        dead_letters = self._queue.receive(hidden_seconds=self._hidden_seconds, wait_seconds=wait_seconds)
        return self._receipts.add(dead_letters, extend_at=extend_at) if dead_letters else []

    def others(self) -> int:
        """Return about how many dead letters the queue has that are not held here."""
        counters = self._queue.counters()
        return counters.visible + counters.delayed + max(0, counters.hidden - len(self._receipts))

    def beside(self, counters: Counters | None = None) -> Counters:
        """Return about what SQS counts beside what is held here, which it may still count as visible: its counters lag."""
        counters, held = counters or self._queue.counters(), len(self._receipts)
        still_visible = max(0, held - counters.hidden)
        return Counters(
            visible=max(0, counters.visible - still_visible),
            hidden=max(0, counters.hidden - held),
            delayed=counters.delayed,
        )

    def release(self, dead_letters: Sequence[DeadLetter]) -> None:
        """Give dead letters back before the end; what SQS refuses is tried again then. Raises AwsError."""
        refused = {one.queue_message_id for one in self._queue.release(self._receipts.current(dead_letters))}
        self._receipts.drop(
            [dead_letter for dead_letter in dead_letters if dead_letter.queue_message_id not in refused]
        )

    def extend_due(self) -> None:
        """Hide for longer what would be visible soon. A dead letter that cannot be extended is visible for others then: a
        duplicate at worst, which the claim absorbs, so nothing is said."""
        due = self._monotonic()
        if (first := self._receipts.pop_due(due)) is None:
            return
        with ThreadPoolExecutor(WORKERS) as pool:
            for worker in [pool.submit(self._extend_until, due, first)] + [
                pool.submit(self._extend_until, due) for _ in range(WORKERS - 1)
            ]:
                worker.result()

    def _extend_until(self, due: float, batch: Batch | None = None) -> None:
        while batch := batch or self._receipts.pop_due(due):
            extend_at = self._extend_at()
            try:
                self._queue.extend(self._receipts.held(batch), self._hidden_seconds)
            except AwsError:
                extend_at = self._monotonic() + RETRY_SECONDS
            finally:
                self._receipts.put_back(batch, extend_at=extend_at)
            batch = None

    def _extend_at(self) -> float:
        return self._monotonic() + self._hidden_seconds * EXTEND_AFTER

    def _release_until_none(self) -> int:
        failed = 0
        while batch := self._receipts.pop_due():
            held = self._receipts.held(batch)
            try:
                failed += self._release(held)
            except Exception as exc:  # noqa: BLE001  # whatever it is, the others are still to be given back
                self.release_error = str(exc)
                failed += len(held)
        return failed

    def _release(self, held: Sequence[Receipt]) -> int:
        """Return how many SQS refused, twice: a receipt that expired is refused, too, and its dead letter visible already."""
        refused = self._queue.release(held)
        refused = self._queue.release(refused) if refused else []
        if refused:
            self.release_error = REFUSED
        return len(refused)


class Holding(Hiding):
    """The dead letters of a run: hidden for as long as it lasts, by a thread that sees to it, and deleted one by one."""

    def __init__(self, queue: DeletingQueue, *, hidden_seconds: int = HIDDEN_SECONDS) -> None:
        super().__init__(queue, hidden_seconds=hidden_seconds)
        self._deleting_queue = queue
        self._ended = threading.Event()
        self._extender = threading.Thread(target=self._extend_while_held, daemon=True)

    def __enter__(self) -> Self:
        self._extender.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        self._extender.join()
        super().__exit__(kind, error, trace)

    def delete(self, dead_letters: Sequence[DeadLetter]) -> list[DeadLetter]:
        """Delete dead letters; return those that SQS refused to delete. They stay held. Raises AwsError.

        What is not ours is never deleted, whoever asks for it.
        """
        kept = {dead_letter.queue_message_id for dead_letter in dead_letters if not dead_letter.owner.is_ours}
        current = self._receipts.current([one for one in dead_letters if one.queue_message_id not in kept])
        refused = kept | {
            one.queue_message_id for one in (self._deleting_queue.delete(current) if current else [])
        }
        self._receipts.drop(
            [dead_letter for dead_letter in dead_letters if dead_letter.queue_message_id not in refused]
        )
        return [dead_letter for dead_letter in dead_letters if dead_letter.queue_message_id in refused]

    def _extend_while_held(self) -> None:
        while not self._ended.wait(LOOK_EVERY_SECONDS):
            self.extend_due()
