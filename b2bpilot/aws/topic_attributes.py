"""What SNS says of a topic itself: who may publish, and how it is encrypted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from b2bpilot.aws.attempts import error_code
from b2bpilot.aws.failures import translated

if TYPE_CHECKING:
    from types_boto3_sns import SNSClient

NO_TOPIC = frozenset({"NotFound", "NotFoundException"})


@dataclass(frozen=True, slots=True, kw_only=True)
class TopicAttributes:
    """`policy` is the JSON text; `key` is the KMS key that encrypts, None when nothing does."""

    arn: str
    policy: str | None
    key: str | None


def topic_attributes(client: SNSClient, arn: str) -> TopicAttributes | None:
    """Return the topic's attributes; None when there is no such topic. Raises AwsError."""
    with translated("sns:GetTopicAttributes"):
        try:
            found = client.get_topic_attributes(TopicArn=arn)["Attributes"]
        except ClientError as exc:
            if error_code(exc) not in NO_TOPIC:
                raise
            return None
    return TopicAttributes(
        arn=arn, policy=found.get("Policy") or None, key=found.get("KmsMasterKeyId") or None
    )
