"""What SQS says of a queue itself: about how many messages it holds, how long it keeps them, where it moves them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Self

from b2bpilot.aws.failures import translated

if TYPE_CHECKING:
    from types_boto3_sqs import SQSClient


@dataclass(frozen=True, slots=True, kw_only=True)
class Counters:
    """About how many messages can be received, are hidden by a receive, and are delayed. They lag (facts B6)."""

    visible: int
    hidden: int
    delayed: int

    @property
    def total(self) -> int:
        return self.visible + self.hidden + self.delayed


@dataclass(frozen=True, slots=True, kw_only=True)
class RedrivePolicy:
    """Where SQS moves a message that was received too often, a look included (facts B5)."""

    target_arn: str
    max_receive_count: int

    @classmethod
    def parse(cls, text: str | None) -> Self | None:
        if not text:
            return None
        policy = json.loads(text)
        return cls(
            target_arn=str(policy["deadLetterTargetArn"]), max_receive_count=int(policy["maxReceiveCount"])
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueAttributes:
    """How a queue is set up. A message is deleted `retention` after it was written to the queue (facts B7)."""

    arn: str
    retention: timedelta
    redrive_policy: RedrivePolicy | None


def counters(client: SQSClient, url: str) -> Counters:
    """Raises AwsError."""
    with translated("sqs:GetQueueAttributes"):
        answer = client.get_queue_attributes(
            QueueUrl=url,
            AttributeNames=[
                "ApproximateNumberOfMessages",
                "ApproximateNumberOfMessagesNotVisible",
                "ApproximateNumberOfMessagesDelayed",
            ],
        )
    values = answer.get("Attributes", {})
    return Counters(
        visible=int(values.get("ApproximateNumberOfMessages", 0)),
        hidden=int(values.get("ApproximateNumberOfMessagesNotVisible", 0)),
        delayed=int(values.get("ApproximateNumberOfMessagesDelayed", 0)),
    )


def queue_attributes(client: SQSClient, url: str) -> QueueAttributes:
    """Raises AwsError."""
    with translated("sqs:GetQueueAttributes"):
        answer = client.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])
    values = answer["Attributes"]
    return QueueAttributes(
        arn=values["QueueArn"],
        retention=timedelta(seconds=int(values["MessageRetentionPeriod"])),
        redrive_policy=RedrivePolicy.parse(values.get("RedrivePolicy")),
    )
