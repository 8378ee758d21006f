"""A subscription as it is shown, with its health."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from b2bpilot.advice import Words
from b2bpilot.aws import pasted
from b2bpilot.cli.output import Row, Tone, Toned, of_state
from b2bpilot.cli.text.durations import in_largest_unit
from b2bpilot.cli.text.privacy import mask_number, mask_numbers
from b2bpilot.pipeline.arn import name_of
from b2bpilot.plural import many

if TYPE_CHECKING:
    from b2bpilot.aws.session import AwsAccess
    from b2bpilot.aws.subscriptions import Subscription
    from b2bpilot.ops.subscribers.activity import FailedRuns, WaitingDeadLetters
    from b2bpilot.ops.subscribers.discovery import Subscriber
    from b2bpilot.ops.subscribers.evaluation import SubscriptionEvaluation
    from b2bpilot.ops.subscribers.health import Reason
    from b2bpilot.ops.subscribers.missing import Absence
    from b2bpilot.ops.subscribers.topic_report import SubscriberReport, TopicReport

UNKNOWN = "unknown"
PEOPLE = frozenset({"sms", "email", "email-json"})
"""Protocols whose endpoint is a person's number or address."""


def row(found: SubscriberReport, access: AwsAccess) -> Row:
    from b2bpilot.ops.subscribers.in_words import in_words

    subscriber, subscription = found.subscriber, found.subscriber.subscription
    is_known = subscription.attributes_error is None
    takes = in_words(subscription.filter_policy, subscription.filter_policy_scope) if is_known else None
    return Row(
        fields=_identity(subscription)
        | {
            "name": _name(subscriber),
            "kind": subscriber.kind.value,
            "owner": subscription.owner,
            "confirmed": subscription.confirmed,
            "filter": takes,
            "filter_policy": subscription.filter_policy,
            "filter_policy_scope": subscription.filter_policy_scope,
            "redrive_queue": subscription.redrive_target_arn,
            "dead_letter_queues": list(subscriber.dead_letter_queue_arns),
            "functions": list(subscriber.function_arns),
            "dead_letters": _backlog_fields(found.backlog),
            "failures_24h": _failure_fields(found.failed_runs),
            "permission": found.report.permission.value,
            "processor": subscriber.is_processor,
            "verdict": found.health.value,
            "problems": [_reason(one, access) for one in found.problems],
            "doubts": [_reason(one, access) for one in found.doubts],
            "remarks": [_reason(one, access) for one in found.report.remarks],
        },
        columns={
            "health": of_state(found.health.value),
            "subscriber": shown_name(subscriber),
            "kind": subscription.protocol if subscriber.kind.value == "other" else subscriber.kind.value,
            "dead letters": _dead_letters(found.backlog),
            "oldest": _oldest(found.backlog),
            "failures in 24 h": _failures(found.failed_runs, subscriber.kind.value),
            "takes": takes or UNKNOWN,
        },
    )


def reasons(reports: Sequence[SubscriberReport], access: AwsAccess) -> Iterator[Words]:
    """Return what speaks against each subscriber, with the command that fixes it. What both ways to the processor have is told
    once: its dead letters."""
    told = set()
    for found in reports:
        for one in (*found.problems, *found.doubts, *found.report.remarks):
            if (found.subscriber.name, one) in told:
                continue
            told.add((found.subscriber.name, one))
            yield f"{shown_name(found.subscriber)}: {one.text}"
            if one.command:
                yield "  " + Toned(runnable(one.command, access), Tone.COMMAND)


def absent(found: Absence, access: AwsAccess) -> Iterator[Words]:
    """Return who is missing, each with the commands that bring it back, and of what it is not known."""
    for one in found.missing:
        yield f"{one.name}: missing: {one.text}"
        for command in one.commands:
            yield "  " + Toned(runnable(command, access), Tone.COMMAND)
    for text in found.unknown:
        yield f"Unknown {text}"


def absence_fields(found: Absence, access: AwsAccess) -> dict[str, object]:
    return {
        "missing": [
            {
                "name": one.name,
                "stack": one.stack,
                "text": one.text,
                "commands": [runnable(command, access) for command in one.commands],
            }
            for one in found.missing
        ],
        "missing_unknown": list(found.unknown),
    }


def counts(topic_report: TopicReport) -> list[str]:
    """Return what SNS counted. It counts per topic, so nothing is said of a single subscription."""
    if topic_report.counts is None:
        return [f"SNS's counts of the last 24 hours are unknown: {topic_report.counts_error}"]
    parts = [f"{label.replace('_', ' ')} {count:,}" for label, count in topic_report.counts.items()]
    return [f"The whole topic in 24 hours: {', '.join(parts)}"]


def shown_name(subscriber: Subscriber) -> str:
    """Return its short name, and of the processor by which of its two ways; of an address or a URL what may be shown."""
    by_queue = subscriber.is_processor and subscriber.kind.value == "queue"
    return f"{_name(subscriber)}, by its queue" if by_queue else _name(subscriber)


def _name(subscriber: Subscriber) -> str:
    is_named = subscriber.subscription.endpoint.startswith("arn:")
    return subscriber.name if is_named else name(subscriber.subscription)


def _backlog_fields(found: WaitingDeadLetters) -> dict[str, object]:
    return {
        "count": found.dead_letters,
        "oldest_seconds": round(found.oldest.total_seconds()) if found.oldest is not None else None,
        "has_queue": found.has_queue,
        "error": found.error,
    }


def _failure_fields(found: FailedRuns) -> dict[str, object]:
    from b2bpilot.ops.subscribers.activity import COUNTED

    return {**(found.counts or dict.fromkeys(COUNTED)), "error": found.error}


def _dead_letters(found: WaitingDeadLetters) -> str:
    if not found.has_queue:
        return "no queue"
    return "?" if found.dead_letters is None else f"{found.dead_letters:,}"


def _oldest(found: WaitingDeadLetters) -> str:
    if not found.dead_letters:
        return "-" if found.dead_letters == 0 or not found.has_queue else "?"
    return "?" if found.oldest is None else in_largest_unit(found.oldest.total_seconds())


def _failures(found: FailedRuns, kind: str) -> str:
    """Behind a queue a run that names the messages that failed is no failed run: none proves nothing. Without a function CloudWatch counts nothing of a single subscriber. What Lambda gives up becomes a dead letter; dropped is
    only what it could not write there."""
    if found.error:
        return "?"
    if found.counts is None:
        return "not counted"
    said = {
        "failed_runs": ("failed run", "failed runs"),
        "given_up_events": ("event given up", "events given up"),
        "unwritten_dead_letters": ("event dropped", "events dropped"),
    }
    told = [many(found.counts[key], *words) for key, words in said.items() if found.counts[key]]
    return ", ".join(told) or ("not counted" if kind == "queue" else "none")


def evaluation_row(evaluated: SubscriptionEvaluation, *, reveal: bool) -> Row:
    evaluation = evaluated.evaluation
    keys = [
        {"key": key.key, "found": _shown(key.found, reveal=reveal), "wanted": key.wanted}
        for key in evaluation.keys
    ]
    return Row(
        fields=_identity(evaluated.subscription)
        | {
            "delivers": evaluated.delivers,
            "filter_policy_scope": evaluated.subscription.filter_policy_scope,
            "keys": keys,
            "problem": evaluation.problem,
        },
        columns={
            "delivers": of_state(_word(evaluated.delivers)),
            "endpoint": name(evaluated.subscription),
            "why": why(evaluated, reveal=reveal),
        },
    )


def why(evaluated: SubscriptionEvaluation, *, reveal: bool) -> str:
    """Return what decided: each key that rejects, or that cannot be told."""
    found, evaluation = evaluated.subscription, evaluated.evaluation
    if found.confirmed is False:
        return "it is not confirmed"
    if found.attributes_error is not None:
        return f"its filter policy cannot be read: {found.attributes_error}"
    if evaluation.problem:
        return evaluation.problem
    if evaluation.keys:
        return "; ".join(key.in_words(str if reveal else mask_numbers) for key in evaluation.keys)
    return "its filter policy accepts it" if found.filter_policy else "it has no filter policy"


def runnable(command: Words, access: AwsAccess) -> Words:
    """Return a command of `aws` that reaches the account and region that were looked at."""
    if not isinstance(command, str) or not command.startswith("aws "):
        return command
    return f"{pasted.credentials(access)}aws {pasted.options(access)}{command.removeprefix('aws ')}"


def name(found: Subscription) -> str:
    """Return the endpoint without what is the same for all, a person's number, and what a URL may hold of secrets."""
    if found.protocol in PEOPLE:
        return mask_number(found.endpoint) if found.protocol == "sms" else _address(found.endpoint)
    if found.protocol == "lambda":
        return found.endpoint.partition(":function:")[2] or found.endpoint
    if found.endpoint.startswith("arn:"):
        return name_of(found.endpoint)
    address, question, _ = found.endpoint.partition("?")
    return f"{address}?***" if question else address


def _identity(found: Subscription) -> dict[str, object]:
    return {
        "subscription_arn": found.arn,
        "protocol": found.protocol,
        "endpoint": found.endpoint if found.endpoint.startswith("arn:") else name(found),
    }


def _address(text: str) -> str:
    local, at, domain = text.rpartition("@")
    return f"{local[:1]}***{at}{domain}"


def _reason(one: Reason, access: AwsAccess) -> dict[str, Words | None]:
    return {"text": one.text, "command": runnable(one.command, access) if one.command else None}


def _word(value: bool | None) -> str:
    return UNKNOWN if value is None else "yes" if value else "no"


def _shown(text: str | None, *, reveal: bool) -> str | None:
    return text if reveal or text is None else mask_numbers(text)
