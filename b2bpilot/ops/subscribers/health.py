"""Whether a subscription can receive what the topic gets, and why not."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeVar

from b2bpilot.advice import Words, our_command
from b2bpilot.aws.stack import StackOutputs
from b2bpilot.aws.subscriptions import Listed, Subscription
from b2bpilot.ops.subscribers.admission import principal_for
from b2bpilot.ops.subscribers.coverage import Coverage, coverage
from b2bpilot.ops.subscribers.filter_limits import filter_problems
from b2bpilot.ops.subscribers.permission import Permission, PermissionReading
from b2bpilot.pipeline.arn import account_of, function_name

T = TypeVar("T", Listed, Subscription)


class Health(StrEnum):
    HEALTHY = "healthy"
    UNHEALTHY = "unhealthy"
    UNKNOWN = "unknown"
    """Something that decides could not be looked at."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    """One thing that speaks against a subscription. `command` fixes it, where there is one."""

    text: str
    command: Words | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SubscriptionReport:
    """A subscription and what speaks against it. `problems` make it unhealthy, `doubts` unknown; `remarks` change nothing."""

    subscription: Subscription
    is_processor: bool
    permission: Permission
    is_reachable: bool = True
    """Whether anything that is published can reach it, as far as it is known."""
    is_losing: bool = False
    """Whether SNS can write no dead letter of it, so that what it cannot deliver is nowhere."""
    problems: tuple[Reason, ...]
    doubts: tuple[Reason, ...]
    remarks: tuple[Reason, ...]


def health_of(problems: Sequence[Reason], doubts: Sequence[Reason]) -> Health:
    if problems:
        return Health.UNHEALTHY
    return Health.UNKNOWN if doubts else Health.HEALTHY


def report(
    subscription: Subscription,
    stack: StackOutputs,
    *,
    endpoint: PermissionReading,
    redrive: PermissionReading,
) -> SubscriptionReport:
    """Report on a subscription. `endpoint` and `redrive` say whether its endpoint and its dead-letter queue let SNS in."""
    is_processor = is_processor_s(subscription, stack)
    unreached = [*_unconfirmed(subscription), *_no_permission(subscription, endpoint)]
    refused = list(_redrive_refused(subscription, redrive))
    problems = [*unreached, *refused]
    doubts = [*_unreadable(subscription), *_unknown_permissions(endpoint, redrive)]
    remarks = list(_remarks(subscription, stack))
    if is_processor:
        found = coverage(subscription.filter_policy, subscription.filter_policy_scope)
        problems += _losing(subscription, found)
        doubts += _doubtful(subscription, found)
    else:
        wrong = list(_wrong_filter(subscription, stack))
        unreached, problems = [*unreached, *wrong], [*problems, *wrong]
    if subscription.redrive_policy is None and subscription.attributes_error is None:
        (problems if is_processor else remarks).append(_no_redrive(subscription, stack))
    return SubscriptionReport(
        subscription=subscription,
        is_processor=is_processor,
        permission=endpoint.permission,
        is_reachable=not unreached,
        is_losing=bool(refused),
        problems=tuple(problems),
        doubts=tuple(doubts),
        remarks=tuple(remarks),
    )


def is_processor_s(subscription: Listed | Subscription, stack: StackOutputs) -> bool:
    """Tell whether it is a way that every message takes: to the processor, through an alias or a version, too, or to the queue in
    front of it. A function of its name in another account or region is another."""
    endpoint = function_name(subscription.endpoint)
    return bool(endpoint) and endpoint in (stack.processor_function_arn, stack.message_queue_arn)


def is_express_s(subscription: Listed | Subscription, stack: StackOutputs) -> bool:
    """Tell whether it is the express lane's: ours as well, but no message depends on it."""
    express = stack.express_function_arn
    return bool(express) and function_name(subscription.endpoint) == express


def is_ours(subscription: Listed | Subscription, stack: StackOutputs) -> bool:
    return is_processor_s(subscription, stack) or is_express_s(subscription, stack)


def processors(found: Iterable[T], stack: StackOutputs) -> list[T]:
    """Return those that deliver to the processor: two where both ways of delivery are on."""
    return [one for one in found if is_processor_s(one, stack)]


def others(found: Iterable[T], stack: StackOutputs) -> list[T]:
    """Return those that deliver to somebody else, who is none of this stack."""
    return [one for one in found if not is_ours(one, stack)]


def confirms_itself(subscription: Subscription) -> bool:
    """SNS's Subscribe: only HTTP, mail and endpoints of other accounts have to be confirmed by somebody."""
    account = account_of(subscription.topic_arn)
    return subscription.protocol in ("lambda", "sqs") and account_of(subscription.endpoint) == account


def _unconfirmed(subscription: Subscription) -> Iterator[Reason]:
    if subscription.confirmed is False:
        yield Reason(text="nobody confirmed it: SNS delivers nothing to it until its endpoint does")


def _no_permission(subscription: Subscription, endpoint: PermissionReading) -> Iterator[Reason]:
    if endpoint.permission is Permission.ENDPOINT_GONE:
        yield Reason(text=f"{subscription.endpoint} does not exist")
    if endpoint.permission is Permission.REFUSED:
        yield Reason(text=f"{subscription.endpoint} {endpoint.error}")
    if endpoint.permission is not Permission.MISSING:
        return
    if subscription.protocol != "lambda":
        yield Reason(text="the queue's policy does not let SNS send to it from this topic")
        return
    yield Reason(
        text="the function's policy does not let SNS invoke it from this topic",
        command=f"aws lambda add-permission --function-name {subscription.endpoint} --statement-id b2bpilot-sns "
        f"--action lambda:InvokeFunction --principal {principal_for(subscription.topic_arn, subscription.endpoint)} "
        f"--source-arn {subscription.topic_arn}",
    )


def _redrive_refused(subscription: Subscription, redrive: PermissionReading) -> Iterator[Reason]:
    match redrive.permission:
        case Permission.ENDPOINT_GONE:
            what = "does not exist"
        case Permission.MISSING:
            what = "does not let SNS send to it from this topic"
        case Permission.REFUSED:
            what = redrive.error
        case _:
            return
    yield Reason(
        text=f"its dead-letter queue {subscription.redrive_target_arn} {what}: what SNS cannot deliver is lost"
    )


def _unreadable(subscription: Subscription) -> Iterator[Reason]:
    if subscription.attributes_error is not None:
        yield Reason(text=f"its attributes cannot be read: {subscription.attributes_error}")
    elif subscription.confirmed is None and not confirms_itself(subscription):
        yield Reason(text="SNS does not say whether it is confirmed")


def _unknown_permissions(endpoint: PermissionReading, redrive: PermissionReading) -> Iterator[Reason]:
    for name, reading in (("endpoint", endpoint), ("dead-letter queue", redrive)):
        if reading.permission is Permission.UNKNOWN:
            yield Reason(text=f"whether its {name} lets SNS in is unknown: {reading.error}")


def _wrong_filter(subscription: Subscription, stack: StackOutputs) -> Iterator[Reason]:
    """It may leave out what it likes, but not everything."""
    whose = () if is_ours(subscription, stack) else ("--subscriber", subscription.arn)
    if found := filter_problems(subscription):
        yield Reason(text=f"its filter policy: {'; '.join(found)}", command=our_command("verify", *whose))


def _losing(subscription: Subscription, coverage: Coverage) -> Iterator[Reason]:
    if loss := coverage.loss():
        yield Reason(text=f"its filter policy {loss}", command=_unfiltered(subscription))


def _doubtful(subscription: Subscription, coverage: Coverage) -> Iterator[Reason]:
    for doubt in coverage.doubts():
        yield Reason(text=f"its filter policy {doubt}", command=_unfiltered(subscription))


def _unfiltered(subscription: Subscription) -> str:
    return (
        f"aws sns set-subscription-attributes --subscription-arn {subscription.arn} "
        "--attribute-name FilterPolicy --attribute-value '{}'"
    )


def _no_redrive(subscription: Subscription, stack: StackOutputs) -> Reason:
    """This environment's queue is for what ends in this environment: another's dead letters would lie there for good."""
    text = "it has no redrive policy: what SNS cannot deliver is lost"
    if is_express_s(subscription, stack):
        text = "it has no redrive policy: what SNS cannot deliver to it, only the processor gets"
    if not is_ours(subscription, stack):
        return Reason(text=f"{text}. Its owner can name a queue of its own")
    return Reason(
        text=text,
        command=f"aws sns set-subscription-attributes --subscription-arn {subscription.arn} "
        "--attribute-name RedrivePolicy "
        f'--attribute-value \'{{"deadLetterTargetArn": "{stack.dead_letter_queue_arn}"}}\'',
    )


def _remarks(subscription: Subscription, stack: StackOutputs) -> Iterator[Reason]:
    target = subscription.redrive_target_arn
    ours = is_ours(subscription, stack)
    if target == stack.dead_letter_queue_arn and not ours:
        yield Reason(
            text="what SNS cannot deliver goes to this environment's queue, where nobody redrives it: "
            "its owner has to name a queue of its own"
        )
    if ours and target is not None and target != stack.dead_letter_queue_arn:
        yield Reason(text=f"what SNS cannot deliver goes to {target}, not to this environment's queue")
