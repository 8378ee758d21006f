"""Whether what CloudWatch sends to a topic reaches anybody: the topic, its subscriptions, its key and its policy."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from b2bpilot.aws.keys import encryption_key
from b2bpilot.aws.session import AwsAccess
from b2bpilot.aws.subscriptions import listed
from b2bpilot.aws.topic_attributes import TopicAttributes, topic_attributes
from b2bpilot.errors import AwsError
from b2bpilot.ops.subscribers.admission import admits_service
from b2bpilot.ops.verify.commands import aws, document
from b2bpilot.ops.verify.exposure import with_statements
from b2bpilot.pipeline.arn import account_of
from b2bpilot.plural import many

if TYPE_CHECKING:
    from types_boto3_sns import SNSClient

CLOUDWATCH = "cloudwatch.amazonaws.com"
AWS_S_KEY = "alias/aws/sns"
USES_OF_KEY = ("kms:Decrypt", "kms:GenerateDataKey")
ACTIONS = ("sns:GetTopicAttributes", "sns:ListSubscriptionsByTopic", "kms:DescribeKey", "kms:GetKeyPolicy")


@dataclass(frozen=True, slots=True, kw_only=True)
class AlarmFault:
    """What keeps an alarm from being heard. Without `is_known` it could not be looked at."""

    text: str
    fix: str = ""
    is_known: bool = True


def faults_of(access: AwsAccess, topic_arn: str, *, alarm_arn: str) -> list[AlarmFault]:
    """Return what keeps a message of the alarm from reaching somebody through the topic."""
    client: SNSClient = access.client("sns")
    try:
        topic = topic_attributes(client, topic_arn)
    except AwsError as exc:
        return [_unknown(topic_arn, exc)]
    if topic is None:
        return [AlarmFault(text=f"there is no topic {topic_arn}")]
    parts: tuple[Callable[[], Iterator[AlarmFault]], ...] = (
        lambda: _subscriptions(access, topic_arn),
        lambda: _key(access, topic, alarm_arn),
        lambda: _policy(topic, alarm_arn),
    )
    return [fault for part in parts for fault in _asked(topic_arn, part)]


def _asked(topic_arn: str, part: Callable[[], Iterator[AlarmFault]]) -> list[AlarmFault]:
    try:
        return list(part())
    except AwsError as exc:
        return [_unknown(topic_arn, exc)]


def _unknown(topic_arn: str, error: AwsError) -> AlarmFault:
    return AlarmFault(text=f"{topic_arn} could not be looked at: {error}", is_known=False)


def _subscriptions(access: AwsAccess, topic_arn: str) -> Iterator[AlarmFault]:
    found = listed(access, topic_arn)
    waiting = sum(one.arn is None for one in found)
    if any(one.arn and one.arn.startswith("arn:") for one in found):
        return
    if waiting:
        verb = "waits" if waiting == 1 else "wait"
        told = f"{many(waiting, 'subscription')} of {topic_arn} {verb} for confirmation, and nobody else is subscribed"
        yield AlarmFault(text=told)
    else:
        yield AlarmFault(text=f"nobody is subscribed to {topic_arn}")


def _key(access: AwsAccess, topic: TopicAttributes, alarm_arn: str) -> Iterator[AlarmFault]:
    """CloudWatch may use a key only if the key's policy says so, which nobody can write into AWS's own
    (docs/aws-facts.md#alarm-topics)."""
    if topic.key is None:
        return
    if topic.key.endswith(AWS_S_KEY):
        yield _of_aws(topic)
        return
    key = encryption_key(access, topic.key)
    if key is None:
        yield AlarmFault(text=f"the key {topic.key} of {topic.arn} is gone")
    elif key.is_aws_s:
        yield _of_aws(topic)
    elif key.state != "Enabled":
        yield AlarmFault(text=f"the key {topic.key} of {topic.arn} is {key.state}")
    else:
        yield from _use_of_key(topic, key.policy, alarm_arn)


def _use_of_key(topic: TopicAttributes, policy: str | None, alarm_arn: str) -> Iterator[AlarmFault]:
    answers = {
        use: admits_service(policy, CLOUDWATCH, action=use, source_arn=alarm_arn) for use in USES_OF_KEY
    }
    lacking = ", ".join(use for use, answer in answers.items() if answer is False)
    if lacking:
        yield AlarmFault(text=f"the key {topic.key} of {topic.arn} does not let {CLOUDWATCH} do {lacking}")
    elif None in answers.values():
        yield AlarmFault(
            text=f"the policy of {topic.key} uses what this version does not know", is_known=False
        )


def _of_aws(topic: TopicAttributes) -> AlarmFault:
    return AlarmFault(
        text=f"{topic.arn} is encrypted with AWS's own key, with which CloudWatch cannot publish: a key of your own can"
    )


def _policy(topic: TopicAttributes, alarm_arn: str) -> Iterator[AlarmFault]:
    match admits_service(topic.policy, CLOUDWATCH, action="sns:Publish", source_arn=alarm_arn):
        case True:
            return
        case None:
            yield AlarmFault(
                text=f"the policy of {topic.arn} uses what this version does not know", is_known=False
            )
        case False:
            told = f"the policy of {topic.arn} does not let {CLOUDWATCH} publish"
            yield AlarmFault(text=told, fix=_admission(topic, alarm_arn))


def _admission(topic: TopicAttributes, alarm_arn: str) -> str:
    account = account_of(alarm_arn)
    statement = {
        "Sid": "AllowCloudWatchAlarms",
        "Effect": "Allow",
        "Principal": {"Service": CLOUDWATCH},
        "Action": "sns:Publish",
        "Resource": topic.arn,
        "Condition": {"StringEquals": {"aws:SourceAccount": account}},
    }
    return aws(
        "sns", "set-topic-attributes", "--topic-arn", topic.arn, "--attribute-name", "Policy",
        "--attribute-value", document(with_statements(topic.policy, [statement])),
    )  # fmt: skip
