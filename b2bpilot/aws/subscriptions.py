"""The subscriptions of a topic with their attributes. Not every endpoint gives all of them: what is missing is None."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from b2bpilot.aws.attempts import error_code
from b2bpilot.aws.failures import translated
from b2bpilot.aws.session import AwsAccess, Timeouts
from b2bpilot.aws.side_by_side import of_each
from b2bpilot.errors import AwsError
from b2bpilot.pipeline.arn import service_of

if TYPE_CHECKING:
    from types_boto3_sns import SNSClient
    from types_boto3_sns.type_defs import SubscriptionTypeDef

NO_ARN = frozenset({"PendingConfirmation", "pending confirmation"})
"""What the list has in place of an unconfirmed subscription's ARN."""

NOT_FOUND = frozenset({"NotFound", "NotFoundException"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Subscription:
    """One subscription. `filter_policy` and `redrive_policy` are the JSON texts; None means that SNS named none.

    `confirmed` is None where SNS does not say. `attributes_error` says why the attributes could not be read: then
    nothing is known of confirmation and policies.
    """

    arn: str
    topic_arn: str
    protocol: str
    endpoint: str
    owner: str | None
    confirmed: bool | None
    raw_delivery: bool | None
    filter_policy: str | None
    filter_policy_scope: str
    redrive_policy: str | None
    attributes_error: AwsError | None = None

    @property
    def redrive_target_arn(self) -> str | None:
        """The queue to which SNS sends what it cannot deliver."""
        try:
            policy = json.loads(self.redrive_policy or "{}")
        except ValueError:
            return None
        target = policy.get("deadLetterTargetArn") if isinstance(policy, dict) else None
        return str(target) if target else None


def subscriptions(
    access: AwsAccess, topic_arn: str, *, timeouts: Timeouts | None = None
) -> list[Subscription]:
    """Return the topic's subscriptions in SNS's order. One whose attributes may not be read is returned without them.

    Raises AwsError when they cannot be listed.
    """
    client: SNSClient = access.client("sns", timeouts)
    with translated("sns:ListSubscriptionsByTopic"):
        pages = client.get_paginator("list_subscriptions_by_topic").paginate(TopicArn=topic_arn)
        listed = [found for page in pages for found in page.get("Subscriptions", [])]
    return of_each(lambda found: _subscription(client, found), listed)


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """A subscription as the list has it: one call for a hundred, without their attributes. No ARN while unconfirmed."""

    arn: str | None
    protocol: str
    endpoint: str


def listed(access: AwsAccess, topic_arn: str, *, timeouts: Timeouts | None = None) -> list[Listed]:
    """Return the topic's subscriptions without asking for the attributes of each. Raises AwsError."""
    client: SNSClient = access.client("sns", timeouts)
    with translated("sns:ListSubscriptionsByTopic"):
        pages = client.get_paginator("list_subscriptions_by_topic").paginate(TopicArn=topic_arn)
        return [_listed(found) for page in pages for found in page.get("Subscriptions", [])]


def _listed(listed: SubscriptionTypeDef) -> Listed:
    arn = listed.get("SubscriptionArn", "")
    return Listed(
        arn=None if not arn or arn in NO_ARN else arn,
        protocol=listed.get("Protocol", ""),
        endpoint=listed.get("Endpoint", ""),
    )


def as_listed(access: AwsAccess, one: Listed, topic_arn: str, *, timeouts: Timeouts) -> Subscription:
    """Return one of the list with its attributes, or without those that may not be read."""
    found: SubscriptionTypeDef = {
        "SubscriptionArn": one.arn or "PendingConfirmation",
        "TopicArn": topic_arn,
        "Protocol": one.protocol,
        "Endpoint": one.endpoint,
    }
    return _subscription(access.client("sns", timeouts), found)


def subscription_of(access: AwsAccess, arn: str, *, timeouts: Timeouts | None = None) -> Subscription | None:
    """Return one subscription by its ARN; None when it does not exist. Raises AwsError."""
    client: SNSClient = access.client("sns", timeouts)
    with translated("sns:GetSubscriptionAttributes"):
        try:
            attributes = client.get_subscription_attributes(SubscriptionArn=arn)["Attributes"]
        except ClientError as exc:
            if error_code(exc) not in NOT_FOUND:
                raise
            return None
    topic_arn = attributes.get("TopicArn", "")
    found: SubscriptionTypeDef = {
        "SubscriptionArn": arn,
        "TopicArn": topic_arn,
        "Protocol": attributes.get("Protocol") or _protocol(attributes.get("Endpoint", "")),
        "Endpoint": attributes.get("Endpoint", ""),
    }
    return _made(found, attributes, None)


def _protocol(endpoint: str) -> str:
    """Not every endpoint says it."""
    return service_of(endpoint) if endpoint.startswith("arn:") else ""


def _subscription(client: SNSClient, listed: SubscriptionTypeDef) -> Subscription:
    """An unconfirmed one may have no ARN in the list, and then cannot be asked for its attributes
    (docs/aws-facts.md#subscription-attributes)."""
    arn = listed.get("SubscriptionArn", "")
    if arn in NO_ARN:
        return _made(listed, {"PendingConfirmation": "true"}, None)
    try:
        with translated("sns:GetSubscriptionAttributes"):
            attributes = client.get_subscription_attributes(SubscriptionArn=arn)["Attributes"]
    except AwsError as exc:
        return _made(listed, {}, exc)
    return _made(listed, attributes, None)


def _made(listed: SubscriptionTypeDef, attributes: Mapping[str, str], error: AwsError | None) -> Subscription:
    return Subscription(
        arn=listed.get("SubscriptionArn", ""),
        topic_arn=listed.get("TopicArn", ""),
        protocol=listed.get("Protocol", ""),
        endpoint=listed.get("Endpoint") or attributes.get("Endpoint", ""),
        owner=listed.get("Owner") or attributes.get("Owner"),
        confirmed=_negated(_boolean(attributes.get("PendingConfirmation"))),
        raw_delivery=_boolean(attributes.get("RawMessageDelivery")),
        filter_policy=_policy(attributes.get("FilterPolicy")),
        filter_policy_scope=attributes.get("FilterPolicyScope") or "MessageAttributes",
        redrive_policy=_policy(attributes.get("RedrivePolicy")),
        attributes_error=error,
    )


def _boolean(text: str | None) -> bool | None:
    """SNS's booleans are words (docs/aws-facts.md#subscription-attributes)."""
    return None if text is None else text.lower() == "true"


def _negated(value: bool | None) -> bool | None:
    return None if value is None else not value


def _policy(text: Any) -> str | None:
    """SNS shows a policy that was taken away as `{}`, or not at all."""
    return None if not text or text.strip() in ("{}", "null") else str(text)
