"""Waiting: looking again until it is enough, with a deadline and pauses. Nothing else reads the time that a wait goes by."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

GROWTH = 1.5

Seen = TypeVar("Seen")
Errors = type[Exception] | tuple[type[Exception], ...]


class Clock:
    """Seconds that only grow, and pauses in them. Tests replace it, so that no test waits for time to pass."""

    def monotonic(self) -> float:
        return time.monotonic()

    def pause(self, seconds: float, *, woken_by: threading.Event | None = None) -> None:
        """Let the seconds pass, or less when the event is set."""
        if woken_by:
            woken_by.wait(seconds)
        else:
            time.sleep(seconds)  # the only one in the product, as a test holds: here a test can stop it


_clock = Clock()


def monotonic() -> float:
    return _clock.monotonic()


def pause(seconds: float, *, woken_by: threading.Event | None = None) -> None:
    _clock.pause(seconds, woken_by=woken_by)


@contextmanager
def going_by(clock: Clock) -> Iterator[None]:
    """Let every wait of this process go by another clock."""
    global _clock  # noqa: PLW0603  # the one switch: a wait takes no clock as a parameter
    before, _clock = _clock, clock
    try:
        yield
    finally:
        _clock = before


def wait_until(
    look: Callable[[], Seen],
    *,
    enough: Callable[[Seen], object] = bool,
    seconds: float,
    pause_seconds: float,
    longest_pause_seconds: float | None = None,
) -> Seen:
    """Look until it is `enough` or the time is over, and return what was seen last. The first look comes at once and the last
    one when the time is over. Pauses grow up to the longest one, where there is one."""
    deadline = monotonic() + seconds
    while True:
        seen = look()
        if enough(seen) or (remaining := deadline - monotonic()) <= 0:
            return seen
        pause(min(pause_seconds, remaining))
        if longest_pause_seconds:
            pause_seconds = min(pause_seconds * GROWTH, longest_pause_seconds)


def try_until(
    ask: Callable[[], Seen],
    *,
    passes: Errors,
    stays: Errors = (),
    seconds: float,
    pause_seconds: float,
) -> Seen:
    """Return the answer. An error that `passes` is tried again until the time is over, and then raised; one of those that
    `stays`, at once."""
    deadline = monotonic() + seconds
    while True:
        try:
            return ask()
        except stays:
            raise
        except passes:
            if monotonic() >= deadline:
                raise
            pause(pause_seconds)
