"""Receiving from the queue until it has no more of them, or it is enough: the only loop that does."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

from b2bpilot.ops.ports import DeadLetterReceiver
from b2bpilot.pipeline.dead_letter import DeadLetter

WORKERS = 16
LONG_POLL_SECONDS = 1
EMPTY_POLLS = 2
"""How many long polls in a row, whoever made them, must come back empty before an empty queue is believed."""
DOUBTFUL_POLLS = 16
"""The same while something is known to be missing; and how many may bring more than the counters know of."""
LOOK_HIDDEN_SECONDS = 60
"""How long dead letters that nobody works on stay hidden after a kill -9."""
MOST_HELD = 100_000
"""SQS hides 120,000 at a time from everybody together (docs/aws-facts.md#sqs-in-flight); who only looks must not use that up."""


class Sweep:
    """Receives side by side until the queue has no more, or it is enough. What was received stays held.

    SQS's counters lag by a minute: by themselves they end it only where `ends_by_counters` is asked for, and they were right
    at its beginning: exactly as many dead letters were seen as they promised. Otherwise, also when they promised none, it
    takes long polls that come back empty.
    """

    def __init__(
        self,
        source: DeadLetterReceiver,
        *,
        see: Callable[[Sequence[DeadLetter]], None],
        is_enough: Callable[[], bool] = lambda: False,
        is_missing: Callable[[], bool] = lambda: False,
        patience_seconds: float = 0,
        ends_by_counters: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`see` gets the new dead letters of one answer, in the thread that received them. While `is_missing` says that some are
        not there that must be, they are waited for, `patience_seconds` at least: a run that was killed may hide them."""
        self.saw = 0
        self._source = source
        self._see = see
        self._is_enough = is_enough
        self._is_missing = is_missing
        self._ends_by_counters = ends_by_counters
        self._clock = clock
        self._patient_until = clock() + patience_seconds
        self._expected = source.others() if ends_by_counters else 0
        self._asking = threading.Lock()
        self._changed = threading.Condition()
        self._receiving = 0
        self._empty_polls = 0
        self._late_polls = 0
        self._is_stopped = False

    def run(self, *, workers: int = WORKERS) -> None:
        """Raises AwsError, and what `see` raises."""
        with ThreadPoolExecutor(workers) as pool:
            try:
                for done in [pool.submit(self._work) for _ in range(workers)]:
                    done.result()
            except BaseException:
                self.stop()
                raise

    def stop(self) -> None:
        """Receive nothing more: `run` ends when the calls that are under way do."""
        with self._changed:
            self._is_stopped = True
            self._changed.notify_all()

    def _work(self) -> None:
        was_empty = False
        try:
            while not self._is_over(wait=was_empty):
                found = self._receive(is_long_poll=was_empty)
                if found:
                    self._see(found)
                    if was_empty and self._source.others() == 0:
                        self._late_polls += 1
                was_empty = not found
                if was_empty:
                    self._wait_for_the_others()
        except BaseException:
            self.stop()
            raise

    def _receive(self, *, is_long_poll: bool) -> list[DeadLetter]:
        with self._changed:
            self._receiving += 1
        found: list[DeadLetter] = []
        try:
            self._source.extend_due()
            found = self._source.receive(wait_seconds=LONG_POLL_SECONDS if is_long_poll else 0)
        finally:
            with self._changed:
                self.saw += len(found)
                self._empty_polls = 0 if found else self._empty_polls + is_long_poll
                self._receiving -= 1
                self._changed.notify_all()
        return found

    def _wait_for_the_others(self) -> None:
        """What is missing may be on its way to another worker: no reason for a long poll yet."""
        with self._changed:
            self._changed.wait_for(lambda: self._receiving == 0 or self._is_stopped)

    def _is_over(self, *, wait: bool) -> bool:
        if self._is_stopped or self._is_enough() or self._late_polls >= DOUBTFUL_POLLS:
            return True
        return self._is_as_promised(wait=wait) or self._is_empty()

    def _is_as_promised(self, *, wait: bool) -> bool:
        """One worker at a time asks. Those that may still find something do not `wait` for the answer."""
        if self._ends_by_counters and 0 < self.saw == self._expected and self._asking.acquire(blocking=wait):
            try:
                if not self._is_stopped and self._source.others() == 0:
                    self.stop()
            finally:
                self._asking.release()
        return self._is_stopped

    def _is_empty(self) -> bool:
        if self._empty_polls < EMPTY_POLLS:
            return False
        with self._asking:
            if not self._is_stopped and self._is_believed_empty():
                self.stop()
        return self._is_stopped

    def _is_believed_empty(self) -> bool:
        is_doubtful = self._empty_polls < DOUBTFUL_POLLS
        if self._is_missing():
            return not is_doubtful and self._clock() >= self._patient_until
        return not is_doubtful or self._source.beside().visible == 0
