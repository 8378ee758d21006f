"""The AWS/Lambda, AWS/SNS and AWS/SQS metrics that alarms read, sent in the background when there is something."""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types_boto3_cloudwatch import CloudWatchClient
    from types_boto3_cloudwatch.literals import StandardUnitType
    from types_boto3_cloudwatch.type_defs import MetricDatumTypeDef

PUT_METRIC_DATA_LIMIT = 1000


@dataclass(frozen=True, slots=True)
class LocalMetric:
    namespace: str
    name: str
    dimension: tuple[str, str] | None
    unit: StandardUnitType

    def datum(self, values: Sequence[float]) -> MetricDatumTypeDef:
        return {
            "MetricName": self.name,
            "Dimensions": [{"Name": self.dimension[0], "Value": self.dimension[1]}] if self.dimension else [],
            "Unit": self.unit,
            "StatisticValues": {
                "SampleCount": len(values),
                "Sum": sum(values),
                "Minimum": min(values),
                "Maximum": max(values),
            },
        }


class Metrics:
    """Collects values; `take` hands over what came in since the last time. `changed` hears of what functions and topics did."""

    def __init__(self, *, changed: Callable[[], None] = lambda: None) -> None:
        self._lock = threading.Lock()
        self._values: defaultdict[LocalMetric, list[float]] = defaultdict(list)
        self._changed = changed

    def count(self, name: str, function: str, value: float = 1) -> None:
        self.add(LocalMetric("AWS/Lambda", name, ("FunctionName", function), "Count"), value)
        self._changed()

    def milliseconds(self, name: str, function: str, value: float) -> None:
        self.add(LocalMetric("AWS/Lambda", name, ("FunctionName", function), "Milliseconds"), value)
        self._changed()

    def topic(self, name: str, topic: str, value: float) -> None:
        self.add(LocalMetric("AWS/SNS", name, ("TopicName", topic), "Count"), value)
        self._changed()

    def queue(self, name: str, queue: str, value: float) -> None:
        unit: StandardUnitType = "Seconds" if name.startswith("ApproximateAge") else "Count"
        self.add(LocalMetric("AWS/SQS", name, ("QueueName", queue), unit), value)

    def add(self, metric: LocalMetric, value: float) -> None:
        with self._lock:
            self._values[metric].append(value)

    def forget(self, function: str) -> None:
        """Drop what was not taken yet."""
        with self._lock:
            for metric in [
                metric for metric in self._values if metric.dimension == ("FunctionName", function)
            ]:
                del self._values[metric]

    def take(self) -> dict[LocalMetric, list[float]]:
        with self._lock:
            values, self._values = self._values, defaultdict(list)
        return values


def put_metrics(client: CloudWatchClient, values: dict[LocalMetric, list[float]]) -> None:
    """Send one datum per metric, one call per namespace."""
    by_namespace: defaultdict[str, list[MetricDatumTypeDef]] = defaultdict(list)
    for metric, numbers in values.items():
        by_namespace[metric.namespace].append(metric.datum(numbers))
    for namespace, data in by_namespace.items():
        for start in range(0, len(data), PUT_METRIC_DATA_LIMIT):
            client.put_metric_data(
                Namespace=namespace, MetricData=data[start : start + PUT_METRIC_DATA_LIMIT]
            )
