"""CloudWatch's numbers: several metrics in one call, all pages, and failures inside an answer of 200."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.stub import Stubber

from b2bpilot.aws import metrics
from b2bpilot.aws.metrics import Metric, Point, read, total
from b2bpilot.aws.session import AwsAccess, Timeouts
from b2bpilot.errors import AwsDenied, AwsError
from b2bpilot.pipeline.clock import HostClock
from tests.aws.conftest import REGION

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
STORED = Metric(namespace="B2BPilot/staging", name="MessagesStored")
ERRORS = Metric(namespace="AWS/Lambda", name="Errors", dimensions={"FunctionName": "processor"})


class Stubbed(AwsAccess):
    """Answers with what it is given, and checks what it was asked."""

    __slots__ = ("_client", "aws")

    def __init__(self) -> None:
        super().__init__(region=REGION, access_key_id="x", secret_access_key="y")
        object.__setattr__(self, "_client", AwsAccess.client(self, "cloudwatch"))
        object.__setattr__(self, "aws", Stubber(self._client))

    def client(self, service: str, timeouts: Timeouts | None = None) -> Any:
        return self._client


def answer(*results: Mapping[str, Any], token: str | None = None) -> dict[str, Any]:
    return {"MetricDataResults": list(results)} | ({"NextToken": token} if token else {})


def result(query_id: str, *values: float, status: str = "Complete") -> dict[str, Any]:
    times = [NOW - timedelta(minutes=len(values) - place) for place in range(len(values))]
    return {
        "Id": query_id,
        "Label": "Errors",
        "Timestamps": times,
        "Values": list(values),
        "StatusCode": status,
    }


def asked(access: AwsAccess, *wanted: Metric) -> dict[Metric, list[Point]]:
    return read(access, wanted, since=NOW - timedelta(hours=1), until=NOW, period_seconds=60)


def test_the_values_of_a_metric_are_collected_over_pages_with_the_newest_last() -> None:
    access = Stubbed()
    access.aws.add_response("get_metric_data", answer(result("m1", 4, 5), token="more"))
    access.aws.add_response("get_metric_data", answer(result("m0", 1), result("m1", 1, 2, 3)))
    with access.aws:
        found = asked(access, STORED, ERRORS)
    assert [point.value for point in found[STORED]] == [1]
    assert sorted(found[ERRORS], key=lambda point: point.at) == found[ERRORS]
    assert total(found[ERRORS]) == 15


def test_more_metrics_than_one_call_takes_are_asked_in_several(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metrics, "MOST_QUERIES", 1)
    access = Stubbed()
    access.aws.add_response("get_metric_data", answer(result("m0", 7)))
    access.aws.add_response("get_metric_data", answer(result("m0", 8)))
    with access.aws:
        found = asked(access, STORED, ERRORS)
    assert (total(found[STORED]), total(found[ERRORS])) == (7, 8)


def test_a_metric_without_data_has_no_points(access: AwsAccess) -> None:
    assert asked(access, STORED) == {STORED: []}


def test_what_was_put_is_read_by_its_dimensions(access: AwsAccess) -> None:
    client = access.client("cloudwatch")
    for function, value in (("processor", 3), ("other", 9)):
        dimensions = [{"Name": "FunctionName", "Value": function}]
        datum = {"MetricName": "Errors", "Dimensions": dimensions, "Value": value}
        client.put_metric_data(Namespace="AWS/Lambda", MetricData=[datum])
    now = datetime.now(UTC)
    found = read(
        access, [ERRORS], since=now - timedelta(hours=1), until=now + timedelta(minutes=1), period_seconds=60
    )
    assert total(found[ERRORS]) == 3


@pytest.mark.parametrize(("status", "error"), [("Forbidden", AwsDenied), ("InternalError", AwsError)])
def test_the_failure_of_one_metric_is_raised_instead_of_read_as_none(
    status: str, error: type[AwsError]
) -> None:
    access = Stubbed()
    access.aws.add_response("get_metric_data", answer(result("m0", status=status)))
    with access.aws, pytest.raises(error, match="Errors"):
        asked(access, ERRORS)


@pytest.mark.parametrize(
    ("throttles", "invocations", "share"),
    [([], [], 0), ([], [70.0], 0), ([30.0, 60.0], [10.0], 0.9), ([5.0], [], 1)],
)
def test_the_throttled_share_counts_every_execution_that_was_asked_for(
    throttles: list[float], invocations: list[float], share: float
) -> None:
    access = Stubbed()
    access.aws.add_response(
        "get_metric_data",
        answer(
            {"Id": "m0", "Values": throttles, "Timestamps": [NOW] * len(throttles)},
            {"Id": "m1", "Values": invocations, "Timestamps": [NOW] * len(invocations)},
        ),
    )

    with access.aws:
        assert metrics.throttled_share("processor", access=access) == share


def test_the_last_five_minutes_are_cloudwatch_s_and_not_those_of_a_function_whose_clock_is_wrong(
    access: AwsAccess,
) -> None:
    function = {"Name": "FunctionName", "Value": "processor"}
    access.client("cloudwatch").put_metric_data(
        Namespace="AWS/Lambda",
        MetricData=[
            {
                "MetricName": "Throttles",
                "Dimensions": [function],
                "Value": 3,
                "Timestamp": datetime.now(UTC) - timedelta(minutes=2),
            }
        ],
    )
    for off in (timedelta(hours=-2), timedelta(hours=2)):
        wrong = HostClock("AWS", machine=lambda off=off: datetime.now(UTC) + off)  # type: ignore[misc]  # the loop's
        assert metrics.throttled_share("processor", access=replace(access, clock=wrong)) == 1
