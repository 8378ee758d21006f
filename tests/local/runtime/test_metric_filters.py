"""Log lines become metrics, and CloudWatch hears of the lines that none matches, too."""

from __future__ import annotations

import json

import boto3
import pytest
from moto import mock_aws

from b2bpilot.local.runtime.metric_filters import MetricsFromLogs, read_metric_filters
from b2bpilot.local.runtime.metrics import LocalMetric, Metrics

GROUP = "/aws/lambda/webhook"
REFUSED = LocalMetric("B2BPilot/local", "MessagesRefused", None, "Count")


@pytest.fixture
def metrics() -> Metrics:
    return Metrics()


def applied(metrics: Metrics, pattern: str, *lines: object, default: int | None = None) -> list[float]:
    """Send lines through a filter that counts what its pattern matches."""
    counting = {"metricName": REFUSED.name, "metricNamespace": REFUSED.namespace, "metricValue": "1"}
    if default is not None:
        counting["defaultValue"] = default  # type: ignore[assignment]  # a number among texts
    with mock_aws():
        logs = boto3.client("logs", region_name="eu-west-1", aws_access_key_id="x", aws_secret_access_key="x")
        logs.create_log_group(logGroupName=GROUP)
        logs.put_metric_filter(
            logGroupName=GROUP,
            filterName="refused",
            filterPattern=pattern,
            metricTransformations=[{**counting, "unit": "Count"}],  # type: ignore[list-item]  # as above
        )
        filters = MetricsFromLogs(read_metric_filters(logs), metrics)
    for line in lines:
        filters.observe(GROUP, line if isinstance(line, str) else json.dumps(line))
    return metrics.take().get(REFUSED, [])


def test_a_line_that_matches_is_counted(metrics: Metrics) -> None:
    assert applied(metrics, '{ $.event = "rejected" }', {"event": "rejected"}, {"event": "published"}) == [1]


def test_the_default_is_sent_for_a_line_that_does_not_match(metrics: Metrics) -> None:
    lines = ({"event": "published"}, {"event": "rejected"})
    assert applied(metrics, '{ $.event = "rejected" }', *lines, default=0) == [0, 1]


def test_what_is_no_json_is_nothing(metrics: Metrics) -> None:
    assert applied(metrics, '{ $.event = "rejected" }', "REPORT RequestId: 1") == []


def test_a_pattern_that_is_not_understood_is_left_out(
    metrics: Metrics, caplog: pytest.LogCaptureFixture
) -> None:
    assert applied(metrics, "{ $.count > 2 }", {"count": 3}) == []
    assert "the metric filter refused is not applied here" in caplog.text
