"""Deleting what was confirmed, ten dead letters a call, while others are still being sent."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import Protocol, Self

from b2bpilot.ops.dead_letters.entries import Journal, entry
from b2bpilot.ops.dead_letters.holding import BATCH
from b2bpilot.pipeline.dead_letter import DeadLetter

WORKERS = 16


class Held(Protocol):
    """The dead letters that the run holds; `delete` returns what SQS refused."""

    def delete(self, dead_letters: Sequence[DeadLetter]) -> list[DeadLetter]: ...


class Deletions:
    """Takes confirmed dead letters from any thread. Leaving the block deletes the rest of them and waits for all calls.

    Sending must not go on when deleting fails: `check`, before each send, raises what the first failed call raised, and
    so does the block's end.
    """

    def __init__(self, held: Held, journal: Journal) -> None:
        self.deleted: set[str] = set()
        """The queue's ids of what SQS confirmed to be gone."""
        self._held = held
        self._journal = journal
        self._waiting: list[DeadLetter] = []
        self._failure: BaseException | None = None
        self._lock = threading.Lock()
        self._pool = ThreadPoolExecutor(WORKERS)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.flush()
        self._pool.shutdown()
        if error is None:
            self.check()

    def check(self) -> None:
        if self._failure is not None:
            raise self._failure

    def put(self, dead_letters: Sequence[DeadLetter]) -> None:
        """Delete dead letters soon: when they are ten with others, or at the next `flush`."""
        with self._lock:
            self._waiting += dead_letters
            while len(self._waiting) >= BATCH:
                self._submit()

    def flush(self) -> None:
        with self._lock:
            while self._waiting:
                self._submit()

    def _submit(self) -> None:
        batch, self._waiting = self._waiting[:BATCH], self._waiting[BATCH:]
        self._pool.submit(self._delete, batch)

    def _delete(self, dead_letters: Sequence[DeadLetter]) -> None:
        try:
            refused = {dead_letter.queue_message_id for dead_letter in self._held.delete(dead_letters)}
            gone = [
                dead_letter for dead_letter in dead_letters if dead_letter.queue_message_id not in refused
            ]
            self._journal.write(*(entry("deleted", dead_letter) for dead_letter in gone), durable=False)
            with self._lock:
                self.deleted |= {dead_letter.queue_message_id for dead_letter in gone}
        except BaseException as exc:  # noqa: BLE001  # raised by `check` in a thread that sends
            self._failure = self._failure or exc
