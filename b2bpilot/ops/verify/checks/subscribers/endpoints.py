"""Checks of the category `subscribers`: the function or queue that SNS delivers to."""

from __future__ import annotations

from functools import partial

from b2bpilot.ops.subscribers.admission import principal_for
from b2bpilot.ops.subscribers.discovery import Subscriber, SubscriberKind
from b2bpilot.ops.subscribers.naming import resource_name
from b2bpilot.ops.subscribers.permission import INVOKE, OF_FIFO, Permission
from b2bpilot.ops.verify.check import Answer, Category, Check, Severity, fails, holds, silent, unanswered
from b2bpilot.ops.verify.commands import aws
from b2bpilot.ops.verify.deployment import Deployment
from b2bpilot.ops.verify.subscribers import (
    READ,
    admission_command,
    elsewhere,
    of_each,
    of_own_account,
    out_of_reach,
    permission_of,
    without_key,
)
from b2bpilot.pipeline.arn import is_fifo


def _is_there(deployment: Deployment, one: Subscriber) -> Answer | None:
    endpoint = one.subscription.endpoint
    if one.kind is SubscriberKind.QUEUE and is_fifo(endpoint):
        return fails(f"{endpoint} {OF_FIFO}", fix=_unsubscribe(one))
    if (answer := out_of_reach(deployment, one)) is not None:
        return answer
    if one.exists is False:
        return fails(
            f"{endpoint} does not exist: SNS delivers nothing to it. Deploy its stack again, or delete its subscription",
            fix=_unsubscribe(one),
        )
    if one.exists is None:
        return silent("; ".join(one.errors), may_change=True)
    return holds(f"{one.kind.value} {resource_name(endpoint)}")


def _admits(deployment: Deployment, one: Subscriber) -> Answer:
    topic_arn, endpoint = deployment.stack.topic_arn, one.subscription.endpoint
    found = permission_of(deployment, endpoint, one.subscription.protocol)
    is_queue = one.kind is SubscriberKind.QUEUE
    match found.permission:
        case Permission.MISSING:
            return fails(
                f"the policy of its {one.kind.value} does not let SNS in from this topic",
                fix=admission_command(deployment, endpoint)
                if is_queue
                else _permission(deployment, endpoint),
            )
        case Permission.REFUSED if not is_fifo(endpoint):
            return fails(f"{endpoint} {found.error}", fix=without_key(deployment, endpoint))
        case Permission.GRANTED:
            return holds(f"its policy lets SNS in as {principal_for(topic_arn, endpoint)}")
        case _:
            return unanswered(f"the {one.kind.value}: {found.error or found.permission}")


def _unsubscribe(one: Subscriber) -> str:
    return aws("sns", "unsubscribe", "--subscription-arn", one.subscription.arn)


def _permission(deployment: Deployment, endpoint: str) -> str:
    topic_arn = deployment.stack.topic_arn
    return aws(
        "lambda", "add-permission", "--function-name", endpoint, "--action", INVOKE,
        "--statement-id", f"b2bpilot-sns-{deployment.now:%Y%m%d%H%M%S}",
        "--principal", principal_for(topic_arn, endpoint), "--source-arn", topic_arn,
        *elsewhere(deployment, endpoint),
    )  # fmt: skip


check = partial(Check, category=Category.SUBSCRIBERS, severity=Severity.WARNING, needs=("B2B030",))

CHECKS = (
    check(
        code="B2B180",
        statement="each subscriber's function or queue is there, and one that SNS can deliver to",
        why="What SNS cannot deliver becomes a dead letter of that subscriber at once, or is lost.",
        probe=of_each(_is_there),
        actions=READ,
    ),
    check(
        code="B2B181",
        statement="each subscriber's function or queue lets SNS in from this topic",
        why="SNS does not try again: each message becomes a dead letter of that subscriber at once, or is lost.",
        probe=of_each(of_own_account(_admits)),
        actions=(*READ, "lambda:GetPolicy"),
    ),
)
