"""CloudWatch's alarms: which are on, which are silenced."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import TYPE_CHECKING

from b2bpilot.aws.failures import translated
from b2bpilot.aws.session import AwsAccess, Timeouts

if TYPE_CHECKING:
    from types_boto3_cloudwatch import CloudWatchClient
    from types_boto3_cloudwatch.type_defs import MetricAlarmTypeDef


VISIBLE = "ApproximateNumberOfMessagesVisible"
AGE = "ApproximateAgeOfOldestMessage"


class AlarmState(StrEnum):
    """CloudWatch's words."""

    OK = "OK"
    ALARM = "ALARM"
    INSUFFICIENT_DATA = "INSUFFICIENT_DATA"


@dataclass(frozen=True, slots=True, kw_only=True)
class Alarm:
    """One metric alarm. `since` is when it took its state; `reason` is CloudWatch's. With `actions_enabled` False it
    tells nobody. What an answer lacks is None or empty."""

    name: str
    arn: str = ""
    state: AlarmState
    reason: str
    since: datetime | None
    actions_enabled: bool
    actions: tuple[str, ...]
    description: str
    namespace: str
    metric: str
    dimensions: Mapping[str, str]
    threshold: float | None

    def counts_dead_letters_of(self, queue: str) -> bool:
        """Whether it counts what is visible in the queue: SQS's metrics lag, and such an alarm outlasts its queue."""
        return self.metric == VISIBLE and self.dimensions.get("QueueName") == queue

    def watches_dead_letters_of(self, queue: str) -> bool:
        """Whether it rings for what lies in the queue, by number or by age."""
        return self.metric in (VISIBLE, AGE) and self.dimensions.get("QueueName") == queue


def alarms(access: AwsAccess, prefix: str = "", *, timeouts: Timeouts | None = None) -> list[Alarm]:
    """Return the metric alarms whose names begin with `prefix`, by name; all of the region without one. Raises AwsError."""
    client: CloudWatchClient = access.client("cloudwatch", timeouts)
    with translated("cloudwatch:DescribeAlarms"):
        paginator = client.get_paginator("describe_alarms")
        pages = (
            paginator.paginate(AlarmNamePrefix=prefix, AlarmTypes=["MetricAlarm"])
            if prefix
            else paginator.paginate(AlarmTypes=["MetricAlarm"])
        )
        found = [alarm for page in pages for alarm in page.get("MetricAlarms", [])]
    return sorted(map(_alarm, found), key=lambda alarm: alarm.name)


def _alarm(answer: MetricAlarmTypeDef) -> Alarm:
    since = answer.get("StateTransitionedTimestamp") or answer.get("StateUpdatedTimestamp")
    return Alarm(
        name=answer["AlarmName"],
        arn=answer.get("AlarmArn", ""),
        state=AlarmState(answer["StateValue"]),
        reason=answer.get("StateReason", ""),
        since=since.astimezone(UTC) if since else None,
        actions_enabled=answer.get("ActionsEnabled", True),
        actions=tuple(answer.get("AlarmActions", [])),
        description=answer.get("AlarmDescription", ""),
        namespace=answer.get("Namespace", ""),
        metric=answer.get("MetricName", ""),
        dimensions={one["Name"]: one["Value"] for one in answer.get("Dimensions", [])},
        threshold=answer.get("Threshold"),
    )
