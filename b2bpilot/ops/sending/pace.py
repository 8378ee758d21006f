"""How fast a redrive may go: a rate, and a number of calls at once that shrinks when AWS throttles."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from b2bpilot.pipeline.waiting import monotonic, pause

SHRINK = 0.5
FIRST_PAUSE_SECONDS = 0.5
LONGEST_PAUSE_SECONDS = 20.0


class PaceEnded(Exception):
    """The run was interrupted while a worker waited for its turn: it sent nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """`rate` is dead letters per second; None is as fast as it goes. `concurrency` is calls at once."""

    rate: float | None = None
    concurrency: int = 16


class Pace:
    """Shared by the workers of a run. A wave of throttling halves the calls at once and makes all of them pause, each
    wave twice as long as the one before; every success adds a little, up to the limit again."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.allowed = float(limits.concurrency)
        self._busy = 0
        self._next_at = 0.0
        self._paused_until = 0.0
        self._pause_seconds = FIRST_PAUSE_SECONDS
        self._ended = threading.Event()
        self._changed = threading.Condition()

    def end(self) -> None:
        """Let nobody send anything more: who waits for a slot gets PaceEnded instead."""
        self._ended.set()
        with self._changed:
            self._changed.notify_all()

    @contextmanager
    def slot(self, dead_letters: int) -> Iterator[None]:
        """Wait until they may be sent, and count as busy meanwhile."""
        self._sleep_until(self._reserve(dead_letters))
        with self._changed:
            self._changed.wait_for(lambda: self._ended.is_set() or self._busy < max(1, int(self.allowed)))
            if self._ended.is_set():
                raise PaceEnded
            self._busy += 1
        try:
            yield
        finally:
            with self._changed:
                self._busy -= 1
                self._changed.notify_all()

    def throttled(self) -> None:
        """Slow down, all workers together: calls that were under way when the pause began are of the same wave.

        Raises PaceEnded when the run was interrupted meanwhile.
        """
        with self._changed:
            now = monotonic()
            if now >= self._paused_until:
                self.allowed = max(1.0, self.allowed * SHRINK)
                self._paused_until = now + self._pause_seconds
                self._next_at = max(self._next_at, self._paused_until)
                self._pause_seconds = min(self._pause_seconds * 2, LONGEST_PAUSE_SECONDS)
            until = self._paused_until
        self._sleep_until(until)
        if self._ended.is_set():
            raise PaceEnded

    def succeeded(self) -> None:
        with self._changed:
            self.allowed = min(float(self.limits.concurrency), self.allowed + 1 / self.allowed)
            self._pause_seconds = FIRST_PAUSE_SECONDS
            self._changed.notify_all()

    def _reserve(self, dead_letters: int) -> float:
        """Take the next place in time, and move it on by what the rate allows for these dead letters."""
        with self._changed:
            start = max(self._next_at, monotonic())
            if self.limits.rate:
                self._next_at = start + dead_letters / self.limits.rate
            return start

    def _sleep_until(self, moment: float) -> None:
        remaining = moment - monotonic()
        if remaining > 0:
            pause(remaining, woken_by=self._ended)
