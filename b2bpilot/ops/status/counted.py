"""What CloudWatch's counts say is wrong: now where it was counted lately, else earlier, with what came after it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta

from b2bpilot.advice import Words, our_command
from b2bpilot.ops.status.finding import Finding, Gravity, Kind, Seen
from b2bpilot.ops.status.reading import Reading
from b2bpilot.ops.status.traffic import Count, Level, Traffic
from b2bpilot.plural import many

LONG_WAIT_MS = 600_000
"""As the alarm has it; after 6 hours Lambda gives up."""
LONG_EXPRESS_WAIT_MS = 60_000
"""As the express lane's alarm has it."""
UNITS = {
    Count.EXPRESS_FAILED: "run",
    Count.EXPRESS_THROTTLES: "time",
    Count.EXPRESS_DEAD_LETTER_ERRORS: "dead letter",
}
OF_EXPRESS = (
    (
        Count.EXPRESS_FAILED,
        Kind.RUNS_FAIL,
        "{} of the express processor failed; the processor has the same messages",
        our_command("logs", "express", "--since", "1h", "--level", "error"),
    ),
    (
        Count.EXPRESS_THROTTLES,
        Kind.THROTTLED,
        "the express processor was at its limit {}; Lambda tries such messages again, and the processor has them, too",
        our_command("verify", "--only", "processor"),
    ),
    (
        Count.EXPRESS_DEAD_LETTER_ERRORS,
        Kind.DEAD_LETTERS_UNWRITTEN,
        "{} of the express processor that Lambda could not write; the processor has the same messages",
        our_command("verify", "--only", "dead-letters"),
    ),
)
PASSED = {Count.PUBLISHED: "published", Count.DELIVERED: "delivered", Count.STORED: "stored"}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Counted:
    """How a count is told. `passed` is what tells that such messages get through again."""

    count: Count
    kind: Kind
    gravity: Gravity
    text: str
    command: Words
    passed: Count | None
    unit: str = "message"


COUNTED = (
    _Counted(
        count=Count.DEAD_LETTER_ERRORS,
        kind=Kind.DEAD_LETTERS_UNWRITTEN,
        gravity=Gravity.LOST,
        text="{} that Lambda could not write to the dead-letter queue",
        command=our_command("verify", "--only", "dead-letters"),
        passed=None,
    ),
    _Counted(
        count=Count.WEBHOOK_5XX,
        kind=Kind.WEBHOOK_5XX,
        gravity=Gravity.LOST,
        text="{} that the webhook answered with a 5xx: Twilio may not try again",
        command=our_command("twilio", "reconcile"),
        passed=Count.PUBLISHED,
    ),
    _Counted(
        count=Count.MESSAGES_REFUSED,
        kind=Kind.MESSAGES_REFUSED,
        gravity=Gravity.LOST,
        text="{} that the webhook refused; if Twilio sent them, it does not try again",
        command=our_command("diagnose", "errors"),
        passed=Count.PUBLISHED,
    ),
    _Counted(
        count=Count.STATUS_CALLBACKS,
        kind=Kind.STATUS_CALLBACKS,
        gravity=Gravity.NOTICE,
        text="{} of sent messages reached the URL for what comes in: answered, not stored",
        command=our_command("logs", "webhook", "--since", "1d", "--filter", "event=status_callback"),
        passed=None,
        unit="status callback",
    ),
)


def counted(traffic: Traffic, reading: Reading) -> Iterator[Finding]:
    """What Lambda dropped is not among it: that is in the dead-letter queue, unless writing there failed."""
    for one in COUNTED:
        if number := traffic.total(one.count):
            yield counted_finding(
                traffic,
                one.count,
                kind=one.kind,
                gravity=one.gravity,
                text=one.text.format(many(number, one.unit)),
                command=one.command,
                passed=one.passed,
            )
    yield from _client_errors(traffic)
    yield from _throttles(traffic, reading)
    yield from _standing_still(traffic)
    yield from _express(traffic, reading)


def counted_finding(
    traffic: Traffic,
    count: Count,
    *,
    kind: Kind,
    gravity: Gravity,
    text: str,
    command: Words,
    passed: Count | None,
    then: Words | None = None,
) -> Finding:
    last = traffic.last(count)
    assert last  # noqa: S101  # nosec B101  # there is a total, so there is a period
    is_over = not traffic.lately(count)
    since = f"; {_since(traffic, last, passed)}" if is_over and passed else ""
    return Finding(
        kind=kind,
        gravity=gravity,
        text=text + since,
        command=command,
        last=last,
        is_over=is_over,
        then=then,
    )


def _since(traffic: Traffic, last: Seen, passed: Count) -> str:
    """Nothing that came through proves nothing: perhaps nothing came."""
    number = traffic.after(passed, last.since)
    return f"{number:,} {PASSED[passed]} since" if number else f"none was {PASSED[passed]} since"


def _client_errors(traffic: Traffic) -> Iterator[Finding]:
    """Those that are no more than the refused messages are these, most likely."""
    number = traffic.total(Count.WEBHOOK_4XX)
    if number > traffic.total(Count.MESSAGES_REFUSED):
        yield counted_finding(
            traffic,
            Count.WEBHOOK_4XX,
            kind=Kind.WEBHOOK_4XX,
            gravity=Gravity.LOST,
            text=f"{many(number, 'request')} answered with a 4xx, Twilio's or above the API's limit: Twilio does not try "
            "again",
            command=our_command("diagnose", "not-processed", "--with-twilio"),
            passed=Count.PUBLISHED,
        )


def _throttles(traffic: Traffic, reading: Reading) -> Iterator[Finding]:
    reserved = reading.reserved.value
    throttles = traffic.total(Count.THROTTLES)
    if not throttles or (reserved is not None and reserved.runs == 0):
        return
    limit = (
        "" if reserved is None or reserved.runs is None else f" ({many(reserved.runs, 'run')} at a time now)"
    )
    yield counted_finding(
        traffic,
        Count.THROTTLES,
        kind=Kind.THROTTLED,
        gravity=Gravity.NOTICE,
        text=f"the processor was at its limit{limit} {many(throttles, 'time')}; Lambda keeps such messages and tries again",
        command=our_command("diagnose", "not-processed"),
        passed=Count.STORED,
    )


def _standing_still(traffic: Traffic) -> Iterator[Finding]:
    last = traffic.last(Count.FAILED)
    if (failed := traffic.lately(Count.FAILED)) and last and not traffic.passed_lately:
        yield Finding(
            kind=Kind.RUNS_FAIL,
            gravity=Gravity.STOPPED,
            text=f"{many(failed, 'run')} of the processor failed in {minutes(2 * traffic.period)}, and none stored a message",
            command=our_command("diagnose", "errors"),
            last=last,
        )
    waiting, at = traffic.newest(Level.WAITING_MS), traffic.last(Level.WAITING_MS)
    if waiting is not None and at and waiting >= LONG_WAIT_MS:
        yield Finding(
            kind=Kind.LONG_WAIT,
            gravity=Gravity.STOPPED,
            text=f"messages wait {waiting / 60_000:.0f} minutes in Lambda's queue; after 6 hours it gives up on them",
            command=our_command("diagnose", "not-processed"),
            last=at,
        )


def _express(traffic: Traffic, reading: Reading) -> Iterator[Finding]:
    """Of the express lane: the processor has every message, so nothing of this stops or loses one."""
    reserved = reading.express.value
    if reserved is not None and not reserved.is_there:
        yield Finding(
            kind=Kind.SUBSCRIBER_GETS_NOTHING,
            gravity=Gravity.WAITING,
            text="the express processor does not exist, which the stack has: urgent messages wait as all do, and the processor "
            "stores them",
            command=our_command("verify", "--only", "processor"),
            last=Seen.at(reading.at),
        )
        return
    if reserved is not None and reserved.runs == 0:
        yield Finding(
            kind=Kind.NO_RESERVE,
            gravity=Gravity.WAITING,
            text="the express processor's reserved concurrency is 0: each urgent message becomes a dead letter, and the processor "
            "stores it",
            command=our_command("verify", "--only", "processor"),
            last=Seen.at(reading.at),
        )
        return
    for count, kind, text, command in OF_EXPRESS:
        if number := traffic.total(count):
            yield counted_finding(
                traffic,
                count,
                kind=kind,
                gravity=Gravity.NOTICE,
                text=text.format(many(number, UNITS[count])),
                command=command,
                passed=Count.STORED,
            )
    waiting, at = traffic.newest(Level.EXPRESS_WAITING_MS), traffic.last(Level.EXPRESS_WAITING_MS)
    if waiting is not None and at and waiting >= LONG_EXPRESS_WAIT_MS:
        yield Finding(
            kind=Kind.LONG_WAIT,
            gravity=Gravity.NOTICE,
            text=f"urgent messages wait {waiting / 60_000:.0f} min for the express processor; the processor has them, too",
            command=our_command("verify", "--only", "processor"),
            last=at,
        )


def minutes(span: timedelta) -> str:
    return f"the last {many(round(span.total_seconds() / 60), 'minute')}"
