"""Watching: the dead letters are not taken each time, and what was seen of them is still shown."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import islice

import pytest

from b2bpilot.ops.asking import InquiryAnswer
from b2bpilot.ops.status.dead_letters import DeadLetters
from b2bpilot.ops.status.reading import Reading, StatusRequest
from b2bpilot.ops.status.watching import readings
from tests.ops.status.readings import NOW, dead_letters, reading, traffic

WANTED = StatusRequest(window=timedelta(hours=3))


class Source:
    """Gives as many dead letters as it is told; remembers whether it was to look at them."""

    def __init__(self, *depths: int) -> None:
        self._depths = iter(depths)
        self.looked: list[bool] = []

    def __call__(self, wanted: StatusRequest) -> Reading:
        self.looked.append(wanted.looks_at_dead_letters)
        depth = next(self._depths)
        found = dead_letters(depth)
        if not wanted.looks_at_dead_letters:
            found = DeadLetters(
                depth=depth, hidden=0, retention=found.retention, look=None, no_look="not looked at"
            )
        unknown: InquiryAnswer[int] = InquiryAnswer(error="not looked at")
        dead_lettered = InquiryAnswer(value=depth) if wanted.looks_at_dead_letters else unknown
        return reading(dead_letters=InquiryAnswer(value=found), dead_lettered=dead_lettered)


def clock(*seconds: int) -> Iterator[datetime]:
    yield from (NOW + timedelta(seconds=second) for second in seconds)


def watched(source: Source, *seconds: int) -> list[Reading]:
    times = clock(*seconds)
    return list(islice(readings(source, WANTED, clock=lambda: next(times)), len(seconds)))


def test_the_dead_letters_are_looked_at_once_a_minute() -> None:
    source = Source(1, 1, 1, 1)
    watched(source, 0, 30, 59, 60)
    assert source.looked == [True, False, False, True]


def test_an_earlier_look_stays_beside_newer_counters() -> None:
    first, second, third = (one.dead_letters.value for one in watched(Source(2, 2, 3), 0, 10, 20))
    assert first
    assert second
    assert third
    assert first.look == second.look
    assert third.look is not None
    assert (third.depth, third.look.saw, third.look.is_complete) == (3, 2, False)


def test_what_a_look_found_is_not_forgotten_between_two_looks() -> None:
    first, second = watched(Source(2, 2), 0, 10)
    assert (first.dead_lettered, second.dead_lettered) == (InquiryAnswer(value=2), InquiryAnswer(value=2))


class Counting:
    """Counts how often CloudWatch would be asked; the first answers may be missing."""

    def __init__(self, *, fails: int = 0) -> None:
        self._fails = fails
        self.asked: list[bool] = []

    def __call__(self, wanted: StatusRequest) -> Reading:
        self.asked.append(wanted.counted is None)
        if wanted.counted is not None:
            return reading(traffic=InquiryAnswer(value=wanted.counted))
        if len(self.asked) <= self._fails:
            return reading(traffic=InquiryAnswer(error="no answer within 5 s"))
        return reading(traffic=InquiryAnswer(value=traffic()))


@pytest.mark.parametrize(
    ("fails", "asked"), [(0, [True, False, False, True, False]), (2, [True, True, True, True, False])]
)
def test_metrics_are_read_once_a_minute_and_again_at_once_where_they_were_not(
    fails: int, asked: list[bool]
) -> None:
    source = Counting(fails=fails)
    times = clock(0, 30, 59, 60, 119)
    list(islice(readings(source, WANTED, clock=lambda: next(times)), 5))
    assert source.asked == asked


def test_metrics_that_were_read_before_are_shown_again() -> None:
    source = Counting()
    times = clock(0, 30)
    first, second = islice(readings(source, WANTED, clock=lambda: next(times)), 2)
    assert second.traffic.value is first.traffic.value
