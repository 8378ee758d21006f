"""What SQS says of a queue itself: about how many messages it holds, how long it keeps them, where it moves them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Self

from botocore.exceptions import ClientError

from b2bpilot.aws.attempts import error_code
from b2bpilot.aws.clock import answered_at
from b2bpilot.aws.failures import translated
from b2bpilot.pipeline.arn import account_of, name_of

if TYPE_CHECKING:
    from types_boto3_sqs import SQSClient

NO_QUEUE = frozenset({"AWS.SimpleQueueService.NonExistentQueue", "QueueDoesNotExist"})

KEY_OF_AWS = "alias/aws/sqs"
"""AWS's own key for queues, by its name or at the end of its ARN (docs/aws-facts.md#sns-delivery-failures)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Counters:
    """About how many messages can be received, are hidden by a receive, and are delayed. They lag
    (docs/aws-facts.md#sqs-counters)."""

    visible: int
    hidden: int
    delayed: int

    @property
    def total(self) -> int:
        return self.visible + self.hidden + self.delayed

    def without_visible(self) -> Counters:
        return replace(self, visible=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class RedrivePolicy:
    """Where SQS moves a message that was received too often, a look included (docs/aws-facts.md#sqs-receives)."""

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
    """How a queue is set up. A message is deleted `retention` after it was written to the queue
    (docs/aws-facts.md#sqs-retention).

    `policy` is the JSON text of who may do what.
    """

    arn: str
    retention: timedelta
    redrive_policy: RedrivePolicy | None
    policy: str | None = None
    is_encrypted: bool = False
    key: str | None = None
    """The KMS key, as it was named; None with SQS's own encryption and without any."""
    longest_message_bytes: int = 262_144
    hidden_seconds: int = 30
    """For how long SQS hides a message that somebody received."""
    read_at: datetime | None = None
    """By AWS's clock."""

    @property
    def keeps_sns_out(self) -> bool:
        """Whether its key is one that nobody can let SNS use."""
        return (self.key or "").endswith(KEY_OF_AWS)


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
    return _attributes(answer["Attributes"], read_at=answered_at(answer))


def existing_queue(client: SQSClient, url: str) -> QueueAttributes | None:
    """Return how the queue is set up; None when there is none. Raises AwsError."""
    with translated("sqs:GetQueueAttributes"):
        try:
            answer = client.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])
        except ClientError as exc:
            if error_code(exc) not in NO_QUEUE:
                raise
            return None
    return _attributes(answer["Attributes"], read_at=answered_at(answer))


def url_of(client: SQSClient, arn: str) -> str | None:
    """Return the URL of a queue by its ARN; None when there is none. Raises AwsError."""
    with translated("sqs:GetQueueUrl"):
        try:
            return client.get_queue_url(QueueName=name_of(arn), QueueOwnerAWSAccountId=account_of(arn))[
                "QueueUrl"
            ]
        except ClientError as exc:
            if error_code(exc) not in NO_QUEUE:
                raise
            return None


def queue_at(client: SQSClient, arn: str) -> tuple[str, QueueAttributes] | None:
    """Return a queue's URL and how it is set up, by its ARN; None when there is none. Raises AwsError."""
    url = url_of(client, arn)
    found = existing_queue(client, url) if url else None
    return (url, found) if url and found else None


def _attributes(values: Mapping[Any, str], *, read_at: datetime | None) -> QueueAttributes:
    return QueueAttributes(
        arn=values["QueueArn"],
        retention=timedelta(seconds=int(values["MessageRetentionPeriod"])),
        redrive_policy=RedrivePolicy.parse(values.get("RedrivePolicy")),
        policy=values.get("Policy") or None,
        is_encrypted=values.get("SqsManagedSseEnabled") == "true" or bool(values.get("KmsMasterKeyId")),
        key=values.get("KmsMasterKeyId") or None,
        longest_message_bytes=int(values.get("MaximumMessageSize", 262_144)),
        hidden_seconds=int(values.get("VisibilityTimeout", 30)),
        read_at=read_at,
    )
