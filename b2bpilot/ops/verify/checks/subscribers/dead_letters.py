"""Checks of the category `subscribers`: where what fails goes, and whether it gets there."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from b2bpilot.aws.roles import may
from b2bpilot.ops.subscribers.discovery import Subscriber, SubscriberKind
from b2bpilot.ops.subscribers.naming import resource_name
from b2bpilot.ops.subscribers.permission import Permission
from b2bpilot.ops.verify.check import Answer, Category, Check, Severity, fails, holds, silent, unanswered
from b2bpilot.ops.verify.checks.dead_letters.queue import RETENTION
from b2bpilot.ops.verify.commands import aws, document, set_subscription
from b2bpilot.ops.verify.deployment import Deployment
from b2bpilot.ops.verify.functions import Grant, grant_command
from b2bpilot.ops.verify.subscribers import (
    READ,
    admission,
    admission_command,
    elsewhere,
    function,
    of_each,
    of_own_account,
    others,
    permission_of,
    queue,
    readable,
    without_key,
)
from b2bpilot.pipeline.arn import is_fifo, name_of

if TYPE_CHECKING:
    from types_boto3_iam import IAMClient

RECEIVES = 5
"""How often a queue gives a message out before it is a dead letter, as `subscribers new` has it."""


def _one_queue(deployment: Deployment, one: Subscriber) -> Answer:
    """One that the processor uses, too, is B2B105's."""
    subscription = readable(one.subscription)
    if one.errors:
        return silent("; ".join(one.errors), may_change=True)
    by_sns, by_sender = subscription.redrive_target_arn, one.sender_dead_letter_queue_arn
    if by_sns is None or by_sender is None:
        return _lacking(deployment, one, by_sns, by_sender)
    if by_sns != by_sender:
        return fails(
            f"SNS sends what it cannot deliver to {by_sns}, its {one.kind.value} what it gives up to {by_sender}",
            fix=_redrive(one, by_sender),
        )
    if wrong := _unfit(deployment, one, by_sns):
        return fails(wrong, fix="")
    return holds(resource_name(by_sns))


def _lacking(deployment: Deployment, one: Subscriber, by_sns: str | None, by_sender: str | None) -> Answer:
    if by_sender is not None:
        return fails(
            "the subscription has no redrive policy: what SNS cannot deliver is lost",
            fix=_redrive(one, by_sender),
        )
    goes = f", but sends what it fails on to {one.on_failure}" if one.on_failure else ""
    if by_sns is not None:
        return fails(
            f"the {one.kind.value} has no dead-letter queue{goes}", fix=_sender(deployment, one, by_sns)
        )
    if one.on_failure:
        return fails(
            f"the function has no dead-letter queue{goes}; its subscription has no redrive policy: what SNS cannot deliver is lost",
            fix="",
        )
    return fails(
        f"neither its subscription nor its {one.kind.value} has a dead-letter queue: what fails is lost",
        fix="",
    )


def _unfit(deployment: Deployment, one: Subscriber, arn: str) -> str | None:
    """What is wrong with the queue that both name."""
    if is_fifo(arn):
        return f"{arn} is a FIFO queue, and dead letters go to standard queues only"
    if arn in (one.queue_arn, one.subscription.endpoint):
        return f"{arn} is its dead-letter queue and the queue that it reads"
    sharing = [
        other.name
        for other in others(deployment)
        if arn in other.dead_letter_queue_arns and other.subscription.endpoint != one.subscription.endpoint
    ]
    return f"{arn} is the dead-letter queue of {', '.join(sharing)}, too" if sharing else None


def _redrive(one: Subscriber, arn: str) -> str:
    return set_subscription(one.subscription.arn, "RedrivePolicy", document({"deadLetterTargetArn": arn}))


def _sender(deployment: Deployment, one: Subscriber, arn: str) -> str:
    """A version cannot be changed: its team has to publish another."""
    if one.kind is SubscriberKind.FUNCTION:
        return "" if one.run_as != one.function_arn else aws(
            "lambda", "update-function-configuration", "--function-name", str(one.function_arn),
            "--dead-letter-config", f"TargetArn={arn}", *elsewhere(deployment, str(one.function_arn)),
        )  # fmt: skip
    found = queue(deployment, str(one.queue_arn))
    policy = document({"deadLetterTargetArn": arn, "maxReceiveCount": RECEIVES})
    return aws(
        "sqs", "set-queue-attributes", "--queue-url", found[0],
        "--attributes", document({"RedrivePolicy": policy}), *elsewhere(deployment, str(one.queue_arn)),
    ) if found else ""  # fmt: skip


def _admits(deployment: Deployment, one: Subscriber) -> Answer:
    subscription = readable(one.subscription)
    if not one.dead_letter_queue_arns:
        return unanswered("it has no dead-letter queue")
    for arn in one.dead_letter_queue_arns:
        if queue(deployment, arn) is None:
            return fails(
                f"the dead-letter queue {arn} does not exist: what fails is lost",
                fix=_create(deployment, arn),
            )
    target = subscription.redrive_target_arn
    return _let_in(deployment, target) if target else unanswered("its subscription has no redrive policy")


def _create(deployment: Deployment, arn: str) -> str:
    """As `subscribers new` has it."""
    attributes = {
        "MessageRetentionPeriod": str(int(RETENTION.total_seconds())),
        "Policy": admission(deployment, arn, None),
    }
    return aws(
        "sqs", "create-queue", "--queue-name", name_of(arn), "--attributes", document(attributes),
        *elsewhere(deployment, arn),
    )  # fmt: skip


def _let_in(deployment: Deployment, arn: str) -> Answer:
    found = permission_of(deployment, arn, "sqs")
    match found.permission:
        case Permission.MISSING:
            return fails(
                f"the policy of {arn} does not let SNS in from this topic: what it cannot deliver is lost",
                fix=admission_command(deployment, arn),
            )
        case Permission.REFUSED if not is_fifo(arn):
            return fails(
                f"{arn} {found.error}: what it cannot deliver is lost", fix=without_key(deployment, arn)
            )
        case Permission.GRANTED:
            return holds(resource_name(arn))
        case _:
            return unanswered(f"{arn}: {found.error or found.permission}")


def _may_send(deployment: Deployment, one: Subscriber) -> Answer | None:
    """A queue sends to its dead-letter queue by itself; a function's role has to be allowed to."""
    arn = one.sender_dead_letter_queue_arn
    if one.kind is not SubscriberKind.FUNCTION:
        return None
    settings = function(deployment, str(one.run_as))
    if arn is None or settings is None:
        return unanswered("its function has no dead-letter queue")
    role, client = settings.role_arn, _iam(deployment)
    if may(client, role, "sqs:SendMessage", arn):
        return holds(f"sqs:SendMessage for {role.rpartition('/')[2]}")
    return fails(
        f"{role.rpartition('/')[2]} may not sqs:SendMessage on {arn}: what its function gives up is dropped",
        fix=grant_command(role, [Grant(action="sqs:SendMessage", resource=arn)], "b2bpilot-dead-letters"),
    )


def _iam(deployment: Deployment) -> IAMClient:
    client: IAMClient = deployment.client("iam")
    return client


check = partial(
    Check, category=Category.SUBSCRIBERS, severity=Severity.WARNING, needs=("B2B030",), actions=READ
)

CHECKS = (
    check(
        code="B2B184",
        statement="each subscriber has a dead-letter queue of its own, one for both senders",
        why="SNS and the function or queue fail in different ways: what one of them gives up is lost without a queue, or lies "
        "where `dlq --subscriber` does not look.",
        probe=of_each(of_own_account(_one_queue)),
    ),
    check(
        code="B2B185",
        statement="each subscriber's dead-letter queue is there and lets SNS in from this topic",
        why="What SNS cannot deliver is lost where it may not write to the queue.",
        probe=of_each(of_own_account(_admits)),
    ),
    check(
        code="B2B186",
        statement="each subscriber's function may write to its dead-letter queue",
        why="Lambda drops what it may not write there, and only counts it (DeadLetterErrors).",
        probe=of_each(of_own_account(_may_send)),
        actions=(*READ, "iam:SimulatePrincipalPolicy"),
    ),
)
