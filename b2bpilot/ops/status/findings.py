"""What is wrong, worst first, each with the command to run next."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from enum import IntEnum
from typing import TypeVar

from b2bpilot.aws.alarms import Alarm, AlarmState
from b2bpilot.aws.stack import PREFIX
from b2bpilot.ops.runs.record import RunState
from b2bpilot.ops.status.asking import Answer
from b2bpilot.ops.status.letters import Letters
from b2bpilot.ops.status.reading import Reading
from b2bpilot.ops.status.traffic import Count, Level, Traffic
from b2bpilot.ops.subscriptions.verdict import is_processor_s
from b2bpilot.pipeline.models import SubmissionStatus
from b2bpilot.pipeline.owner import Ownership
from b2bpilot.pipeline.summary import TableSummary
from b2bpilot.plural import many

T = TypeVar("T")

NOT_OURS = (
    (Ownership.OTHER, "of other subscribers", "subscriptions"),
    (
        Ownership.GONE,
        "of subscriptions that no longer exist, which may have been the processor's",
        "dlq list",
    ),
    (Ownership.UNKNOWN, "whose owner is unknown", "dlq list"),
)
LONG_WAIT_MS = 600_000
"""As the alarm has it; after 6 hours Lambda gives up."""


class Gravity(IntEnum):
    """How bad it is, worst first."""

    LOST = 1
    """Messages are lost, or will be."""
    STOPPED = 2
    """Messages do not get through now."""
    WAITING = 3
    """Messages wait for somebody."""
    NOTICE = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that is wrong. `command` is what to run next."""

    gravity: Gravity
    text: str
    command: str


def findings(reading: Reading) -> list[Finding]:
    """Return what is wrong in what was looked at, worst first."""
    env = f"-e {reading.environment.name}"
    found = [
        *_subscription(reading, env),
        *_of(reading.letters, lambda letters: _letters(letters, env)),
        *_of(reading.traffic, lambda traffic: _traffic(traffic, env)),
        *_of(reading.traffic, lambda traffic: _client_errors(traffic, env)),
        *_of(reading.traffic, lambda traffic: _standing_still(traffic, env)),
        *_of(reading.traffic, lambda traffic: _status_callbacks(traffic, env)),
        *_refused(reading, env),
        *_capacity(reading, env),
        *_of(reading.rows, lambda rows: _rows(rows, env)),
        *_of(reading.alarms, lambda alarms: _alarms(list(alarms), reading)),
        *_redriver(reading),
        *_runs(reading),
    ]
    return sorted(found, key=lambda finding: finding.gravity)


def _of(answer: Answer[T], ask: Callable[[T], Iterator[Finding]]) -> Iterator[Finding]:
    if answer.value is not None:
        yield from ask(answer.value)


def _subscription(reading: Reading, env: str) -> Iterator[Finding]:
    found = reading.subscriptions.value
    if found is not None and not any(is_processor_s(one, reading.environment.stack) for one in found):
        yield Finding(
            gravity=Gravity.LOST,
            text="the processor is not subscribed to the topic: each message is lost here, and Twilio alone still has it",
            command=f"b2bpilot verify {env} --only topic",
        )


def _letters(letters: Letters, env: str) -> Iterator[Finding]:
    look = letters.look
    if look and look.expiring:
        least = "" if look.is_complete else "at least "
        yield Finding(
            gravity=Gravity.LOST,
            text=f"{least}{many(look.expiring, 'dead letter')} will be deleted by SQS within 2 days",
            command=f"b2bpilot dlq redrive {env}",
        )
    owners = look.others if look else {}
    for ownership, whose, command in NOT_OURS:
        found = {owner: count for owner, count in owners.items() if owner.ownership is ownership}
        if found:
            names = ", ".join(dict.fromkeys(owner.name for owner in found if owner.name))
            yield Finding(
                gravity=Gravity.WAITING,
                text=f"{many(sum(found.values()), 'dead letter')} in the queue {whose}{f': {names}' if names else ''}",
                command=f"b2bpilot {command} {env}",
            )
    others = sum(owners.values())
    if letters.depth > others:
        yield Finding(
            gravity=Gravity.WAITING,
            text=f"{many(letters.depth, 'dead letter')} in the queue",
            command=f"b2bpilot dlq list {env}",
        )


def _traffic(traffic: Traffic, env: str) -> Iterator[Finding]:
    """What Lambda dropped is not among it: that is in the dead-letter queue, unless writing there failed."""
    for count, gravity, text, command in (
        (
            Count.DEAD_LETTER_ERRORS,
            Gravity.LOST,
            "{} that Lambda could not write to the dead-letter queue",
            f"b2bpilot verify {env} --only dead-letters",
        ),
        (
            Count.REDRIVE_FAILED,
            Gravity.LOST,
            "{} that SNS could not write to the dead-letter queue",
            f"b2bpilot subscriptions {env}",
        ),
        (
            Count.WEBHOOK_5XX,
            Gravity.LOST,
            "{} that the webhook answered with a 5xx: Twilio may not try again",
            f"b2bpilot twilio reconcile {env}",
        ),
        (
            Count.MESSAGES_REFUSED,
            Gravity.LOST,
            "{} that the webhook refused; if Twilio sent them, it does not try again",
            f"b2bpilot diagnose errors {env}",
        ),
        (
            Count.NOT_DELIVERED,
            Gravity.STOPPED,
            "{} that SNS could not deliver",
            f"b2bpilot subscriptions {env}",
        ),
        (
            Count.FILTERED_OUT,
            Gravity.NOTICE,
            "{} that a filter policy kept from a subscription, be it the processor's or another",
            f"b2bpilot subscriptions {env}",
        ),
    ):
        if number := traffic.total(count):
            yield Finding(gravity=gravity, text=text.format(many(number, "message")), command=command)


def _standing_still(traffic: Traffic, env: str) -> Iterator[Finding]:
    if (failed := traffic.lately(Count.FAILED)) and not (
        traffic.lately(Count.STORED) or traffic.lately(Count.DUPLICATES)
    ):
        yield Finding(
            gravity=Gravity.STOPPED,
            text=f"{many(failed, 'run')} of the processor failed lately, and none stored a message",
            command=f"b2bpilot diagnose errors {env}",
        )
    waiting = traffic.newest(Level.WAITING_MS)
    if waiting is not None and waiting >= LONG_WAIT_MS:
        yield Finding(
            gravity=Gravity.STOPPED,
            text=f"messages wait {waiting / 60_000:.0f} minutes in Lambda's queue; after 6 hours it gives up on them",
            command=f"b2bpilot diagnose not-processed {env}",
        )


def _client_errors(traffic: Traffic, env: str) -> Iterator[Finding]:
    """Those that are no more than the refused messages are these, most likely."""
    number = traffic.total(Count.WEBHOOK_4XX)
    if number > traffic.total(Count.MESSAGES_REFUSED):
        yield Finding(
            gravity=Gravity.LOST,
            text=f"{many(number, 'request')} answered with a 4xx, Twilio's or above the API's limit: Twilio does not try "
            "again",
            command=f"b2bpilot diagnose not-processed {env} --with-twilio",
        )


def _status_callbacks(traffic: Traffic, env: str) -> Iterator[Finding]:
    if number := traffic.total(Count.STATUS_CALLBACKS):
        yield Finding(
            gravity=Gravity.NOTICE,
            text=f"{many(number, 'status callback')} of sent messages reached the URL for what comes in: answered, not stored",
            command=f"b2bpilot logs webhook {env} --since 1d --filter event=status_callback",
        )


def _refused(reading: Reading, env: str) -> Iterator[Finding]:
    """Those that claim no message. What the log does not show is no probe: it counts."""
    found, traffic = reading.rejections.value, reading.traffic.value
    if found is None or traffic is None:
        return
    all_of_others = max(found.others, traffic.total(Count.REJECTED) - found.probes)
    if (number := all_of_others - traffic.total(Count.MESSAGES_REFUSED)) > 0:
        yield Finding(
            gravity=Gravity.NOTICE,
            text=f"{many(number, 'request')} that the webhook refused: not Twilio's, or signed with another token or URL",
            command=f"b2bpilot diagnose errors {env}",
        )


def _capacity(reading: Reading, env: str) -> Iterator[Finding]:
    reserved = reading.reserved.value
    if reserved is not None and reserved.runs == 0:
        yield Finding(
            gravity=Gravity.STOPPED,
            text="the processor's reserved concurrency is 0: every message becomes a dead letter at once",
            command=f"b2bpilot verify {env} --only processor",
        )
    elif reading.traffic.value is not None and (throttles := reading.traffic.value.total(Count.THROTTLES)):
        limit = (
            "" if reserved is None or reserved.runs is None else f" of {many(reserved.runs, 'run')} at a time"
        )
        yield Finding(
            gravity=Gravity.NOTICE,
            text=f"the processor was at its limit{limit} {many(throttles, 'time')}; Lambda keeps such messages and "
            "tries again",
            command=f"b2bpilot diagnose not-processed {env}",
        )


def _rows(rows: TableSummary, env: str) -> Iterator[Finding]:
    for status, number, text in (
        (
            SubmissionStatus.ABANDONED,
            rows.by_status.get(SubmissionStatus.ABANDONED, 0) - rows.discarded,
            "{} abandoned: nothing tries {} again but a person, with a redrive or `submissions republish`",
        ),
        (
            SubmissionStatus.FAILED,
            rows.by_status.get(SubmissionStatus.FAILED, 0),
            "{} whose last run failed: Lambda may try {} again within minutes; the stale processor publishes each once more at most",
        ),
    ):
        if number > 0:
            yield Finding(
                gravity=Gravity.WAITING,
                text=text.format(many(number, "message"), "it" if number == 1 else "them"),
                command=f"b2bpilot submissions list {env} --status {status}",
            )
    for stored, count in rows.by_status.items():
        if not isinstance(stored, SubmissionStatus):
            yield Finding(
                gravity=Gravity.WAITING,
                text=f"{many(count, 'message')} with the status {stored!r} of another version: nothing of this one takes "
                f"{'it' if count == 1 else 'them'} up",
                command=f"b2bpilot submissions stuck {env}",
            )
    if rows.stuck:
        stale = (
            f", {rows.stale:,} of all for so long that the stale processor takes them" if rows.stale else ""
        )
        yield Finding(
            gravity=Gravity.WAITING,
            text=f"{many(rows.stuck, 'message')} on which no run holds a lease{stale}",
            command=f"b2bpilot submissions stuck {env}",
        )
    if rows.replies_unknown:
        replies = many(rows.replies_unknown, "reply", "replies")
        yield Finding(
            gravity=Gravity.NOTICE,
            text=f"{replies} of which nobody knows whether Twilio sent {'it' if rows.replies_unknown == 1 else 'them'}",
            command=f"b2bpilot submissions stuck {env}",
        )


def _alarms(alarms: list[Alarm], reading: Reading) -> Iterator[Finding]:
    on = [alarm for alarm in alarms if alarm.state is AlarmState.ALARM]
    if on:
        verb = "alarm is" if len(on) == 1 else "alarms are"
        names = ", ".join(short_name(alarm, reading.environment.stack.environment) for alarm in on)
        yield Finding(
            gravity=Gravity.NOTICE,
            text=f"{len(on)} {verb} on: {names}",
            command=f"b2bpilot verify -e {reading.environment.name} --only alarms",
        )


def short_name(alarm: Alarm, environment: str) -> str:
    """`b2b-pilot-dlq-prod` -> `dlq`."""
    return alarm.name.removeprefix(PREFIX).removesuffix(f"-{environment}")


def _redriver(reading: Reading) -> Iterator[Finding]:
    """The function turns the mapping off at the end of a run; a mapping that is on without one redrives everything."""
    switched = reading.redriver.value
    if switched is None or not switched.state.is_on:
        return
    run = switched.run
    if run is None or run.ended or run.ends_at + timedelta(minutes=5) < reading.at:
        name = f"run {run.run_id} is over" if run else "no run is known"
        yield Finding(
            gravity=Gravity.STOPPED,
            text=f"the redriver's mapping is {switched.state.lower()} although {name}",
            command=f"aws lambda update-event-source-mapping --no-enabled "
            f"--uuid {reading.environment.stack.redriver_mapping_id}",
        )


def _runs(reading: Reading) -> Iterator[Finding]:
    for run in reading.runs.value or ():
        if run.state is RunState.INTERRUPTED:
            yield Finding(
                gravity=Gravity.WAITING,
                text=f"run {run.run_id} was interrupted",
                command=f"b2bpilot runs resume {run.run_id}",
            )
