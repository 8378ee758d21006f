"""What verify says of the processor's filter policy, and of what SNS counted on the topic."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest

from b2bpilot.aws.metrics import Metric, Point
from b2bpilot.aws.subscriptions import Subscription
from b2bpilot.ops.verify.check import CheckResult, Status
from tests.ops.verify.deployments import NOW, STACK, deployment, seen

PROCESSOR = f"arn:aws:lambda:eu-west-1:123456789012:function:{STACK.processor_function_name}"
AUDIT = "arn:aws:sqs:eu-west-1:123456789012:audit"
EVERY_SOURCE = {"source": ["twilio", "stale", "reconcile", "cli"]}
CORNER = {"$or": [{"priority": ["normal"]}, {"source": ["twilio"]}]}


def subscription(endpoint: str, policy: Any = None, scope: str = "MessageAttributes") -> Subscription:
    return Subscription(
        arn=f"{STACK.topic_arn}:{endpoint[-4:]}",
        topic_arn=STACK.topic_arn,
        protocol=endpoint.split(":")[2],
        endpoint=endpoint,
        owner=None,
        confirmed=True,
        raw_delivery=False,
        filter_policy=None if policy is None else json.dumps(policy),
        filter_policy_scope=scope,
        redrive_policy=None,
    )


def filtered(policy: Any, scope: str = "MessageAttributes") -> CheckResult:
    return seen("B2B036", deployment(known={"subscriptions": [subscription(PROCESSOR, policy, scope)]}))


@pytest.mark.parametrize("policy", [CORNER, {"source": ["twilio"]}, {"redrive_attempt": [{"exists": False}]}])
def test_a_policy_that_drops_a_corner_of_the_messages_fails(policy: Any) -> None:
    result = filtered(policy)
    assert result.status is Status.FAILED
    assert result.seen.startswith("the processor's filter policy rejects ")
    assert result.fix is not None
    assert "--attribute-name FilterPolicy" in result.fix


@pytest.mark.parametrize(
    ("policy", "scope", "said"),
    [
        ({"message_id": [{"prefix": "0"}]}, "MessageAttributes", "it looks at message_id, "),
        (
            {"redrive_run_id": [{"exists": False}, {"prefix": "2"}]},
            "MessageAttributes",
            "it looks at redrive_run_id, ",
        ),
        (EVERY_SOURCE, "MessageBody", "it looks at the message's body, "),
        (
            {"source": [{"wildcard": "*"}]},
            "MessageAttributes",
            "is not provable for a text message from twilio",
        ),
        (EVERY_SOURCE, "MessageAttributes", "rejects a message without attributes"),
    ],
)
def test_a_policy_that_is_not_proven_to_let_all_through_is_a_warning(
    policy: Any, scope: str, said: str
) -> None:
    result = filtered(policy, scope)
    assert result.status is Status.WARNING
    assert said in result.seen


def test_without_a_policy_everything_is_proven_to_pass() -> None:
    result = filtered(None)
    assert (result.status, result.seen) == (Status.OK, "it has no filter policy")


def counted(failed: int, out: int, *subscriptions: Subscription) -> CheckResult:
    """B2B038, with what SNS counted an hour ago."""
    topic = {"TopicName": STACK.topic_arn.rpartition(":")[2]}
    points = {
        Metric(namespace="AWS/SNS", name=name, dimensions=topic): [
            Point(at=NOW - timedelta(hours=1), value=value)
        ]
        for name, value in (
            ("NumberOfNotificationsFailed", failed),
            ("NumberOfNotificationsFilteredOut", out),
        )
    }
    return seen("B2B038", deployment(known={"subscriptions": list(subscriptions), "last day": points}))


@pytest.mark.parametrize("policy", [CORNER, EVERY_SOURCE, {"message_id": [{"exists": True}]}])
def test_what_was_filtered_out_is_not_called_another_subscription_s_beside_a_policy_of_the_processor(
    policy: Any,
) -> None:
    result = counted(0, 3, subscription(PROCESSOR, policy), subscription(AUDIT, {"source": ["cli"]}))
    assert result.status is Status.WARNING
    assert result.seen == (
        "0 notifications failed and 3 were filtered out in the last day; SNS counts per topic, not per subscription, "
        "and the processor's filter policy is not proven to let every message through"
    )


def test_what_only_another_subscription_filters_out_is_fine() -> None:
    result = counted(0, 3, subscription(PROCESSOR), subscription(AUDIT, {"source": ["cli"]}))
    assert result.status is Status.OK
    assert result.seen.endswith("and the processor's filter policy lets every message through")


def test_a_failed_delivery_is_not_known_to_be_the_processor_s_beside_another_subscription() -> None:
    ours = counted(2, 0, subscription(PROCESSOR))
    unclear = counted(2, 3, subscription(PROCESSOR), subscription(AUDIT, {"source": ["cli"]}))
    assert (ours.status, ours.is_known) == (Status.WARNING, True)
    assert (unclear.status, unclear.is_known) == (Status.WARNING, False)
    assert unclear.seen.endswith("and others than the processor are subscribed")


def test_what_was_filtered_out_by_a_policy_that_is_no_more_is_a_warning() -> None:
    assert counted(0, 3, subscription(PROCESSOR), subscription(AUDIT)).status is Status.WARNING


def test_nothing_filtered_out_and_nothing_failed_is_fine() -> None:
    assert (
        counted(0, 0, subscription(PROCESSOR), subscription(AUDIT, {"source": ["cli"]})).status is Status.OK
    )
    assert counted(1, 0, subscription(PROCESSOR)).status is Status.WARNING
