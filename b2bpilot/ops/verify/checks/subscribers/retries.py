"""Checks of the category `subscribers`: how often a failed message is tried again, by Lambda or through a queue."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from functools import partial

from b2bpilot.aws.consumers import Consumer, consumers_of
from b2bpilot.aws.function_settings import LONGEST_AGE_SECONDS, MOST_RETRIES, EventInvoke, event_invoke
from b2bpilot.aws.mappings import REPORTS
from b2bpilot.ops.subscribers.discovery import Subscriber, SubscriberKind
from b2bpilot.ops.verify.check import Answer, Category, Check, Severity, fails, holds, unanswered
from b2bpilot.ops.verify.commands import aws, document
from b2bpilot.ops.verify.deployment import Deployment
from b2bpilot.ops.verify.subscribers import (
    READ,
    access_to,
    elsewhere,
    function,
    of_each,
    of_own_account,
    queue,
)
from b2bpilot.pipeline.lease import RETRY_PAUSES
from b2bpilot.plural import many

LAST_RETRY_SECONDS = sum(RETRY_PAUSES, timedelta()).total_seconds()
"""Lambda tries again one minute after the first failure and two after the second (docs/aws-facts.md#retries)."""


def _invoked(deployment: Deployment, one: Subscriber) -> Answer | None:
    if one.kind is not SubscriberKind.FUNCTION:
        return None
    arn = one.subscription.endpoint
    settings = event_invoke(access_to(deployment, arn).client("lambda"), arn)
    found = function(deployment, arn)
    queue_arn = found.dead_letter_arn if found else None
    wrong = _wrong_with(settings, queue_arn)
    if wrong is None:
        return holds(f"{many(settings.retries, 'more run')}, for {settings.age_seconds} s")
    kept = replace(settings, on_failure=None) if queue_arn else settings
    return fails(wrong, fix=_event_invoke(deployment, arn, kept))


def _wrong_with(settings: EventInvoke, dead_letter_queue_arn: str | None) -> str | None:
    if settings.on_failure and dead_letter_queue_arn:
        return f"what fails goes to {settings.on_failure} as well as to its dead-letter queue"
    if not settings.retries:
        return "Lambda does not run a failed message again: a short outage makes every message a dead letter"
    if settings.age_seconds <= LAST_RETRY_SECONDS:
        return f"Lambda gives a message up after {settings.age_seconds} s, before it ran it again {settings.retries} times"
    return None


def _event_invoke(deployment: Deployment, arn: str, settings: EventInvoke) -> str:
    """Put overwrites all of it (docs/aws-facts.md#event-invoke-configuration): destinations are repeated."""
    destinations = {"OnSuccess": settings.on_success, "OnFailure": settings.on_failure}
    kept = {event: {"Destination": arn} for event, arn in destinations.items() if arn}
    return aws(
        "lambda", "put-function-event-invoke-config", "--function-name", arn,
        "--maximum-retry-attempts", str(MOST_RETRIES),
        "--maximum-event-age-in-seconds", str(LONGEST_AGE_SECONDS),
        *(["--destination-config", document(kept)] if kept else []), *elsewhere(deployment, arn),
    )  # fmt: skip


def _consumed(deployment: Deployment, one: Subscriber) -> Answer | None:
    if one.kind is not SubscriberKind.QUEUE or one.queue_arn is None:
        return None
    consumers = consumers_of(access_to(deployment, one.queue_arn), one.queue_arn)
    if not consumers:
        return unanswered("no function of this account reads its queue; whoever does is not known")
    on = [consumer for consumer in consumers if consumer.is_on]
    if len(on) > 1:
        names = ", ".join(consumer.function_arn for consumer in on)
        return fails(f"{len(on)} functions read its queue, and each gets a part: {names}", fix="")
    return _mapped(deployment, one.queue_arn, (on or consumers)[0])


def _mapped(deployment: Deployment, queue_arn: str, consumer: Consumer) -> Answer:
    if not consumer.is_on:
        return fails(
            f"the mapping from its queue to its function is {consumer.state}: messages wait until SQS deletes them",
            fix=_mapping(deployment, queue_arn, consumer, "--enabled"),
        )
    if not consumer.reports_batch_item_failures:
        return fails(
            f"the mapping has no {REPORTS}: one message that fails makes the others of its batch run again",
            fix=_mapping(deployment, queue_arn, consumer, "--function-response-types", REPORTS),
        )
    return _hidden(deployment, queue_arn, consumer)


def _hidden(deployment: Deployment, queue_arn: str, consumer: Consumer) -> Answer:
    found, settings = queue(deployment, queue_arn), function(deployment, consumer.function_arn)
    if found is None or settings is None:
        return unanswered("its queue or its function does not exist")
    url, attributes = found
    if attributes.hidden_seconds >= settings.timeout_seconds:
        return holds(f"{settings.name} reads it, and reports each message that fails")
    return fails(
        f"the queue hides a message for {attributes.hidden_seconds} s, and its function may run for "
        f"{settings.timeout_seconds} s: it gets a message again while it works on it",
        fix=aws(
            "sqs", "set-queue-attributes", "--queue-url", url,
            "--attributes", document({"VisibilityTimeout": str(6 * settings.timeout_seconds)}),
            *elsewhere(deployment, queue_arn),
        ),
    )  # fmt: skip


def _mapping(deployment: Deployment, queue_arn: str, consumer: Consumer, *changes: str) -> str:
    return aws(
        "lambda", "update-event-source-mapping", "--uuid", consumer.uuid, *changes,
        *elsewhere(deployment, queue_arn),
    )  # fmt: skip


check = partial(
    Check,
    category=Category.SUBSCRIBERS,
    severity=Severity.WARNING,
    needs=("B2B030",),
)

CHECKS = (
    check(
        code="B2B187",
        statement="Lambda runs what a subscriber's function failed on again, and gives it up in one place",
        why="Without retries a short outage fills its dead-letter queue; with a destination beside it each dead letter is there twice.",
        probe=of_each(of_own_account(_invoked)),
        actions=READ,
    ),
    check(
        code="B2B188",
        statement="one function reads each subscriber's queue, and reports each message that fails",
        why="Without the reports a message that fails takes the others of its batch with it.",
        probe=of_each(of_own_account(_consumed)),
        actions=READ,
    ),
)
