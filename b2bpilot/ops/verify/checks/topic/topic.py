"""Checks of the category `topic`: the topic itself. Its subscriptions: subscription.py."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from b2bpilot.aws.topic_attributes import TopicAttributes, topic_attributes
from b2bpilot.errors import NotFound
from b2bpilot.ops.verify.check import Answer, Category, Check, Severity, fails, holds
from b2bpilot.ops.verify.commands import aws, document, one_after_another
from b2bpilot.ops.verify.deployment import Deployment
from b2bpilot.ops.verify.exposure import open_to_all, plain_http_refused, refuses_plain_http, with_statements

if TYPE_CHECKING:
    from types_boto3_sns import SNSClient

READ = ("sns:GetTopicAttributes",)
KEY = "alias/aws/sns"


def _found(deployment: Deployment) -> TopicAttributes | None:
    client: SNSClient = deployment.client("sns")
    found: TopicAttributes | None = deployment.ask(
        "topic", lambda: topic_attributes(client, deployment.stack.topic_arn)
    )
    return found


def _topic(deployment: Deployment) -> TopicAttributes:
    topic = _found(deployment)
    if topic is None:
        raise NotFound(f"there is no topic {deployment.stack.topic_arn}")
    return topic


def _exists(deployment: Deployment) -> Answer:
    topic = _found(deployment)
    return holds(topic.arn) if topic else fails(f"there is no topic {deployment.stack.topic_arn}")


def _encrypted(deployment: Deployment) -> Answer:
    topic = _topic(deployment)
    is_tls_only = refuses_plain_http(topic.policy, "sns:Publish")
    if topic.key and is_tls_only:
        return holds(f"at rest with {topic.key}; plain HTTP is refused")
    wrong = [
        *([] if topic.key else ["no key encrypts the topic"]),
        *([] if is_tls_only else ["the topic takes plain HTTP"]),
    ]
    return fails(
        "; ".join(wrong), fix=one_after_another(_encryption_commands(topic, is_tls_only=is_tls_only))
    )


def _encryption_commands(topic: TopicAttributes, *, is_tls_only: bool) -> list[str]:
    changes = [] if topic.key else [("KmsMasterKeyId", KEY)]
    if not is_tls_only:
        changes.append(
            (
                "Policy",
                document(with_statements(topic.policy, [plain_http_refused("sns:Publish", topic.arn)])),
            )
        )
    return [
        aws(
            "sns", "set-topic-attributes", "--topic-arn", topic.arn, "--attribute-name", name,
            "--attribute-value", value,
        )
        for name, value in changes
    ]  # fmt: skip


def _private(deployment: Deployment) -> Answer:
    topic = _topic(deployment)
    found = open_to_all(topic.policy)
    if not found:
        return holds("no statement of its policy is for everybody")
    names = [one.get("Sid") for one in found]
    told = ", ".join(str(name or "one without a Sid") for name in names)
    commands = [
        aws("sns", "remove-permission", "--topic-arn", topic.arn, "--label", str(name))
        for name in names
        if name
    ]
    return fails(f"the topic's policy lets everybody in: {told}", fix=one_after_another(commands))


check = partial(Check, category=Category.TOPIC, actions=READ, needs=("B2B030",))

CHECKS = (
    check(
        code="B2B030",
        statement="the topic is there",
        why="The webhook has nothing to publish to and answers 503.",
        probe=_exists,
        needs=("B2B010",),
    ),
    check(
        code="B2B031",
        statement="the topic is encrypted at rest and refuses plain HTTP",
        why="Messages hold what customers wrote, and their numbers.",
        probe=_encrypted,
        severity=Severity.WARNING,
    ),
    check(
        code="B2B032",
        statement="the topic is not public",
        why="Anybody could read messages, or publish some that are stored as if they came from Twilio.",
        probe=_private,
    ),
)
