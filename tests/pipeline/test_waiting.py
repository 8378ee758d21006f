"""Waiting, by a clock that only its pauses move."""

from __future__ import annotations

import threading

import pytest

from b2bpilot.errors import AwsThrottled, DatabaseUnreachable
from b2bpilot.pipeline.waiting import monotonic, pause, try_until, wait_until
from tests.clock import StillClock, no_waiting


def test_it_looks_at_once_and_pauses_only_while_it_is_not_enough(clock: StillClock) -> None:
    answers = iter([0, 0, 3])

    assert wait_until(lambda: next(answers), seconds=10, pause_seconds=2) == 3
    assert clock.pauses == [2, 2]


def test_the_last_look_comes_when_the_time_is_over_and_no_later(clock: StillClock) -> None:
    looked_at: list[float] = []

    seen = wait_until(lambda: looked_at.append(monotonic()), seconds=5, pause_seconds=2)

    assert (seen, looked_at) == (None, [0, 2, 4, 5])
    assert clock.now == 5


def test_no_time_is_one_look(clock: StillClock) -> None:
    assert wait_until(lambda: "seen", enough=lambda _: False, seconds=0, pause_seconds=1) == "seen"
    assert clock.pauses == []


def test_pauses_grow_to_the_longest(clock: StillClock) -> None:
    wait_until(lambda: False, seconds=30, pause_seconds=4, longest_pause_seconds=10)

    assert clock.pauses == [4, 6, 9, 10, 1]


def test_an_error_that_may_pass_is_tried_again_until_the_time_is_over(clock: StillClock) -> None:
    def ask() -> str:
        if monotonic() < 3:
            raise AwsThrottled("slower")
        return "answer"

    assert try_until(ask, passes=AwsThrottled, seconds=10, pause_seconds=1) == "answer"
    with no_waiting(), pytest.raises(AwsThrottled):
        try_until(ask, passes=AwsThrottled, seconds=2, pause_seconds=1)
    assert clock.pauses == [1, 1, 1]


def test_another_error_is_raised_at_once(clock: StillClock) -> None:
    def ask() -> None:
        raise DatabaseUnreachable("gone")

    with pytest.raises(DatabaseUnreachable):
        try_until(ask, passes=AwsThrottled, seconds=10, pause_seconds=1)
    assert clock.pauses == []


def test_an_event_ends_a_real_pause() -> None:
    """Without it, this test would not end."""
    woken = threading.Event()
    woken.set()

    pause(86_400, woken_by=woken)
