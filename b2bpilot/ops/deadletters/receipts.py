"""The receipts of the letters that a look has seen: extended while it lasts, given back when it ends."""

from __future__ import annotations

import threading
import time
import zlib
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
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
    """The receipts of one answer, packed: SQS's are 400 letters long, and a look holds 100,000 of them."""

    packed: bytes
    size: int
    extend_at: float

    @classmethod
    def of(cls, letters: Sequence[DeadLetter], *, extend_at: float) -> Self:
        handles = "\n".join(letter.receipt_handle for letter in letters)
        return cls(zlib.compress(handles.encode(), 1), len(letters), extend_at)

    def receipts(self) -> list[Receipt]:
        return [Receipt(handle) for handle in zlib.decompress(self.packed).decode().split("\n")]


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
        self._queue = queue
        self._hidden_seconds = hidden_seconds
        self._monotonic = monotonic
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
            self._batches.append(Batch.of(letters, extend_at=extend_at))
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
                    self._queue.extend(batch.receipts(), self._hidden_seconds)
            finally:
                self._batches.append(Batch(batch.packed, batch.size, extend_at))

    def _release_all(self) -> None:
        with ThreadPoolExecutor(WORKERS) as pool:
            for worker in [pool.submit(self._release_until_none) for _ in range(WORKERS)]:
                self.not_released += worker.result()

    def _release_until_none(self) -> int:
        failed = 0
        while batch := self._pop():
            try:
                self._queue.release(batch.receipts())
            except Exception:  # noqa: BLE001  # whatever it is, the others are still to be given back
                failed += batch.size
        return failed

    def _pop(self, due: float | None = None) -> Batch | None:
        """Return the batch that waits longest, if it is due."""
        with self._lock:
            if self._batches and (due is None or self._batches[0].extend_at <= due):
                return self._batches.popleft()
            return None
