"""CloudWatch's numbers about the pipeline. Used by the stale processor too: imports boto3 and errors, nothing else of ours."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from b2bpilot.aws.failures import translated
from b2bpilot.aws.session import AwsAccess, Timeouts
from b2bpilot.errors import AwsDenied, AwsError

if TYPE_CHECKING:
    from types_boto3_cloudwatch import CloudWatchClient
    from types_boto3_cloudwatch.type_defs import (
        DimensionTypeDef,
        MetricDataQueryTypeDef,
        MetricDataResultTypeDef,
        MetricStatTypeDef,
        MetricTypeDef,
    )

RECENT, PERIOD = timedelta(minutes=5), timedelta(minutes=1)
MOST_QUERIES = 500
"""In one GetMetricData call (docs/aws-facts.md#metric-queries)."""

ACTION = "cloudwatch:GetMetricData"


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """One metric and what is asked of it: `Sum`, `Maximum`, `p95`, ..."""

    namespace: str
    name: str
    dimensions: Mapping[str, str] = field(default_factory=dict, hash=False)
    stat: str = "Sum"


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """The value of the period that begins at `at`."""

    at: datetime
    value: float


def read(
    access: AwsAccess,
    metrics: Sequence[Metric],
    *,
    since: datetime,
    until: datetime,
    period_seconds: int,
    timeouts: Timeouts | None = None,
) -> dict[Metric, list[Point]]:
    """Return the points of each metric, newest last. A period without data has none, which is not the same as 0.

    Raises AwsError; AwsDenied among them also for a single metric that may not be read.
    """
    client: CloudWatchClient = access.client("cloudwatch", timeouts)
    wanted = list(dict.fromkeys(metrics))
    found: dict[Metric, list[Point]] = {metric: [] for metric in wanted}
    for start in range(0, len(wanted), MOST_QUERIES):
        part = wanted[start : start + MOST_QUERIES]
        for result in _results(client, part, since=since, until=until, period_seconds=period_seconds):
            found[part[int(result["Id"].removeprefix("m"))]] += _points(result)
    return {metric: sorted(points, key=lambda point: point.at) for metric, points in found.items()}


def total(points: Iterable[Point]) -> float:
    """Return the sum of the values; 0 for none."""
    return sum(point.value for point in points)


def throttled_share(
    function_name: str, *, access: AwsAccess | None = None, timeouts: Timeouts | None = None
) -> float:
    """Return which share of the function's executions was throttled in the last five minutes: 0 is none, 1 is all.

    They are CloudWatch's own five minutes: where its answer shows another time than this machine, it is asked again.
    Raises AwsError.
    """
    access = access or AwsAccess()
    before = access.clock.machine_ahead()
    share = _throttled_share(function_name, end=access.clock.now(), access=access, timeouts=timeouts)
    if abs(access.clock.machine_ahead() - before) >= PERIOD:
        share = _throttled_share(function_name, end=access.clock.now(), access=access, timeouts=timeouts)
    return share


def _throttled_share(
    function_name: str, *, end: datetime, access: AwsAccess, timeouts: Timeouts | None
) -> float:
    throttles, started = (
        Metric(namespace="AWS/Lambda", name=name, dimensions={"FunctionName": function_name})
        for name in ("Throttles", "Invocations")
    )
    found = read(
        access,
        [throttles, started],
        since=end - RECENT,
        until=end,
        period_seconds=int(PERIOD.total_seconds()),
        timeouts=timeouts,
    )
    refused = total(found[throttles])
    return refused / (refused + total(found[started])) if refused else 0.0


def _results(
    client: CloudWatchClient,
    metrics: Sequence[Metric],
    *,
    since: datetime,
    until: datetime,
    period_seconds: int,
) -> list[MetricDataResultTypeDef]:
    """A metric's values may be spread over several pages."""
    queries = [_query(f"m{place}", metric, period_seconds) for place, metric in enumerate(metrics)]
    with translated(ACTION):
        pages = client.get_paginator("get_metric_data").paginate(
            MetricDataQueries=queries, StartTime=since, EndTime=until, ScanBy="TimestampAscending"
        )
        return [result for page in pages for result in page["MetricDataResults"]]


def _query(query_id: str, metric: Metric, period_seconds: int) -> MetricDataQueryTypeDef:
    dimensions: list[DimensionTypeDef] = [
        {"Name": name, "Value": value} for name, value in metric.dimensions.items()
    ]
    described: MetricTypeDef = {
        "Namespace": metric.namespace,
        "MetricName": metric.name,
        "Dimensions": dimensions,
    }
    statistic: MetricStatTypeDef = {"Metric": described, "Period": period_seconds, "Stat": metric.stat}
    return {"Id": query_id, "MetricStat": statistic}


def _points(result: MetricDataResultTypeDef) -> list[Point]:
    """CloudWatch answers 200 with the failure of a single metric inside; without its values that must not read as 0."""
    match result.get("StatusCode", "Complete"):
        case "Forbidden":
            raise AwsDenied(f"AWS denied {ACTION} on {result.get('Label', 'a metric')}", action=ACTION)
        case "InternalError":
            raise AwsError(f"{ACTION}: CloudWatch could not read {result.get('Label', 'a metric')}")
    return [
        Point(at=at.astimezone(UTC), value=value)
        for at, value in zip(result.get("Timestamps", []), result.get("Values", []), strict=True)
    ]
