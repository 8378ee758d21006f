"""A series in one line of text."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from b2bpilot.aws.metrics import Point

BLOCKS = "▁▂▃▄▅▆▇█"
ASCII = "_.-=+*%#"


def sparkline(
    points: Sequence[Point],
    *,
    since: datetime,
    until: datetime,
    period: timedelta,
    blocks: str = BLOCKS,
) -> str:
    """Return one character a period, the lowest for zero and the highest for the most; a blank where there is no point."""
    values: dict[int, float] = {}
    for point in points:
        place = (point.at - since) // period
        values[place] = max(point.value, values.get(place, 0.0))
    most = max(values.values(), default=0.0)
    length = -(-(until - since) // period)
    return "".join(_block(values.get(place), most, blocks) for place in range(length))


def _block(value: float | None, most: float, blocks: str) -> str:
    if value is None:
        return " "
    if value <= 0 or most <= 0:
        return blocks[0]
    return blocks[1 + round((len(blocks) - 2) * value / most)]
