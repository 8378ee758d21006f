"""When CloudWatch changes an alarm's state: period by period, with DatapointsToAlarm and TreatMissingData.

By AWS's pages "Alarm evaluation" and "Configuring how CloudWatch alarms treat missing data". How far back CloudWatch looks for
points where some are missing, no page says: `SPARE_PERIODS`.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Self

MINUTE, HOUR, DAY = 60, 3_600, 86_400
SPARE_PERIODS = 2
"""AWS's tables of examples show five points for an alarm of three periods."""

COMPARISONS: Mapping[str, Callable[[float, float], bool]] = {
    "GreaterThanOrEqualToThreshold": operator.ge,
    "GreaterThanThreshold": operator.gt,
    "LessThanThreshold": operator.lt,
    "LessThanOrEqualToThreshold": operator.le,
}


class Missing(StrEnum):
    """TreatMissingData."""

    MISSING = "missing"
    BREACHING = "breaching"
    NOT_BREACHING = "notBreaching"
    IGNORE = "ignore"


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricPoint:
    """What a metric had at a time, in seconds: one value, or a set of them."""

    at: float
    minimum: float
    maximum: float
    total: float
    count: float = 1

    @classmethod
    def of(cls, at: float, value: float) -> Self:
        return cls(at=at, minimum=value, maximum=value, total=value)


STATISTICS: Mapping[str, Callable[[Sequence[MetricPoint]], float]] = {
    "Sum": lambda points: sum(point.total for point in points),
    "Minimum": lambda points: min(point.minimum for point in points),
    "Maximum": lambda points: max(point.maximum for point in points),
    "SampleCount": lambda points: sum(point.count for point in points),
    "Average": lambda points: sum(point.total for point in points) / sum(point.count for point in points),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class AlarmRule:
    """What of an alarm decides its state. Of `periods` the last ones, `breaching` must breach."""

    statistic: str
    period_seconds: int
    periods: int
    breaching: int
    comparison: str
    threshold: float
    missing: Missing = Missing.MISSING

    @classmethod
    def of(cls, alarm: Mapping[str, Any]) -> Self:
        """Return the rule of an alarm as the template or PutMetricAlarm has it."""
        periods = int(alarm.get("EvaluationPeriods") or 1)
        return cls(
            statistic=alarm.get("Statistic") or "Average",
            period_seconds=int(alarm.get("Period") or MINUTE),
            periods=periods,
            breaching=int(alarm.get("DatapointsToAlarm") or periods),
            comparison=alarm.get("ComparisonOperator") or "",
            threshold=float(alarm.get("Threshold") or 0),
            missing=Missing(alarm.get("TreatMissingData") or Missing.MISSING),
        )

    @property
    def is_known(self) -> bool:
        """Percentiles and bands of anomalies are not."""
        return self.statistic in STATISTICS and self.comparison in COMPARISONS

    @property
    def step_seconds(self) -> int:
        """How often it is decided, and on data up to when: of more than a day only once an hour."""
        return HOUR if self.period_seconds * self.periods > DAY else MINUTE

    def looks_back_to(self, end: float) -> float:
        return end - (self.periods + SPARE_PERIODS) * self.period_seconds


def state(rule: AlarmRule, points: Iterable[MetricPoint], *, end: float, before: str) -> str:
    """Return CloudWatch's word for the state, `before` being the last one. Points from `end` on do not count."""
    found = list(_breaches(rule, points, end))
    there = [each for each in found if each is not None]
    if len(there) >= rule.periods:
        return _word(sum(there[: rule.periods]) >= rule.breaching)
    lacking = rule.periods - len(there)
    if rule.missing is Missing.MISSING and not there:
        return "INSUFFICIENT_DATA"
    if rule.missing is Missing.IGNORE and sum(there) < rule.breaching <= sum(there) + lacking:
        return before
    filled = lacking if rule.missing is Missing.BREACHING else 0
    return _word(sum(there) + filled >= rule.breaching)


def _breaches(rule: AlarmRule, points: Iterable[MetricPoint], end: float) -> Iterator[bool | None]:
    """Yield of each period, the newest first, whether it breaches; None where nothing was counted."""
    by_age: dict[int, list[MetricPoint]] = {}
    begin = rule.looks_back_to(end)
    for point in points:
        if begin <= point.at < end:
            by_age.setdefault(int((end - point.at - 1e-6) // rule.period_seconds), []).append(point)
    breaches, statistic = COMPARISONS[rule.comparison], STATISTICS[rule.statistic]
    for age in range(rule.periods + SPARE_PERIODS):
        counted = by_age.get(age)
        yield breaches(statistic(counted), rule.threshold) if counted else None


def _word(is_on: bool) -> str:
    return "ALARM" if is_on else "OK"
