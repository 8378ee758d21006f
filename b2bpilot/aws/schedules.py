"""EventBridge Scheduler: whether a schedule is on, how often it runs, and what."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from b2bpilot.aws.attempts import error_code
from b2bpilot.aws.failures import translated

if TYPE_CHECKING:
    from types_boto3_scheduler import EventBridgeSchedulerClient


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """`target` is what the scheduler calls, in its own words: an update has to repeat it whole, the description too."""

    name: str
    description: str
    expression: str
    is_enabled: bool
    target: Mapping[str, Any]
    created_at: datetime

    @property
    def target_arn(self) -> str:
        return str(self.target.get("Arn", ""))

    @property
    def role_arn(self) -> str:
        return str(self.target.get("RoleArn", ""))


def schedule(client: EventBridgeSchedulerClient, name: str) -> Schedule | None:
    """Return the schedule of the default group; None when there is none. Raises AwsError."""
    with translated("scheduler:GetSchedule"):
        try:
            found = client.get_schedule(Name=name)
        except ClientError as exc:
            if error_code(exc) != "ResourceNotFoundException":
                raise
            return None
    return Schedule(
        name=found["Name"],
        description=found.get("Description", ""),
        expression=found["ScheduleExpression"],
        is_enabled=found.get("State") == "ENABLED",
        target=dict(found["Target"]),
        created_at=found["CreationDate"].astimezone(UTC),
    )
