"""Series in one line."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from b2bpilot.aws.metrics import Point
from b2bpilot.cli.status.sparkline import ASCII, BLOCKS, sparkline

SINCE = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def line(*values: float | None, blocks: str = BLOCKS) -> str:
    points = [
        Point(at=SINCE + place * MINUTE, value=value)
        for place, value in enumerate(values)
        if value is not None
    ]
    until = SINCE + len(values) * MINUTE
    return sparkline(points, since=SINCE, until=until, period=MINUTE, blocks=blocks)


def test_the_most_is_the_highest_and_zero_the_lowest() -> None:
    assert line(0, 1, 4, 8) == "▁▃▅█"


def test_a_period_without_data_is_blank_and_not_zero() -> None:
    assert line(0, None, 2) == "▁ █"


def test_only_zeros_are_a_flat_line() -> None:
    assert line(0, 0, 0) == "▁▁▁"


def test_little_is_more_than_nothing() -> None:
    assert line(1, 1_000_000)[0] == "▂"


def test_other_characters_can_be_taken() -> None:
    assert line(0, 7, blocks=ASCII) == "_#"
