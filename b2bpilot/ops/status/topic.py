"""What SNS counted is wrong. It counts by topic, not by subscription (docs/aws-facts.md#sns-metrics): who is subscribed, and by
which filter policy, tells whether it can be the processor's."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from b2bpilot.advice import our_command
from b2bpilot.aws.subscriptions import Subscription
from b2bpilot.ops.recipient import PROCESSOR
from b2bpilot.ops.status.counted import counted_finding
from b2bpilot.ops.status.finding import Finding, Gravity, Kind
from b2bpilot.ops.status.reading import Reading
from b2bpilot.ops.status.traffic import Count, Traffic
from b2bpilot.ops.subscribers.health import others
from b2bpilot.ops.subscribers.who_gets_what import who_gets_what
from b2bpilot.plural import many

TOGETHER = "the processor or another subscriber: SNS counts them together"


def of_topic(traffic: Traffic, reading: Reading) -> Iterator[Finding]:
    """What cannot be the processor's is no finding here: its owner's alarms tell of it."""
    yield from _not_delivered(traffic, reading)
    yield from _redrive_failed(traffic, reading)
    yield from _filtered_out(traffic, reading)


def _not_delivered(traffic: Traffic, reading: Reading) -> Iterator[Finding]:
    """What may be another's stops nothing while the processor stores messages."""
    if not (number := traffic.total(Count.NOT_DELIVERED)):
        return
    is_ours = _others(reading) == []
    yield counted_finding(
        traffic,
        Count.NOT_DELIVERED,
        kind=Kind.NOT_DELIVERED,
        gravity=Gravity.STOPPED if is_ours or not traffic.passed_lately else Gravity.NOTICE,
        text=f"{many(number, 'message')} that SNS could not deliver"
        if is_ours
        else f"{_deliveries(number)} that failed, to {TOGETHER}",
        command=our_command("subscribers"),
        passed=Count.DELIVERED,
    )


def _redrive_failed(traffic: Traffic, reading: Reading) -> Iterator[Finding]:
    """Without a redrive policy there is nothing that SNS could fail to write."""
    if not (number := traffic.total(Count.REDRIVE_FAILED)):
        return
    others = _others(reading)
    is_ours = others is not None and not any(one.redrive_policy or one.attributes_error for one in others)
    yield counted_finding(
        traffic,
        Count.REDRIVE_FAILED,
        kind=Kind.REDRIVES_FAILED,
        gravity=Gravity.LOST,
        text=f"{many(number, 'message')} that SNS could not write to the dead-letter queue"
        if is_ours
        else f"{_deliveries(number)} that failed and could not be written to a dead-letter queue, of {TOGETHER}",
        command=our_command("subscribers"),
        passed=None,
    )


def _filtered_out(traffic: Traffic, reading: Reading) -> Iterator[Finding]:
    """Others leave out what they like. Of the processor each policy is tried with every kind of message."""
    if not (number := traffic.total(Count.FILTERED_OUT)):
        return
    is_lost, why = _processor_s_filter(reading)
    if why is None:
        return
    yield counted_finding(
        traffic,
        Count.FILTERED_OUT,
        kind=Kind.FILTERED_OUT,
        gravity=Gravity.LOST if is_lost else Gravity.NOTICE,
        text=f"{_deliveries(number)} left out by a filter policy; "
        + (
            f"the processor's loses messages: {why}"
            if is_lost
            else f"whether by the processor's is unknown: {why}"
        ),
        command=our_command("subscribers"),
        passed=None,
        then="what the processor did not get, Twilio still has: "
        + our_command("twilio", "reconcile", "--publish-missing"),
    )


def _processor_s_filter(reading: Reading) -> tuple[bool, str | None]:
    """Return whether it certainly loses messages, and why, or why that is unknown; no reason where it lets all through while
    others have policies."""
    found, others = reading.subscriptions.value, _others(reading)
    if found is None or others is None:
        return False, f"who is subscribed is not known: {reading.subscriptions.error}"
    judged = who_gets_what(reading.environment, [one for one in found if one not in others])
    why = "; ".join(judged.why[PROCESSOR])
    if any(kind.source for kind in judged.missed):
        return True, why
    if not all(answers[0] for answers in judged.answers.values()):
        return False, why
    if any(one.filter_policy or one.attributes_error for one in others):
        return False, None
    return False, "no subscription has one now"


def _others(reading: Reading) -> Sequence[Subscription] | None:
    """Return the subscriptions that are not the processor's; None where nobody could say."""
    if (found := reading.subscriptions.value) is None:
        return None
    return others(found, reading.environment.stack)


def _deliveries(number: int) -> str:
    """One message is delivered to each subscriber."""
    return many(number, "delivery", "deliveries")
