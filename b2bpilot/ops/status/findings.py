"""What is wrong: what is so now before what is over, causes before symptoms, each with its last time and the next command."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from datetime import timedelta
from typing import TypeVar

from b2bpilot.advice import our_command
from b2bpilot.aws.alarms import Alarm, AlarmState
from b2bpilot.aws.modes import BY_TOPIC
from b2bpilot.aws.queue_attributes import Counters
from b2bpilot.aws.stack import PREFIX
from b2bpilot.ops.asking import InquiryAnswer
from b2bpilot.ops.runs.record import RunState
from b2bpilot.ops.status.counted import counted, minutes
from b2bpilot.ops.status.dead_letters import DeadLetters
from b2bpilot.ops.status.finding import Finding, Gravity, Kind, Seen, in_order
from b2bpilot.ops.status.reading import Reading
from b2bpilot.ops.status.rows import rows
from b2bpilot.ops.status.subscribers import SubscriberState
from b2bpilot.ops.status.topic import of_topic
from b2bpilot.ops.status.traffic import Count, Traffic
from b2bpilot.ops.status.unpublished import Unpublished
from b2bpilot.ops.subscribers.health import processors
from b2bpilot.ops.subscribers.missing import Absence
from b2bpilot.pipeline.arn import name_of
from b2bpilot.pipeline.owner import Ownership
from b2bpilot.plural import many

T = TypeVar("T")

NOT_OURS = (
    (Ownership.OTHER, "of other subscribers", "subscribers"),
    (
        Ownership.GONE,
        "of subscriptions that no longer exist, which may have been the processor's",
        "dlq list",
    ),
    (Ownership.UNKNOWN, "whose owner is unknown", "dlq list"),
)


def findings(reading: Reading) -> list[Finding]:
    """Return what is wrong in what was looked at, in the order in which it is to be read."""
    found: list[Finding] = [
        *_database(reading),
        *_subscription(reading),
        *_of(reading.absence, lambda absence: _missing(absence, reading)),
        *_of(reading.subscribers, lambda others: _subscribers(others, reading)),
        *_of(reading.dead_letters, lambda dead_letters: _dead_letters(dead_letters, reading)),
        *_of(reading.traffic, lambda traffic: counted(traffic, reading)),
        *_of(reading.traffic, lambda traffic: of_topic(traffic, reading)),
        *_of(reading.unpublished, lambda found: _unpublished(found, reading)),
        *_refused(reading),
        *_reserve(reading),
        *_of(reading.rows, lambda summary: rows(summary, reading)),
        *_of(reading.alarms, lambda alarms: _alarms(list(alarms), reading)),
        *_redriver(reading),
        *_of(reading.message_queue, lambda found: _messages_left(found, reading)),
        *_runs(reading),
    ]
    return in_order(_with_redrive(replace(one, last=one.last.not_after(reading.at)) for one in found))


MAKES_DEAD_LETTERS = frozenset(
    {Kind.DATABASE_UNREADABLE, Kind.NO_RESERVE, Kind.NOT_DELIVERED, Kind.RUNS_FAIL}
)


def _with_redrive(found: Iterable[Finding]) -> Iterator[Finding]:
    """Where what made them is wrong now, it is to be fixed before dead letters are sent back."""
    listed = list(found)
    is_made = any(one.kind in MAKES_DEAD_LETTERS and not one.is_over for one in listed)
    for one in listed:
        is_theirs = is_made and one.kind is Kind.DEAD_LETTERS
        yield replace(one, then="when that is fixed: " + our_command("dlq", "redrive")) if is_theirs else one


def _of(answer: InquiryAnswer[T], ask: Callable[[T], Iterator[Finding]]) -> Iterator[Finding]:
    if answer.value is not None:
        yield from ask(answer.value)


def _database(reading: Reading) -> Iterator[Finding]:
    """It is this machine that cannot read it: whether the processor can, CloudWatch's counts tell, if anything does."""
    if reading.rows.error is None:
        return
    traffic = reading.traffic.value
    stored, failed = (traffic.passed_lately, traffic.lately(Count.FAILED)) if traffic else (0, 0)
    told = ""
    if traffic and stored:
        failing = f", and {many(failed, 'run')} of it failed" if failed else ""
        told = f"; the processor stored {many(stored, 'message')} in {minutes(2 * traffic.period)}{failing}"
    yield Finding(
        kind=Kind.DATABASE_UNREADABLE,
        gravity=Gravity.NOTICE if stored and not failed else Gravity.STOPPED,
        text=f"the database cannot be read from this machine: {reading.rows.error}{told}",
        command=our_command("verify", "--only", "database"),
        last=Seen.at(reading.at),
        hint=reading.rows.hint,
    )


def _subscription(reading: Reading) -> Iterator[Finding]:
    found = reading.subscriptions.value
    if found is not None and not processors(found, reading.environment.stack):
        yield Finding(
            kind=Kind.NOT_SUBSCRIBED,
            gravity=Gravity.LOST,
            text="the processor is not subscribed to the topic: each message is lost here, and Twilio alone still has it",
            command=our_command("verify", "--only", "topic"),
            last=Seen.at(reading.at),
        )


def _missing(absence: Absence, reading: Reading) -> Iterator[Finding]:
    for one in absence.missing:
        yield Finding(
            kind=Kind.SUBSCRIBER_GETS_NOTHING,
            gravity=Gravity.STOPPED,
            text=f"subscriber {one.name} is missing, and gets nothing: {one.text}",
            command=our_command("subscribers"),
            last=Seen.at(reading.at),
        )


def _subscribers(others: Iterable[SubscriberState], reading: Reading) -> Iterator[Finding]:
    for one in others:
        if not one.problem:
            continue
        listing = our_command("dlq", "list", "--subscriber", one.name)
        is_told_there = not one.is_reachable or one.is_losing
        yield Finding(
            kind=_kind(one),
            gravity=_GRAVITY[_kind(one)],
            text=f"subscriber {one.name}: {one.problem}",
            command=our_command("subscribers") if is_told_there else listing,
            last=Seen.at(reading.at),
            then=listing if is_told_there and one.dead_letters else None,
        )


def _kind(one: SubscriberState) -> Kind:
    if not one.is_reachable:
        return Kind.SUBSCRIBER_GETS_NOTHING
    return Kind.SUBSCRIBER_LOSES if one.is_losing else Kind.SUBSCRIBER_DEAD_LETTERS


_GRAVITY = {
    Kind.SUBSCRIBER_GETS_NOTHING: Gravity.STOPPED,
    Kind.SUBSCRIBER_LOSES: Gravity.NOTICE,
    Kind.SUBSCRIBER_DEAD_LETTERS: Gravity.WAITING,
}


def _dead_letters(dead_letters: DeadLetters, reading: Reading) -> Iterator[Finding]:
    look = dead_letters.look
    last = Seen.at(look.newest if look and look.newest else reading.at)
    if look and look.expiring:
        least = "" if look.is_complete else "at least "
        yield Finding(
            kind=Kind.EXPIRING,
            gravity=Gravity.LOST,
            text=f"{least}{many(look.expiring, 'dead letter')} will be deleted by SQS within 2 days",
            command=our_command("dlq", "redrive"),
            last=Seen.at(reading.at),
        )
    owners = look.others if look else {}
    for ownership, whose, command in NOT_OURS:
        found = {owner: count for owner, count in owners.items() if owner.ownership is ownership}
        if found:
            names = ", ".join(dict.fromkeys(owner.name for owner in found if owner.name))
            yield Finding(
                kind=Kind.OTHERS_DEAD_LETTERS,
                gravity=Gravity.WAITING,
                text=f"{many(sum(found.values()), 'dead letter')} in the queue {whose}{f': {names}' if names else ''}",
                command=our_command(*command.split()),
                last=Seen.at(reading.at),
            )
    others = sum(owners.values())
    if dead_letters.depth > others:
        yield from _failing(last, reading)
        yield Finding(
            kind=Kind.DEAD_LETTERS,
            gravity=Gravity.WAITING,
            text=f"{many(dead_letters.depth, 'dead letter')} in the queue",
            command=our_command("dlq", "list"),
            last=last,
        )


def _failing(newest: Seen, reading: Reading) -> Iterator[Finding]:
    """Runs fail, if not all: where dead letters came meanwhile, Lambda's own tries did not help."""
    traffic, reserved = reading.traffic.value, reading.reserved.value
    if traffic is None or (reserved is not None and reserved.runs == 0):
        return
    failed, span = traffic.lately(Count.FAILED), 2 * traffic.period
    if failed and traffic.passed_lately and newest.until >= traffic.until - span:
        yield Finding(
            kind=Kind.RUNS_FAIL,
            gravity=Gravity.WAITING,
            text=f"{many(failed, 'run')} of the processor failed in {minutes(span)}; "
            f"{many(traffic.passed_lately, 'message')} came through",
            command=our_command("diagnose", "errors"),
            last=traffic.last(Count.FAILED) or newest,
        )


def _unpublished(unpublished: Unpublished, reading: Reading) -> Iterator[Finding]:
    if not unpublished.messages or unpublished.last is None:
        return
    traffic = reading.traffic.value
    is_over = unpublished.last < reading.at - (2 * traffic.period if traffic else timedelta(minutes=10))
    least = "" if unpublished.is_complete else "at least "
    yield Finding(
        kind=Kind.NOT_PUBLISHED,
        gravity=Gravity.STOPPED,
        text=f"{least}{many(unpublished.messages, 'message')} that the webhook could not publish, answered with a 503: {unpublished.error}"
        + (_published_since(traffic, unpublished) if is_over and traffic else ""),
        command=our_command("verify", "--only", "webhook", "--only", "topic"),
        last=Seen.at(unpublished.last),
        is_over=is_over,
    )


def _published_since(traffic: Traffic, unpublished: Unpublished) -> str:
    number = traffic.after(Count.PUBLISHED, unpublished.last) if unpublished.last else 0
    return f"; {number:,} published since" if number else "; none was published since"


def _refused(reading: Reading) -> Iterator[Finding]:
    """Those that claim no message. What the log does not show is no probe: it counts."""
    found, traffic = reading.rejections.value, reading.traffic.value
    if found is None or traffic is None:
        return
    all_of_others = max(found.others, traffic.total(Count.REJECTED) - found.probes)
    if (number := all_of_others - traffic.total(Count.MESSAGES_REFUSED)) > 0:
        last = Seen.at(found.last) if found.last else traffic.last(Count.REJECTED) or Seen.at(reading.at)
        yield Finding(
            kind=Kind.REQUESTS_REFUSED,
            gravity=Gravity.NOTICE,
            text=f"{many(number, 'request')} that the webhook refused: not Twilio's, or signed with another token or URL",
            command=our_command("diagnose", "errors"),
            last=last,
            is_over=last.until < traffic.until - 2 * traffic.period,
        )


def _reserve(reading: Reading) -> Iterator[Finding]:
    reserved = reading.reserved.value
    if reserved is not None and reserved.runs == 0:
        yield Finding(
            kind=Kind.NO_RESERVE,
            gravity=Gravity.STOPPED,
            text="the processor's reserved concurrency is 0: every message becomes a dead letter at once",
            command=our_command("verify", "--only", "processor"),
            last=Seen.at(reading.at),
        )


def _alarms(alarms: list[Alarm], reading: Reading) -> Iterator[Finding]:
    on = [alarm for alarm in alarms if alarm.state is AlarmState.ALARM and not is_over(alarm, reading)]
    if on:
        verb = "alarm is" if len(on) == 1 else "alarms are"
        names = ", ".join(short_name(alarm, reading.environment.stack.environment) for alarm in on)
        yield Finding(
            kind=Kind.ALARMS,
            gravity=Gravity.NOTICE,
            text=f"{len(on)} {verb} on: {names}",
            command=our_command("verify", "--only", "alarms"),
            last=Seen.at(reading.at),
        )


def is_over(alarm: Alarm, reading: Reading) -> bool:
    """Whether it rings for dead letters in a queue whose counters say that it is empty: it outlasts them, and ends by itself."""
    queue = name_of(reading.environment.stack.dead_letter_queue_arn)
    dead_letters = reading.dead_letters.value
    return dead_letters is not None and not dead_letters.depth and alarm.counts_dead_letters_of(queue)


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
            kind=Kind.REDRIVER_LEFT_ON,
            gravity=Gravity.STOPPED,
            text=f"the redriver's mapping is {switched.state.lower()} although {name}",
            command=f"aws lambda update-event-source-mapping --no-enabled "
            f"--uuid {reading.environment.stack.redriver_mapping_id}",
            last=Seen.at(reading.at),
        )


def _messages_left(found: Counters, reading: Reading) -> Iterator[Finding]:
    """A change of mode left them: each may be the only copy of its message, and SQS deletes it after 14 days."""
    if found.total and reading.environment.stack.delivery == BY_TOPIC:
        yield Finding(
            kind=Kind.MESSAGES_LEFT,
            gravity=Gravity.WAITING,
            text=f"about {many(found.total, 'message')} in the message queue, which nothing empties while Delivery is topic",
            command=our_command("delivery", "--to", "topic-and-queue"),
            last=Seen.at(reading.at),
        )


def _runs(reading: Reading) -> Iterator[Finding]:
    for run in reading.runs.value or ():
        if run.state is RunState.INTERRUPTED:
            yield Finding(
                kind=Kind.RUN_INTERRUPTED,
                gravity=Gravity.WAITING,
                text=f"run {run.run_id} was interrupted",
                command=our_command("runs", "resume", run.run_id),
                last=Seen.at(run.last_at),
            )
