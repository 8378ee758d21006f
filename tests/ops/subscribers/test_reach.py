"""Whom messages reach besides the processor."""

from __future__ import annotations

import json
from contextlib import nullcontext
from typing import Any

import pytest

from b2bpilot.aws.session import AwsAccess
from b2bpilot.aws.subscriptions import Subscription
from b2bpilot.errors import AwsDenied, Refused
from b2bpilot.ops.environment import Environment
from b2bpilot.ops.publish.compose import compose
from b2bpilot.ops.subscribers.filter_policy import BODY_SCOPE
from b2bpilot.ops.subscribers.reach import MOST_BODIES, Reach, reach, require_nobody
from b2bpilot.pipeline.message import PilotMessage
from tests.ops.status.readings import NOW, STACK

ENVIRONMENT = Environment(name="prod", access=AwsAccess(region="eu-west-1"), stack=STACK)
PROCESSOR = f"arn:aws:lambda:eu-west-1:123456789012:function:{STACK.processor_function_name}"
ANALYTICS = "arn:aws:lambda:eu-west-1:123456789012:function:analytics-b2b-pilot-prod"


def subscribed(endpoint: str = ANALYTICS, policy: Any = None, **changes: Any) -> Subscription:
    usual: dict[str, Any] = {
        "arn": f"{STACK.topic_arn}:1",
        "topic_arn": STACK.topic_arn,
        "protocol": endpoint.split(":")[2] if endpoint.startswith("arn:") else "email",
        "endpoint": endpoint,
        "owner": None,
        "confirmed": True,
        "raw_delivery": False,
        "filter_policy": None if policy is None else json.dumps(policy),
        "filter_policy_scope": "MessageAttributes",
        "redrive_policy": None,
    }
    return Subscription(**(usual | changes))


def some(number: int = 1, **params: str) -> list[PilotMessage]:
    return [compose(params, message_id=None, real=False, now=NOW) for _ in range(number)]


def reached(*found: Subscription, messages: list[PilotMessage] | None = None) -> Reach:
    return reach(ENVIRONMENT, found, some() if messages is None else messages)


@pytest.mark.parametrize(
    ("other", "told"),
    [
        (subscribed(), "Also reaches: analytics"),
        (subscribed(policy={"test": ["false"]}), None),
        (subscribed(policy={"test": ["true"]}), "Also reaches: analytics"),
        (subscribed(policy={"priority": ["high"]}), None),
        (subscribed(confirmed=False), None),
        (
            subscribed(attributes_error=AwsDenied("denied", action="sns:GetSubscriptionAttributes")),
            "Unknown whether it reaches: analytics",
        ),
        (subscribed(policy={"message_id": [{"prefix": "0"}]}), "Unknown whether it reaches: analytics"),
        (subscribed(policy={"message_id": [{"prefix": "0"}], "test": ["false"]}), None),
        (subscribed(policy={"test": [True]}, filter_policy_scope=BODY_SCOPE), "Also reaches: analytics"),
        (subscribed(policy={"params": {"Body": ["no"]}}, filter_policy_scope=BODY_SCOPE), None),
        (subscribed("ada@example.com"), "Also reaches: a subscriber by email"),
    ],
)
def test_who_else_gets_test_messages_is_told_by_name(other: Subscription, told: str | None) -> None:
    assert reached(subscribed(PROCESSOR), other).told() == told


def test_several_are_told_in_one_line() -> None:
    queue = "arn:aws:sqs:eu-west-1:123456789012:billing-b2b-pilot-prod"
    doubtful = subscribed(policy={"source": [{"wildcard": "*"}]})
    assert reached(subscribed(queue), doubtful).told() == (
        "Also reaches: billing; unknown whether it reaches: analytics"
    )


def test_one_of_many_messages_is_enough() -> None:
    policy = {"params": {"Body": ["special"]}}
    other = subscribed(policy=policy, filter_policy_scope=BODY_SCOPE)
    assert reached(other, messages=[*some(3), *some(1, Body="special")]).reached == ("analytics",)
    many = [*some(MOST_BODIES), *some(1, Body="special")]
    assert reached(other, messages=many).unknown == ("analytics",)


def test_nobody_is_known_only_when_somebody_was_asked() -> None:
    assert reached(subscribed(PROCESSOR)).is_nobody
    assert not Reach(error="sns:ListSubscriptionsByTopic is denied").is_nobody


@pytest.mark.parametrize(
    ("found", "said", "can_be_taken_on"),
    [
        (Reach(), None, True),
        (Reach(error="sns:ListSubscriptionsByTopic is denied"), "reach is unknown: sns:List", True),
        (Reach(unknown=("analytics", "crm")), "unknown whether .* also reach analytics, crm", True),
        (Reach(reached=("billing",), unknown=("crm",)), "would also reach billing", False),
    ],
)
def test_a_load_needs_somebody_s_word_where_it_is_unknown_whom_it_reaches(
    found: Reach, said: str | None, can_be_taken_on: bool
) -> None:
    with pytest.raises(Refused, match=said) if said else nullcontext():
        require_nobody(found, allow_unknown="--allow-it")
    with nullcontext() if can_be_taken_on else pytest.raises(Refused, match=said):
        require_nobody(found, allow_unknown=None)
    assert Reach(error="denied").told() == "Whom else it reaches is unknown: denied"
