"""A subscription as it is shown, with its health."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from b2bpilot.advice import Words
from b2bpilot.aws import pasted
from b2bpilot.cli.output import Row, Tone, Toned, of_state
from b2bpilot.cli.text.privacy import mask_number, mask_numbers

if TYPE_CHECKING:
    from b2bpilot.aws.session import AwsAccess
    from b2bpilot.aws.subscriptions import Subscription
    from b2bpilot.ops.subscribers.evaluation import SubscriptionEvaluation
    from b2bpilot.ops.subscribers.health import Reason, SubscriptionReport
    from b2bpilot.ops.subscribers.topic_report import TopicReport

NONE, UNKNOWN = "none", "unknown"
PEOPLE = frozenset({"sms", "email", "email-json"})
"""Protocols whose endpoint is a person's number or address."""


def row(report: SubscriptionReport, access: AwsAccess) -> Row:
    found = report.subscription
    return Row(
        fields=_identity(found)
        | {
            "owner": found.owner,
            "confirmed": found.confirmed,
            "filter_policy": found.filter_policy,
            "filter_policy_scope": found.filter_policy_scope,
            "redrive_queue": found.redrive_target_arn,
            "permission": report.permission.value,
            "processor": report.is_processor,
            "verdict": report.health.value,
            "problems": [_reason(one, access) for one in report.problems],
            "doubts": [_reason(one, access) for one in report.doubts],
            "remarks": [_reason(one, access) for one in report.remarks],
        },
        columns={
            "health": of_state(report.health.value),
            "protocol": found.protocol,
            "confirmed": _confirmed(found),
            "filter": _policy(found, found.filter_policy),
            "redrive": _policy(found, found.redrive_policy),
            "permission": of_state(report.permission.value),
            "endpoint": name(found),
        },
    )


def reasons(report: SubscriptionReport, access: AwsAccess) -> Iterator[Words]:
    """Return what speaks against a subscription, each with the command that fixes it."""
    for one in (*report.problems, *report.doubts, *report.remarks):
        yield f"{name(report.subscription)}: {one.text}"
        if one.command:
            yield "  " + Toned(runnable(one.command, access), Tone.COMMAND)


def counts(topic_report: TopicReport) -> list[str]:
    """Return what SNS counted. It counts per topic, so nothing is said of a single subscription."""
    if topic_report.counts is None:
        return [f"SNS's counts of the last 24 hours are unknown: {topic_report.counts_error}"]
    parts = [f"{label.replace('_', ' ')} {count:,}" for label, count in topic_report.counts.items()]
    return [f"The whole topic in 24 hours: {', '.join(parts)}"]


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
        return "; ".join(
            f"{key.key} is {_shown(key.found, reveal=reveal) or 'absent'}, wanted {key.wanted}"
            for key in evaluation.keys
        )
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
        return found.endpoint.rpartition(":")[2]
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


def _policy(found: Subscription, policy: str | None) -> str:
    if found.attributes_error is not None:
        return UNKNOWN
    return "yes" if policy else NONE


def _confirmed(found: Subscription) -> str:
    from b2bpilot.ops.subscribers.health import confirms_itself

    return "not needed" if found.confirmed is None and confirms_itself(found) else _word(found.confirmed)


def _word(value: bool | None) -> str:
    return UNKNOWN if value is None else "yes" if value else "no"


def _shown(text: str | None, *, reveal: bool) -> str | None:
    return text if reveal or text is None else mask_numbers(text)
