"""Who is subscribed to the topic, found from the topic alone: subscriptions, their endpoints, and where each's dead letters
go (docs/decisions/0038-subscribers.md)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from b2bpilot.advice import our_command
from b2bpilot.aws.change_sets import deployed
from b2bpilot.aws.consumers import Consumer, consumers_of
from b2bpilot.aws.function_settings import event_invoke, function_settings
from b2bpilot.aws.policies import where
from b2bpilot.aws.queue_attributes import QueueAttributes, queue_at, url_of
from b2bpilot.aws.session import AwsAccess, Timeouts
from b2bpilot.aws.side_by_side import of_each
from b2bpilot.aws.subscriptions import Listed, Subscription, as_listed, listed, subscriptions
from b2bpilot.errors import AwsError, NotFound, Refused
from b2bpilot.ops.environment import Environment
from b2bpilot.ops.recipient import NOBODY_KNOWS, Recipient
from b2bpilot.ops.subscribers.health import T, is_express_s, is_processor_s
from b2bpilot.ops.subscribers.names import suffix
from b2bpilot.ops.subscribers.naming import (
    names_among,
    one_of,
    others_named,
    resource_name,
    short_name,
)
from b2bpilot.pipeline.arn import account_of, function_name, is_fifo, region_of, service_of

TIMEOUTS = Timeouts(connect_seconds=3, read_seconds=5, attempts=3)


class KeepsNone(Refused):
    """It keeps no dead letters in a queue of its own: there is nothing to read, and so nothing that was not read."""


class SubscriberKind(StrEnum):
    FUNCTION = "function"
    QUEUE = "queue"
    OTHER = "other"
    """An address, a URL, a delivery stream: nothing of it is known but that SNS delivers there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Subscriber:
    """One subscriber, as AWS shows it. `errors` say what could not be looked at: then what is None is unknown.

    `sender_dead_letter_queue_arn` is where its function, or its queue, sends what it gave up; where SNS sends what it cannot
    deliver, the subscription says. Functions are ARNs without version and alias.
    """

    name: str
    """What means it alone among the topic's subscribers."""
    kind: SubscriberKind
    subscription: Subscription
    is_processor: bool = False
    is_express: bool = False
    function_arn: str | None = None
    run_as: str | None = None
    """What SNS, or the queue's mapping, runs: the function with its version or alias, where one is named."""
    queue_arn: str | None = None
    sender_dead_letter_queue_arn: str | None = None
    other_function_arns: tuple[str, ...] = ()
    """More functions behind its queue: nobody knows which of them gets a message."""
    off_function_arns: tuple[str, ...] = ()
    """Functions whose mapping from its queue is off: they get nothing of it now."""
    on_failure: str | None = None
    """Where Lambda sends what its function failed on, where it has no dead-letter configuration: any destination."""
    exists: bool | None = None
    errors: tuple[str, ...] = ()

    @property
    def is_ours(self) -> bool:
        """Whether it is of this stack: its dead letters are the processor's."""
        return self.is_processor or self.is_express

    @property
    def function_arns(self) -> tuple[str, ...]:
        """All of its functions, and those that were: a mapping that is off may have been on."""
        first = (self.function_arn,) if self.function_arn else ()
        return (*first, *self.other_function_arns, *self.off_function_arns)

    @property
    def dead_letter_queue_arns(self) -> tuple[str, ...]:
        """Both senders' queues, each once: one when it is as it should be."""
        both = (self.subscription.redrive_target_arn, self.sender_dead_letter_queue_arn)
        return tuple(dict.fromkeys(arn for arn in both if arn))


def subscribers_of(environment: Environment) -> list[Subscriber]:
    """Return all subscribers, in SNS's order, each looked at beside the others. Raises AwsError when they cannot be listed."""
    return subscribers_among(
        environment, subscriptions(environment.access, environment.stack.topic_arn, timeouts=TIMEOUTS)
    )


def subscribers_among(environment: Environment, found: Sequence[Subscription]) -> list[Subscriber]:
    """Return the subscribers of all these subscriptions, each looked at beside the others. What cannot be looked at is in
    `errors`."""
    named = list(zip(found, names_among(found, environment), strict=True))
    return of_each(lambda one: _subscriber(*one, environment), named)


def others_among(environment: Environment, found: Sequence[T]) -> list[Subscriber]:
    """Return the subscribers beside the stack's own, which are not looked at. `found` are all of the topic: names depend on it."""
    named = others_named(found, environment)
    return of_each(lambda one: _subscriber(_asked(one[1], environment), one[0], environment), named)


def subscriber_named(environment: Environment, text: str, *, said_as: str = "--subscriber") -> Subscriber:
    """Return the one of this name, the only one that is looked at. Raises UsageError, and AwsError when they cannot be listed."""
    found = environment.subscribers.listed()
    one = one_of(environment, found, text, said_as=said_as)
    names = dict(zip(map(id, found), names_among(found, environment), strict=True))
    return _subscriber(_asked(one, environment), names[id(one)], environment)


def is_taken(environment: Environment, name: str) -> bool:
    """Tell whether the topic has a subscriber of this short name, or a stack that one was deployed as: its subscription may
    be missing. Raises AwsError."""
    found = listed(environment.access, environment.stack.topic_arn, timeouts=TIMEOUTS)
    if name in {short_name(one.endpoint, environment.name) for one in found}:
        return True
    client = environment.access.client("cloudformation", TIMEOUTS)
    return deployed(client, name + suffix(environment.name)) is not None


def recipient_of(environment: Environment, subscriber: Subscriber) -> Recipient:
    """Return what commands about its dead letters need. Raises Refused where it has no single dead-letter queue of its own,
    or one that is out of reach, NotFound where that is gone, and AwsError where nobody can tell."""
    if subscriber.is_ours:
        return Recipient.of_stack(environment.stack)
    _require_within_reach(environment, subscriber)
    queue_arn = _dead_letter_queue(subscriber)
    url = url_of(environment.access.client("sqs", TIMEOUTS), queue_arn)
    if url is None:
        raise NotFound(
            f"the dead-letter queue of subscriber {subscriber.name} does not exist: {queue_arn}",
            hint="deploy its stack again; "
            + our_command("verify", "--subscriber", subscriber.name)
            + " says what else is missing",
        )
    return Recipient(
        name=subscriber.name,
        topic_arn=environment.stack.topic_arn,
        subscription_arn=subscriber.subscription.arn,
        function=None if subscriber.other_function_arns else subscriber.run_as,
        no_function=_no_function(subscriber),
        function_arns=frozenset(subscriber.function_arns),
        dead_letter_queue_url=url,
        dead_letter_queue_arn=queue_arn,
        source_queue_arn=subscriber.queue_arn,
    )


def _no_function(subscriber: Subscriber) -> str:
    if subscriber.run_as is None and subscriber.off_function_arns:
        names = " and ".join(map(resource_name, subscriber.off_function_arns))
        return f"the event source mapping from its queue to {names} is disabled"
    return NOBODY_KNOWS


def _require_within_reach(environment: Environment, subscriber: Subscriber) -> None:
    """Raises Refused for what has no dead letters that can be sent again from here."""
    name, endpoint = f"subscriber {subscriber.name}", subscriber.subscription.endpoint
    if subscriber.kind is SubscriberKind.OTHER:
        raise KeepsNone(
            f"{name} is neither a function nor a queue, but a subscription by {subscriber.subscription.protocol}: nothing of "
            "it can be sent again",
            hint="what SNS gave up for it is in the queue of its redrive policy, if it has one",
        )
    stack = environment.stack
    for arn in (endpoint, *subscriber.dead_letter_queue_arns):
        account, region = account_of(arn), region_of(arn)
        if account != stack.account_id:
            raise Refused(
                f"{name} is in account {account}, this environment in {stack.account_id}: {resource_name(arn)} is out of "
                "reach",
                hint="whoever owns that account sends its dead letters again",
            )
        if region != stack.region:
            raise Refused(
                f"{name} is in {region}, this environment in {stack.region}: {resource_name(arn)} is out of reach",
                hint=f"its team sends its dead letters again, in {region}",
            )
        if is_fifo(arn):
            raise Refused(
                f"{name} has a FIFO queue, {resource_name(arn)}: dead letters sent again would lose their order",
                hint="its team sends them again, in their order",
            )


def _dead_letter_queue(subscriber: Subscriber) -> str:
    """Raises Refused where there is not exactly one, or nobody can tell."""
    queues, name = subscriber.dead_letter_queue_arns, f"subscriber {subscriber.name}"
    unread = subscriber.subscription.attributes_error
    errors = (*subscriber.errors, *([str(unread)] if unread else []))
    if unread or (errors and subscriber.sender_dead_letter_queue_arn is None):
        raise AwsError(
            f"where the dead letters of {name} are is not known: {'; '.join(errors)}",
            hint="docs/iam.md has the permissions that it takes",
        )
    if not queues:
        raise KeepsNone(
            f"{name} has no dead-letter queue: {_lost(subscriber)}",
            hint="name one queue in the redrive policy of its subscription, and in "
            + (
                "its function's dead-letter configuration"
                if subscriber.kind is SubscriberKind.FUNCTION
                else "that of its queue"
            ),
        )
    if len(queues) > 1:
        raise Refused(
            f"{name} has two dead-letter queues, {' and '.join(map(resource_name, queues))}: which is meant cannot be told",
            hint="name the same queue for both senders (docs/decisions/0038-subscribers.md)",
        )
    if service_of(queues[0]) != "sqs":
        raise Refused(
            f"{name} sends its dead letters to {queues[0]}, which is no queue",
            hint="name a queue for both senders",
        )
    return queues[0]


def _lost(subscriber: Subscriber) -> str:
    if subscriber.on_failure:
        return f"what its function failed on goes to {subscriber.on_failure}, and what SNS cannot deliver is lost"
    return "what it failed on is lost"


def _asked(one: Listed | Subscription, environment: Environment) -> Subscription:
    """What the list has is without attributes: SNS is asked for them."""
    if isinstance(one, Subscription):
        return one
    return as_listed(environment.access, one, environment.stack.topic_arn, timeouts=TIMEOUTS)


def _subscriber(subscription: Subscription, name: str, environment: Environment) -> Subscriber:
    found = _looked_at(subscription, name, environment)
    stack = environment.stack
    return replace(
        found, is_processor=is_processor_s(subscription, stack), is_express=is_express_s(subscription, stack)
    )


def _looked_at(subscription: Subscription, name: str, environment: Environment) -> Subscriber:
    match subscription.protocol:
        case "lambda":
            return _of_function(subscription, name, environment.access)
        case "sqs":
            return _of_queue(subscription, name, environment.access)
        case _:
            return Subscriber(name=name, kind=SubscriberKind.OTHER, subscription=subscription)


def _of_function(subscription: Subscription, name: str, access: AwsAccess) -> Subscriber:
    """A version has settings of its own, and so has what Lambda does with the events of an alias: SNS's endpoint is asked. With a
    dead-letter configuration a destination has no more than copies."""
    endpoint = subscription.endpoint
    arn = function_name(endpoint)
    settings, on_failure, errors = None, None, []
    try:
        client = where(access, arn).client("lambda", TIMEOUTS)
        settings = function_settings(client, endpoint)
        if settings and settings.dead_letter_arn is None:
            on_failure = event_invoke(client, endpoint).on_failure
    except AwsError as exc:
        errors.append(str(exc))
    to_queue = on_failure if on_failure and service_of(on_failure) == "sqs" else None
    return Subscriber(
        name=name,
        kind=SubscriberKind.FUNCTION,
        subscription=subscription,
        function_arn=arn,
        run_as=endpoint,
        sender_dead_letter_queue_arn=(settings.dead_letter_arn if settings else None) or to_queue,
        on_failure=on_failure,
        exists=True if settings else None if errors else False,
        errors=tuple(errors),
    )


def _of_queue(subscription: Subscription, name: str, access: AwsAccess) -> Subscriber:
    arn, errors = subscription.endpoint, []
    found: QueueAttributes | None = None
    consumers: list[Consumer] = []
    there = where(access, arn)
    try:
        queue = queue_at(there.client("sqs", TIMEOUTS), arn)
        found = queue[1] if queue else None
    except AwsError as exc:
        errors.append(str(exc))
    try:
        consumers = consumers_of(there, arn, timeouts=TIMEOUTS)
    except AwsError as exc:
        errors.append(str(exc))
    functions = list(dict.fromkeys(one.function_arn for one in consumers if one.is_on))
    off = dict.fromkeys(function_name(one.function_arn) for one in consumers if not one.is_on)
    return Subscriber(
        name=name,
        kind=SubscriberKind.QUEUE,
        subscription=subscription,
        function_arn=next(map(function_name, functions), None),
        run_as=next(iter(functions), None),
        queue_arn=arn,
        sender_dead_letter_queue_arn=found.redrive_policy.target_arn
        if found and found.redrive_policy
        else None,
        other_function_arns=tuple(map(function_name, functions[1:])),
        off_function_arns=tuple(one for one in off if one not in map(function_name, functions)),
        exists=None if errors else found is not None,
        errors=tuple(errors),
    )
