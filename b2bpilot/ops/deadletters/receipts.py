"""The receipts of the letters that a look has seen: extended while it lasts, given back when it ends."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, replace
from tempfile import SpooledTemporaryFile
from types import TracebackType
from typing import Protocol, Self

from b2bpilot.errors import AwsError
from b2bpilot.pipeline.deadletter import DeadLetter

HIDDEN_SECONDS = 60
"""How long a letter stays hidden after a kill -9."""
EXTEND_AFTER = 0.6
"""Of that time; what is left is more than one call may take (aws.session.Timeouts)."""
WORKERS = 8
"""Calls at the same time."""
IN_MEMORY_BYTES = 1_000_000


@dataclass(frozen=True, slots=True)
class Receipt:
    """All that is kept of a letter to give it back."""

    receipt_handle: str


class Queue(Protocol):
    """The part of DeadLetterQueue that is used here."""

    def receive(self, *, hidden_seconds: int, wait_seconds: int) -> list[DeadLetter]: ...
    def extend(self, letters: Sequence[Receipt], seconds: int) -> list[Receipt]: ...
    def release(self, letters: Sequence[Receipt]) -> list[Receipt]: ...


@dataclass(frozen=True, slots=True)
class Batch:
    """The receipts of one answer, by their place in the spool."""

    offset: int
    length: int
    size: int
    extend_at: float


class Spool:
    """Keeps receipts on disk when they are many: SQS's have 400 letters, and a look holds 100,000 of them."""

    def __init__(self) -> None:
        self._file = SpooledTemporaryFile(max_size=IN_MEMORY_BYTES)  # noqa: SIM115  # closed by close()
        self._lock = threading.Lock()
        self._end = 0

    def put(self, handles: Sequence[str], *, extend_at: float) -> Batch:
        text = "\n".join(handles).encode()
        with self._lock:
            self._file.seek(self._end)
            self._file.write(text)
            batch = Batch(self._end, len(text), len(handles), extend_at)
            self._end += len(text)
        return batch

    def receipts(self, batch: Batch) -> list[Receipt]:
        with self._lock:
            self._file.seek(batch.offset)
            text = self._file.read(batch.length)
        return [Receipt(handle) for handle in text.decode().split("\n")]

    def close(self) -> None:
        self._file.close()


class Receipts:
    """Receives side by side and holds what came. Leaving the block gives everything back, whatever happened.

    A thread holds what it received before anybody looks at it, so that a Ctrl-C loses nothing.
    """

    def __init__(
        self,
        queue: Queue,
        *,
        hidden_seconds: int = HIDDEN_SECONDS,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.not_released = 0
        """How many could not be given back, once the block is left."""
        self.release_error: str | None = None
        self._queue = queue
        self._hidden_seconds = hidden_seconds
        self._monotonic = monotonic
        self._spool = Spool()
        self._batches: deque[Batch] = deque()
        self._lock = threading.Lock()
        self._pool = ThreadPoolExecutor(WORKERS)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """A receive that is under way is waited for: SQS may have hidden letters for it."""
        try:
            self._pool.shutdown(wait=True, cancel_futures=True)
        finally:
            self._release_all()

    def receive(self, *, wait_seconds: int) -> list[DeadLetter]:
        """Return what all workers got in one call each. Raises AwsError."""
        self._extend_due()
        answers = [self._pool.submit(self._receive_ten, wait_seconds) for _ in range(WORKERS)]
        return [letter for answer in answers for letter in answer.result()]

    def _receive_ten(self, wait_seconds: int) -> list[DeadLetter]:
        extend_at = self._extend_at()
        letters = self._queue.receive(hidden_seconds=self._hidden_seconds, wait_seconds=wait_seconds)
        if letters:
            handles = [letter.receipt_handle for letter in letters]
            self._batches.append(self._spool.put(handles, extend_at=extend_at))
        return letters

    def _extend_at(self) -> float:
        return self._monotonic() + self._hidden_seconds * EXTEND_AFTER

    def _extend_due(self) -> None:
        due = self._monotonic()
        if self._batches and self._batches[0].extend_at <= due:
            for worker in [self._pool.submit(self._extend_until, due) for _ in range(WORKERS)]:
                worker.result()

    def _extend_until(self, due: float) -> None:
        """A letter that cannot be extended becomes visible and is seen again: no harm, so nothing is said."""
        while batch := self._pop(due):
            extend_at = self._extend_at()
            try:
                with suppress(AwsError):
                    self._queue.extend(self._spool.receipts(batch), self._hidden_seconds)
            finally:
                self._batches.append(replace(batch, extend_at=extend_at))

    def _release_all(self) -> None:
        with ThreadPoolExecutor(WORKERS) as pool:
            for worker in [pool.submit(self._release_until_none) for _ in range(WORKERS)]:
                self.not_released += worker.result()
        self._spool.close()

    def _release_until_none(self) -> int:
        failed = 0
        while batch := self._pop():
            try:
                self._queue.release(self._spool.receipts(batch))
            except Exception as exc:  # noqa: BLE001  # whatever it is, the others are still to be given back
                self.release_error = str(exc)
                failed += batch.size
        return failed

    def _pop(self, due: float | None = None) -> Batch | None:
        """Return the batch that waits longest, if it is due."""
        with self._lock:
            if self._batches and (due is None or self._batches[0].extend_at <= due):
                return self._batches.popleft()
            return None
