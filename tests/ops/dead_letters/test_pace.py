"""How a run slows down when AWS throttles it, by a clock that only its pauses move."""

from __future__ import annotations

import pytest

from b2bpilot.ops.sending.pace import Limits, Pace, PaceEnded


class Clock:
    def __init__(self) -> None:
        self.now = 0.0
        self.pauses: list[float] = []

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)


def pace(clock: Clock, *, concurrency: int = 32) -> Pace:
    return Pace(Limits(concurrency=concurrency), clock=clock, sleep=clock.sleep)


def test_calls_that_are_throttled_together_are_one_wave() -> None:
    clock = Clock()
    throttled = pace(clock)

    for _ in range(32):
        throttled.throttled()

    assert set(clock.pauses) == {0.5}
    assert throttled.allowed == 16


def test_each_wave_pauses_twice_as_long_as_the_one_before_up_to_a_limit() -> None:
    clock = Clock()
    throttled = pace(clock)

    for _ in range(8):
        throttled.throttled()
        clock.now += clock.pauses[-1]

    assert clock.pauses == [0.5, 1, 2, 4, 8, 16, 20, 20]
    assert throttled.allowed == 1


def test_a_success_ends_the_doubling_and_lets_more_calls_in() -> None:
    clock = Clock()
    throttled = pace(clock, concurrency=4)
    throttled.throttled()
    clock.now += 0.5

    throttled.succeeded()
    throttled.throttled()

    assert clock.pauses == [0.5, 0.5]
    assert throttled.allowed == 1.25


def test_after_the_end_of_a_run_nobody_tries_again() -> None:
    throttled = pace(Clock())
    throttled.end()

    with pytest.raises(PaceEnded):
        throttled.throttled()
