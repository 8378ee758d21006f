"""CloudWatch's metric filters, which the emulator keeps but never applies: log lines become metrics."""

from __future__ import annotations

import json
import logging
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from b2bpilot.local.runtime.log_pattern import Matches, log_pattern
from b2bpilot.local.runtime.metrics import LocalMetric, Metrics

if TYPE_CHECKING:
    from types_boto3_logs import CloudWatchLogsClient
    from types_boto3_logs.type_defs import MetricTransformationOutputTypeDef

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricFilter:
    """Lines that match add `amount` to `metric`, one of `$.name` read from the line; the others add `default`, if any."""

    matches: Matches
    metric: LocalMetric
    amount: str
    default: float | None

    def amount_in(self, line: Mapping[str, object]) -> float | None:
        """None when nothing is added, as when the line lacks the number."""
        if not self.matches(line):
            return self.default
        found = line.get(self.amount[2:]) if self.amount.startswith("$.") else float(self.amount)
        return float(found) if isinstance(found, int | float) else None


def read_metric_filters(client: CloudWatchLogsClient) -> dict[str, list[MetricFilter]]:
    """Return the filters by log group. One whose pattern is not understood is left out."""
    found: defaultdict[str, list[MetricFilter]] = defaultdict(list)
    for page in client.get_paginator("describe_metric_filters").paginate():
        for described in page["metricFilters"]:
            try:
                matches = log_pattern(described["filterPattern"])
            except ValueError as exc:
                log.warning("the metric filter %s is not applied here: %s", described["filterName"], exc)
                continue
            made = [_made(matches, each) for each in described["metricTransformations"]]
            found[described["logGroupName"]] += made
    return dict(found)


def _made(matches: Matches, transformation: MetricTransformationOutputTypeDef) -> MetricFilter:
    name, unit = transformation["metricName"], transformation.get("unit", "None")
    return MetricFilter(
        matches=matches,
        metric=LocalMetric(transformation["metricNamespace"], name, None, unit),
        amount=transformation["metricValue"],
        default=transformation.get("defaultValue"),
    )


class MetricsFromLogs:
    """Applies filters to finished log lines."""

    def __init__(self, filters: Mapping[str, list[MetricFilter]], metrics: Metrics) -> None:
        self._filters = filters
        self._metrics = metrics

    def observe(self, group: str, message: str) -> None:
        filters = self._filters.get(group)
        line = _parsed(message) if filters else None
        if line is None:
            return
        for metric_filter in filters or ():
            amount = metric_filter.amount_in(line)
            if amount is not None:
                self._metrics.add(metric_filter.metric, amount)


def _parsed(message: str) -> dict[str, object] | None:
    try:
        line = json.loads(message)
    except ValueError:
        return None
    return line if isinstance(line, dict) else None
