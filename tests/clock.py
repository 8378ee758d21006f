"""The time of tests: it passes where somebody pauses, and nobody waits for it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from b2bpilot.pipeline.waiting import Clock, going_by


class StillClock(Clock):
    """`at` says what happens meanwhile, by the number of the pause, from 1 on."""

    def __init__(self) -> None:
        self.now = 0.0
        self.pauses: list[float] = []
        self.at: dict[int, Callable[[], object]] = {}

    def monotonic(self) -> float:
        return self.now

    def pause(self, seconds: float, *, woken_by: threading.Event | None = None) -> None:  # Clock's
        self.pauses.append(seconds)
        self.now += seconds
        self.at.get(len(self.pauses), lambda: None)()


@contextmanager
def no_waiting() -> Iterator[StillClock]:
    clock = StillClock()
    with going_by(clock):
        yield clock
