"""CloudWatch's metric filters, which the emulator keeps but never applies: log lines become metrics."""

from __future__ import annotations

import json
import logging
import re
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from b2bpilot.local.runtime.metrics import Metric, Metrics

if TYPE_CHECKING:
    from types_boto3_logs import CloudWatchLogsClient

EQUALITY = re.compile(r'\s*\{\s*\$\.(?P<field>\w+)\s*=\s*"(?P<value>[^"]*)"\s*\}\s*')

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricFilter:
    """Lines whose `field` is `value` add `amount` to `metric`; an amount of `$.name` is read from the line."""

    field: str
    value: str
    metric: Metric
    amount: str

    def amount_in(self, line: Mapping[str, object]) -> float | None:
        """None when the line does not match, or lacks the number."""
        if line.get(self.field) != self.value:
            return None
        found = line.get(self.amount[2:]) if self.amount.startswith("$.") else float(self.amount)
        return float(found) if isinstance(found, int | float) else None


def read_metric_filters(client: CloudWatchLogsClient) -> dict[str, list[MetricFilter]]:
    """Return the filters by log group. The one form of pattern that our template uses is understood; others are left out."""
    found: defaultdict[str, list[MetricFilter]] = defaultdict(list)
    for page in client.get_paginator("describe_metric_filters").paginate():
        for described in page["metricFilters"]:
            pattern = EQUALITY.fullmatch(described["filterPattern"])
            if pattern is None:
                log.warning("the metric filter %s is not applied here", described["filterName"])
                continue
            for transformation in described["metricTransformations"]:
                metric = Metric(
                    transformation["metricNamespace"],
                    transformation["metricName"],
                    None,
                    transformation.get("unit", "None"),
                )
                found[described["logGroupName"]].append(
                    MetricFilter(
                        field=pattern["field"],
                        value=pattern["value"],
                        metric=metric,
                        amount=transformation["metricValue"],
                    )
                )
    return dict(found)


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
