"""A topic's subscriptions, also where SNS says little of them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest
from botocore.stub import Stubber

from b2bpilot.aws.session import AwsAccess, Timeouts
from b2bpilot.aws.subscriptions import Subscription, subscriptions
from b2bpilot.errors import AwsDenied
from tests.aws.conftest import REGION

TOPIC = "arn:aws:sns:eu-west-1:123456789012:b2b-pilot-messages-staging"
ARN = f"{TOPIC}:21be56ed-a058-49f5-8c98-aedd2564c486"
FUNCTION = "arn:aws:lambda:eu-west-1:123456789012:function:processor"
QUEUE = "arn:aws:sqs:eu-west-1:123456789012:dead-letters"
ON_AWS = {
    "SubscriptionArn": ARN,
    "TopicArn": TOPIC,
    "Protocol": "lambda",
    "Endpoint": FUNCTION,
    "Owner": "123456789012",
    "PendingConfirmation": "false",
    "RawMessageDelivery": "false",
    "RedrivePolicy": json.dumps({"deadLetterTargetArn": QUEUE}),
}
"""As AWS answers for a Lambda subscription (docs/aws-facts.md#subscription-attributes)."""


class Stubbed(AwsAccess):
    """Answers with what it is given."""

    __slots__ = ("_client", "aws")

    def __init__(self, *, arn: str = ARN) -> None:
        super().__init__(region=REGION, access_key_id="x", secret_access_key="y")
        object.__setattr__(self, "_client", AwsAccess.client(self, "sns", Timeouts(attempts=1)))
        object.__setattr__(self, "aws", Stubber(self._client))
        listed = {"SubscriptionArn": arn, "TopicArn": TOPIC, "Protocol": "lambda", "Endpoint": FUNCTION}
        self.aws.add_response("list_subscriptions_by_topic", {"Subscriptions": [listed]}, {"TopicArn": TOPIC})

    def client(self, service: str, timeouts: Timeouts | None = None) -> Any:
        return self._client


def found(attributes: Mapping[str, str]) -> Subscription:
    access = Stubbed()
    access.aws.add_response("get_subscription_attributes", {"Attributes": dict(attributes)})
    with access.aws:
        (subscription,) = subscriptions(access, TOPIC)
    return subscription


def test_what_aws_says_of_a_lambda_subscription_is_read() -> None:
    subscription = found(ON_AWS)
    assert (subscription.protocol, subscription.endpoint) == ("lambda", FUNCTION)
    assert (subscription.confirmed, subscription.raw_delivery) == (True, False)
    assert subscription.redrive_target_arn == QUEUE
    assert (subscription.filter_policy, subscription.filter_policy_scope) == (None, "MessageAttributes")


def test_what_an_endpoint_does_not_say_is_none() -> None:
    subscription = found({})
    assert (subscription.confirmed, subscription.raw_delivery, subscription.owner) == (None, None, None)
    assert (subscription.endpoint, subscription.redrive_target_arn) == (FUNCTION, None)


@pytest.mark.parametrize("text", ["", "{}", " {} ", "null"])
def test_a_policy_that_was_taken_away_is_none(text: str) -> None:
    assert found({"FilterPolicy": text, "RedrivePolicy": text}).filter_policy is None


def test_one_without_an_arn_is_unconfirmed_and_is_not_asked_for_more() -> None:
    access = Stubbed(arn="PendingConfirmation")
    with access.aws:
        (subscription,) = subscriptions(access, TOPIC)
    assert (subscription.confirmed, subscription.attributes_error) == (False, None)


def test_a_denied_look_at_one_does_not_hide_it() -> None:
    access = Stubbed()
    access.aws.add_client_error("get_subscription_attributes", "AuthorizationError", "not you")
    with access.aws:
        (subscription,) = subscriptions(access, TOPIC)
    assert isinstance(subscription.attributes_error, AwsDenied)
    assert subscription.confirmed is None


def test_all_subscriptions_of_a_topic_are_found(access: AwsAccess) -> None:
    sns = access.client("sns")
    topic = sns.create_topic(Name="messages")["TopicArn"]
    policy = json.dumps({"source": ["twilio"]})
    for number in range(3):
        sns.subscribe(
            TopicArn=topic,
            Protocol="sqs",
            Endpoint=f"{QUEUE}-{number}",
            Attributes={"FilterPolicy": policy},
        )
    listed = subscriptions(access, topic)
    assert [subscription.endpoint for subscription in listed] == [f"{QUEUE}-{number}" for number in range(3)]
    assert {subscription.filter_policy for subscription in listed} == {policy}
