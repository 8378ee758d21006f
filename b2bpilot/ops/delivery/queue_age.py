"""How long the oldest message has been in a queue, which only CloudWatch knows."""

from __future__ import annotations

from datetime import timedelta

from b2bpilot.aws.metrics import Metric, read
from b2bpilot.aws.session import AwsAccess
from b2bpilot.errors import AwsError

METRIC_LAG = timedelta(minutes=10)
MINUTE = 60


def age_of_oldest(access: AwsAccess, queue_name: str) -> timedelta | None:
    """Return it; None where CloudWatch does not say."""
    metric = Metric(
        namespace="AWS/SQS",
        name="ApproximateAgeOfOldestMessage",
        dimensions={"QueueName": queue_name},
        stat="Maximum",
    )
    until = access.clock.now()
    try:
        points = read(access, [metric], since=until - METRIC_LAG, until=until, period_seconds=MINUTE)[metric]
    except AwsError:
        return None
    return timedelta(seconds=points[-1].value) if points else None
