"""CloudWatch's numbers about the pipeline."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from b2bpilot.aws.failures import translated
from b2bpilot.aws.session import AwsAccess

if TYPE_CHECKING:
    from types_boto3_cloudwatch import CloudWatchClient
    from types_boto3_cloudwatch.type_defs import MetricDataQueryTypeDef

RECENT = timedelta(minutes=5)


def is_throttled(function_name: str, *, access: AwsAccess | None = None, now: datetime | None = None) -> bool:
    """Tell whether the function was throttled in the last five minutes: then Lambda still holds events of it."""
    client: CloudWatchClient = (access or AwsAccess()).client("cloudwatch")
    end = now or datetime.now(UTC)
    with translated("cloudwatch:GetMetricData"):
        answer = client.get_metric_data(
            MetricDataQueries=[_throttles(function_name)], StartTime=end - RECENT, EndTime=end
        )
    return any(value > 0 for result in answer["MetricDataResults"] for value in result["Values"])


def _throttles(function_name: str) -> MetricDataQueryTypeDef:
    return {
        "Id": "throttles",
        "MetricStat": {
            "Metric": {
                "Namespace": "AWS/Lambda",
                "MetricName": "Throttles",
                "Dimensions": [{"Name": "FunctionName", "Value": function_name}],
            },
            "Period": 60,
            "Stat": "Sum",
        },
    }
