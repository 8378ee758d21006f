"""Collecting the dead letters of a run from the queue: many receives side by side, until the queue has no more of them."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Protocol

from b2bpilot.ops.dead_letters.holding import WORKERS
from b2bpilot.pipeline.dead_letter import DeadLetter

LONG_POLL_SECONDS = 1
EMPTY_POLLS = 2
"""So many long polls in a row, whoever made them, must come back empty before an empty queue is believed
(docs/aws-facts.md#sqs-counters)."""


class Source(Protocol):
    """What dead letters are taken from: a Holding. `others` is what the queue has beside what is held."""

    def receive(self, *, wait_seconds: int) -> list[DeadLetter]: ...
    def release(self, dead_letters: Sequence[DeadLetter]) -> None: ...
    def others(self) -> int: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """The wanted dead letters in the order of their age, how many were looked at, and whether there are more than were wanted."""

    dead_letters: Sequence[DeadLetter]
    saw: int
    more: bool
    surplus: Sequence[DeadLetter] = ()
    """What exceeded the limit, and was given back: the next taking may bring it again."""
    hidden: int = 0
    """When nothing was seen: about how many dead letters somebody else holds."""


class Taker:
    """Fills up to `limit` dead letters that are `wanted`; the others stay held, or they would be received again at once.

    SQS's counters lag by a minute, so they end the taking only when they were right at its beginning: exactly as many
    dead letters were seen as they promised. Otherwise, also when they promised none, it takes long polls that come back empty.
    """

    def __init__(
        self,
        source: Source,
        *,
        wanted: Callable[[DeadLetter], bool],
        limit: int,
        patience_seconds: float = 0,
        for_all: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`patience_seconds` is how long to wait for dead letters that somebody, a killed run for instance, still hides: for the
        first one, or `for_all` that the counters know of."""
        self._source = source
        self._wanted = wanted
        self._limit = limit
        self._clock = clock
        self._for_all = for_all
        self._patient_until = clock() + patience_seconds
        self._expected = source.others()
        self._lock = threading.Lock()
        self._asking = threading.Lock()
        self._changed = threading.Condition()
        self._receiving = 0
        self._dead_letters: list[DeadLetter] = []
        self._saw = 0
        self._empty_polls = 0
        self._ended = False

    def take(self, *, workers: int = WORKERS) -> Taken:
        """Receive until the limit is passed or the queue has no more. What exceeds the limit is given back."""
        with ThreadPoolExecutor(workers) as pool:
            for done in [pool.submit(self._work) for _ in range(workers)]:
                done.result()
        ordered = sorted(
            self._dead_letters, key=lambda dead_letter: (dead_letter.sent_at is None, dead_letter.sent_at)
        )
        kept, surplus = ordered[: self._limit], ordered[self._limit :]
        self._source.release(surplus)
        hidden = 0 if self._saw else self._source.others()
        return Taken(
            dead_letters=kept,
            saw=self._saw - len(surplus),
            more=bool(surplus),
            surplus=surplus,
            hidden=hidden,
        )

    def stop(self) -> None:
        """Receive nothing more: `take` ends when the calls that are under way do."""
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    def _work(self) -> None:
        was_empty = False
        while not self._is_over(wait=was_empty) and (self._empty_polls < EMPTY_POLLS or self._is_patient()):
            found = self._receive(wait_seconds=LONG_POLL_SECONDS if was_empty else 0)
            was_empty = not found
            if not found:
                self._wait_for_the_others()

    def _receive(self, *, wait_seconds: int) -> list[DeadLetter]:
        with self._changed:
            self._receiving += 1
        try:
            found = self._source.receive(wait_seconds=wait_seconds)
            self._add(found, was_long_poll=wait_seconds > 0)
        finally:
            with self._changed:
                self._receiving -= 1
                self._changed.notify_all()
        return found

    def _wait_for_the_others(self) -> None:
        """What is missing may be on its way to another worker: no reason for a long poll yet."""
        with self._changed:
            self._changed.wait_for(lambda: self._receiving == 0 or self._ended)

    def _is_over(self, *, wait: bool) -> bool:
        """One worker at a time asks. Those that may still find something do not `wait` for the answer."""
        if not self._ended and 0 < self._saw == self._expected and self._asking.acquire(blocking=wait):
            try:
                self._ended = self._ended or self._source.others() == 0
            finally:
                self._asking.release()
        return self._ended

    def _is_patient(self) -> bool:
        is_waiting = self._for_all or self._saw == 0
        return is_waiting and self._clock() < self._patient_until and self._source.others() > 0

    def _add(self, found: Sequence[DeadLetter], *, was_long_poll: bool) -> None:
        with self._lock:
            self._saw += len(found)
            self._empty_polls = 0 if found else self._empty_polls + was_long_poll
            self._dead_letters += [dead_letter for dead_letter in found if self._wanted(dead_letter)]
            if len(self._dead_letters) > self._limit:
                self._ended = True
