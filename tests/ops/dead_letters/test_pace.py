"""How a run slows down when AWS throttles it, by a clock that only its pauses move."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from b2bpilot.ops.sending.pace import Limits, Pace, PaceEnded
from b2bpilot.pipeline.waiting import going_by
from tests.clock import StillClock


class OthersClock(StillClock):
    """A pause of one worker moves no time: the others are paused side by side with it."""

    def pause(self, seconds: float, *, woken_by: threading.Event | None = None) -> None:  # Clock's
        self.pauses.append(seconds)


@pytest.fixture
def clock() -> Iterator[OthersClock]:
    found = OthersClock()
    with going_by(found):
        yield found


def pace(*, concurrency: int = 32) -> Pace:
    return Pace(Limits(concurrency=concurrency))


def test_calls_that_are_throttled_together_are_one_wave(clock: OthersClock) -> None:
    throttled = pace()

    for _ in range(32):
        throttled.throttled()

    assert set(clock.pauses) == {0.5}
    assert throttled.allowed == 16


def test_each_wave_pauses_twice_as_long_as_the_one_before_up_to_a_limit(clock: OthersClock) -> None:
    throttled = pace()

    for _ in range(8):
        throttled.throttled()
        clock.now += clock.pauses[-1]

    assert clock.pauses == [0.5, 1, 2, 4, 8, 16, 20, 20]
    assert throttled.allowed == 1


def test_a_success_ends_the_doubling_and_lets_more_calls_in(clock: OthersClock) -> None:
    throttled = pace(concurrency=4)
    throttled.throttled()
    clock.now += 0.5

    throttled.succeeded()
    throttled.throttled()

    assert clock.pauses == [0.5, 0.5]
    assert throttled.allowed == 1.25


def test_after_the_end_of_a_run_nobody_tries_again(clock: OthersClock) -> None:
    throttled = pace()
    throttled.end()

    with pytest.raises(PaceEnded):
        throttled.throttled()
