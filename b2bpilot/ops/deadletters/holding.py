"""Taking letters out of sight for a run, and giving back at its end whatever it did not delete."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from types import TracebackType
from typing import Protocol, Self

from b2bpilot.aws.queue_attributes import Counters
from b2bpilot.errors import AwsError
from b2bpilot.pipeline.deadletter import DeadLetter

HIDDEN_SECONDS = 20
"""After a kill -9 the letters are visible again this soon: short, and extended while the run lives."""

BATCH = 10
WORKERS = 16


class Queue(Protocol):
    """The part of aws.queue.DeadLetterQueue that a run uses. Refused entries are returned, not raised."""

    def receive(self, *, hidden_seconds: int, wait_seconds: int) -> list[DeadLetter]: ...
    def extend(self, letters: Sequence[DeadLetter], seconds: int) -> list[DeadLetter]: ...
    def release(self, letters: Sequence[DeadLetter]) -> list[DeadLetter]: ...
    def delete(self, letters: Sequence[DeadLetter]) -> list[DeadLetter]: ...
    def counters(self) -> Counters: ...


class Holding:
    """The letters that a run has taken. Leaving the block gives back all that are still held, whatever happened."""

    def __init__(self, queue: Queue, *, hidden_seconds: int = HIDDEN_SECONDS) -> None:
        self._queue = queue
        self._hidden_seconds = hidden_seconds
        self._held: dict[str, DeadLetter] = {}
        self._lock = threading.Lock()
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
        self._release_all()

    def receive(self, *, wait_seconds: int) -> list[DeadLetter]:
        """Take up to ten more letters; one that is held already (its time ran out once) is only refreshed."""
        found = self._queue.receive(hidden_seconds=self._hidden_seconds, wait_seconds=wait_seconds)
        with self._lock:
            new = [letter for letter in found if letter.queue_message_id not in self._held]
            self._held |= {letter.queue_message_id: _receipt(letter) for letter in found}
        return new

    def others(self) -> int:
        """Return about how many letters the queue has that are not held here."""
        counters = self._queue.counters()
        with self._lock:
            return counters.visible + counters.delayed + max(0, counters.hidden - len(self._held))

    def delete(self, letters: Sequence[DeadLetter]) -> list[DeadLetter]:
        """Delete letters; return those that SQS refused to delete. They stay held."""
        with self._lock:
            current = [self._held.get(letter.queue_message_id, letter) for letter in letters]
        refused = {letter.queue_message_id for letter in self._queue.delete(current)}
        with self._lock:
            for letter in letters:
                if letter.queue_message_id not in refused:
                    self._held.pop(letter.queue_message_id, None)
        return [letter for letter in letters if letter.queue_message_id in refused]

    def release(self, letters: Iterable[DeadLetter]) -> None:
        """Give letters back before the end."""
        with self._lock:
            current = [self._held.pop(letter.queue_message_id, letter) for letter in letters]
        self._queue.release(current)

    def _extend_while_held(self) -> None:
        while not self._ended.wait(self._hidden_seconds / 3):
            with self._lock:
                current = list(self._held.values())
            try:
                self._queue.extend(current, self._hidden_seconds)
            except AwsError:
                continue  # they become visible for others: a duplicate at worst, which the claim absorbs

    def _release_all(self) -> None:
        with self._lock:
            current, self._held = list(self._held.values()), {}
        batches = [current[start : start + BATCH] for start in range(0, len(current), BATCH)]
        with ThreadPoolExecutor(WORKERS) as pool:
            for done in [pool.submit(self._queue.release, batch) for batch in batches]:
                if done.exception() is not None:
                    continue  # they become visible by themselves when their time is over


def _receipt(letter: DeadLetter) -> DeadLetter:
    """The letter without its contents: a run over 100,000 letters holds receipts, not bodies."""
    return replace(letter, body="", event=None, message=None)
