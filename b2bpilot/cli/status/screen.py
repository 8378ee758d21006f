"""A reading as one screen: what is wrong first, then what runs and what waits."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, TypeVar

from b2bpilot.advice import Words, our_command
from b2bpilot.aws.modes import BY_TOPIC
from b2bpilot.cli.output import Line, Tone, Toned, pasted
from b2bpilot.cli.runs import run_record
from b2bpilot.cli.status.sparkline import sparkline
from b2bpilot.cli.subscribers.subscription_view import runnable
from b2bpilot.cli.text.durations import relative
from b2bpilot.pipeline.message import format_time

if TYPE_CHECKING:
    from b2bpilot.aws.alarms import Alarm
    from b2bpilot.aws.metrics import Point
    from b2bpilot.ops.asking import InquiryAnswer
    from b2bpilot.ops.redrive_in_aws.switch import Switched
    from b2bpilot.ops.runs.record import RunRecord
    from b2bpilot.ops.status.dead_letters import DeadLetters
    from b2bpilot.ops.status.finding import Finding, Seen
    from b2bpilot.ops.status.reading import Reading, ReservedConcurrency
    from b2bpilot.ops.status.subscribers import SubscriberState
    from b2bpilot.ops.status.traffic import Count, Traffic
    from b2bpilot.pipeline.summary import StoredLatency, TableSummary

T = TypeVar("T")

SEE_ABOVE = "unknown: see 1"
NAMED = 3
"""So many missing alarms are named; more are only counted."""
SECOND_MS, MINUTE_MS = 1_000, 60_000
NAME, NUMBER = 14, 22
"""Columns of a name, and of the number before a sparkline: 80 hold them and 36 characters."""


def screen(reading: Reading, found: Sequence[Finding], *, blocks: str) -> list[Line]:
    """Return all of it. `blocks` are the characters of the sparklines."""
    return [
        Line(_title(reading), Tone.HEADING),
        Line(),
        *_wrong(reading, found),
        Line(),
        *_traffic(reading, blocks),
        Line(),
        *_state(reading),
    ]


def _title(reading: Reading) -> str:
    return f"{reading.environment}, {format_time(reading.at)}"


def _wrong(reading: Reading, found: Sequence[Finding]) -> Iterator[Line]:
    unanswered = [(name, answer) for name, answer in reading.unanswered if answer is not reading.rows]
    now = [finding for finding in found if not finding.is_over]
    if not now:
        where = " in the sources that answered" if unanswered else ""
        yield Line(
            f"No problems{where}. To check the deployment itself: " + our_command("verify"),
            Tone.HEADING,
        )
    yield from _numbered(now, reading, first=1, tone=Tone.FAILED)
    for name, answer in unanswered:
        yield Line(f"No answer: {name}: {answer.error}", Tone.WARNING, indent=3)
        if answer.hint:
            yield Line("   " + answer.hint, Tone.QUIET)
    if earlier := found[len(now) :]:
        yield Line()
        yield Line("Earlier: seen in this period, but not recently", Tone.HEADING)
        yield from _numbered(earlier, reading, first=len(now) + 1, tone=Tone.WARNING)


def _numbered(found: Sequence[Finding], reading: Reading, *, first: int, tone: Tone) -> Iterator[Line]:
    for place, finding in enumerate(found, start=first):
        text = f"{finding.text[:1].upper()}{finding.text[1:]} ({_when(finding.last, now=reading.at)})"
        yield Line(f"{place}. {text}", tone, indent=3)
        if finding.hint:
            yield Line("   " + finding.hint, Tone.QUIET)
        yield pasted(runnable(finding.command, reading.environment.access), indent=3)
        if finding.then:
            yield Line("   " + finding.then)


def _when(last: Seen, *, now: datetime) -> str:
    if last.since == last.until:
        return "now" if last.until == now else f"last {relative(last.until, now=now)}"
    day = "" if last.since.date() == now.date() else f"{last.since:%Y-%m-%d} "
    if last.until == now:
        return f"last seen after {day}{last.since:%H:%M} UTC"
    return f"last seen between {day}{last.since:%H:%M} and {last.until:%H:%M} UTC"


def _traffic(reading: Reading, blocks: str) -> Iterator[Line]:
    from b2bpilot.ops.status.traffic import Count, Level

    traffic = reading.traffic.value
    if traffic is None:
        yield _unknown("traffic", reading.traffic)
        yield _line("latency", _latency(reading))
        return
    yield Line(
        f"The last {_duration(traffic.until - traffic.since)}, by CloudWatch, which lags 1 to 3 minutes",
        Tone.QUIET,
    )
    for count in (Count.PUBLISHED, Count.DELIVERED, Count.STORED, Count.DUPLICATES, Count.FAILED):
        yield _count(traffic, count, blocks)
    yield _line("in flight", _in_flight(reading), _spark(traffic, traffic.levels[Level.IN_FLIGHT], blocks))
    text = _waited(reading, traffic)
    yield _line("async queue", text, _spark(traffic, traffic.levels[Level.WAITING_MS], blocks))
    yield _line("latency", _latency(reading))
    yield from _by_priority(reading)


def _count(traffic: Traffic, count: Count, blocks: str) -> Line:
    return _line(count.value, f"{traffic.total(count):,}", _spark(traffic, traffic.counts[count], blocks))


def _in_flight(reading: Reading) -> str:
    """The most at a time in the newest period, which may be more than what is reserved now."""
    from b2bpilot.ops.status.traffic import Level

    newest = reading.traffic.map(lambda traffic: traffic.newest(Level.IN_FLIGHT))
    peak = "none lately" if newest is None else f"peak {newest:.0f}"
    if reading.environment.stack.express_function_name:
        return _both_in_flight(reading)
    reserved = reading.reserved.value
    if reserved is None:
        return f"{peak}, limit unknown"
    return f"{peak}, limit {reserved.runs}" if reserved.runs is not None else f"{peak}, no reserve"


def _both_in_flight(reading: Reading) -> str:
    """`7 of 10, express 1 of 3`"""
    from b2bpilot.ops.status.traffic import Level

    def told(level: Level, limit: ReservedConcurrency | None) -> str:
        newest = reading.traffic.map(lambda traffic: traffic.newest(level))
        seen = "none lately" if newest is None else f"{newest:.0f}"
        if limit is None:
            return f"{seen}, limit unknown"
        return f"{seen} of {limit.runs}" if limit.runs is not None else f"{seen}, no reserve"

    express = reading.express.value
    theirs = "is gone" if express and not express.is_there else told(Level.EXPRESS_IN_FLIGHT, express)
    return f"peak {told(Level.IN_FLIGHT, reading.reserved.value)}, express {theirs}"


def _waited(reading: Reading, traffic: Traffic) -> str:
    from b2bpilot.ops.status.traffic import Level

    def told(level: Level) -> str:
        waiting = traffic.newest(level)
        return "nothing lately" if waiting is None else f"waited {_milliseconds(waiting)}"

    if not reading.environment.stack.express_function_name:
        return told(Level.WAITING_MS)
    return f"{told(Level.WAITING_MS)}, express {told(Level.EXPRESS_WAITING_MS).removeprefix('waited ')}"


def _by_priority(reading: Reading) -> Iterator[Line]:
    """By the newest rows, where somebody is to come first."""
    stack, rows = reading.environment.stack, reading.rows.value
    if rows is None or not (stack.express_function_name or stack.high_priority_numbers):
        return
    for priority, latency in sorted(rows.by_priority.items()):
        yield _line(f"  {priority}", _percentiles(latency, "newest row"))


def _latency(reading: Reading) -> str:
    """The metric has seen every message; the rows only the newest."""
    by_metric = reading.traffic.value.latency if reading.traffic.value else None
    by_rows = reading.rows.value.latency if reading.rows.value else None
    if by_metric is not None:
        return _percentiles(by_metric, "message")
    if by_rows is not None:
        return _percentiles(by_rows, "newest row")
    if reading.rows.value is None:
        return SEE_ABOVE
    return "nothing was stored recently"


def _percentiles(latency: StoredLatency, of: str) -> str:
    p50, p95 = _milliseconds(latency.p50_ms), _milliseconds(latency.p95_ms)
    return f"p50 {p50}, p95 {p95} ({latency.rows:,} {of if latency.rows == 1 else of + 's'})"


def _state(reading: Reading) -> Iterator[Line]:
    now = reading.at
    yield _shown(
        "dead letters", reading.dead_letters, lambda dead_letters: _dead_letters(dead_letters, now=now)
    )
    yield from _table(reading)
    yield _shown("alarms", reading.alarms, lambda alarms: _alarms(alarms, reading))
    yield _shown("subscribers", reading.subscribers, lambda found: _subscribers(found, reading))
    yield from _message_queue(reading)
    yield _shown("redriver", reading.redriver, _redriver)
    yield _shown("last runs", reading.runs, lambda runs: "" if runs else "none from this machine")
    for run in reading.runs.value or ():
        yield Line(f"  {_run(run, now=now)}", indent=4)


def _message_queue(reading: Reading) -> Iterator[Line]:
    """Of no interest while nothing is delivered by it and nothing is in it."""
    mode, found = reading.environment.stack.delivery, reading.message_queue.value
    if mode == BY_TOPIC and found is not None and not found.total:
        return
    left = "; nothing takes them" if mode == BY_TOPIC else ""
    yield _shown(
        "message queue",
        reading.message_queue,
        lambda found: (
            f"about {found.visible:,} waiting, {found.hidden:,} in flight; Delivery is {mode}{left}"
        ),
    )


def _table(reading: Reading) -> Iterator[Line]:
    """Why it cannot be read is said once, at the top."""
    if reading.rows.value is None:
        for name in ("rows", "no lease"):
            yield Line(f"{name:<{NAME}}{SEE_ABOVE}", Tone.WARNING, indent=NAME)
        return
    yield _shown("rows", reading.rows, _rows)
    yield _shown("database", reading.database, lambda proof: proof.told().removeprefix("database "))
    yield _shown(
        "no lease", reading.rows, lambda rows: f"{rows.stuck:,} of those begun, stale {rows.stale:,}"
    )


def _dead_letters(dead_letters: DeadLetters, *, now: datetime) -> str:
    look = dead_letters.look
    held = f", {dead_letters.hidden:,} of them in flight" if dead_letters.hidden else ""
    if look is None:
        return f"about {dead_letters.depth:,}{held}; their age is unknown: {dead_letters.no_look}"
    if not dead_letters.depth:
        return "none"
    if not look.saw:
        return f"about {dead_letters.depth:,}{held}; none was seen, so their age is unknown"
    least = "" if look.is_complete else f"at least, of the {look.saw:,} that were seen: "
    oldest = f"the oldest {relative(look.oldest, now=now)}" if look.oldest else "the oldest unknown"
    others = "".join(f"; {count:,} {owner.whose}" for owner, count in look.others.items())
    return f"{dead_letters.depth:,}{held}; {least}{oldest}, {look.expiring:,} expire within 2 days{others}"


def _rows(rows: TableSummary) -> str:
    counts = [f"{status} {count:,}" for status, count in sorted(rows.by_status.items())]
    return ", ".join(counts) or "none"


def _alarms(alarms: Sequence[Alarm], reading: Reading) -> Words:
    from b2bpilot.aws.alarms import AlarmState
    from b2bpilot.ops.status.findings import is_over, short_name

    if not alarms:
        return "none; " + our_command("verify", "--only", "alarms") + " says which are missing"
    on = [alarm for alarm in alarms if alarm.state is AlarmState.ALARM]
    silent = sum(not alarm.actions_enabled for alarm in alarms)
    names = [
        f"{short_name(alarm, reading.environment.stack.environment)}"
        + (f" ({relative(alarm.since, now=reading.at)})" if alarm.since else "")
        + (", the queue is empty now" if is_over(alarm, reading) else "")
        for alarm in on
    ]
    muted = f", {silent} with their actions disabled" if silent else ""
    listed = f": {', '.join(names)}" if names else ""
    return f"{len(on)} of {len(alarms)} on{muted}{listed}{_missing(alarms, reading)}"


def _missing(alarms: Sequence[Alarm], reading: Reading) -> str:
    from b2bpilot.ops.verify.alarm_table import alarms_of

    there = {alarm.name for alarm in alarms}
    stack = reading.environment.stack
    missing = [one.name for one in alarms_of(stack) if one.full_name(stack) not in there]
    if not missing:
        return ""
    return f"; {len(missing)} missing" + (f": {', '.join(missing)}" if len(missing) <= NAMED else "")


def _subscribers(found: Sequence[SubscriberState], reading: Reading) -> str:
    from b2bpilot.ops.status.subscribers import in_one_line
    from b2bpilot.ops.subscribers.missing import Absence

    absent = reading.absence.value or Absence()
    return in_one_line(found, absent, number=len(reading.subscriptions.value or ()))


def _redriver(switched: Switched) -> str:
    state = switched.state.value.lower()
    if not switched.state.is_on:
        return state
    of = f" for run {switched.run.run_id}, until {format_time(switched.run.ends_at)}" if switched.run else ""
    return f"{state}{of}, at most {switched.max_concurrency} at a time"


def _run(run: RunRecord, *, now: datetime) -> str:
    row = run_record.row(run, now=now).columns
    result = row["result, reason"]
    return f"{row['age']}: {run.run_id} {run.state}" + (f": {result}" if result else "")


def _shown(name: str, answer: InquiryAnswer[T], text: Callable[[T], Words]) -> Line:
    return _unknown(name, answer) if answer.value is None else _said(name, text(answer.value))


def _said(name: str, text: Words) -> Line:
    return _line(name, text) if isinstance(text, str) else Line(f"{name:<{NAME}}" + text, indent=NAME)


def _unknown(name: str, answer: InquiryAnswer[object]) -> Line:
    return Line(f"{name:<{NAME}}unknown: {answer.error}", Tone.WARNING, indent=NAME)


def _line(name: str, text: str, spark: str = "") -> Line:
    named = f"{name:<{NAME}}{text:<{NUMBER}}" + ("  " if spark.strip() and len(text) >= NUMBER else "")
    return Line(named + Toned(spark, Tone.DATA) if spark.strip() else named, indent=NAME)


def _spark(traffic: Traffic, points: Sequence[Point], blocks: str) -> str:
    return sparkline(points, since=traffic.since, until=traffic.until, period=traffic.period, blocks=blocks)


def _milliseconds(value: float) -> str:
    if value < SECOND_MS:
        return f"{value:.0f} ms"
    return f"{value / SECOND_MS:.1f} s" if value < 2 * MINUTE_MS else f"{value / MINUTE_MS:.0f} min"


def _duration(value: timedelta) -> str:
    minutes = value // timedelta(minutes=1)
    return f"{minutes // 60} h" if minutes % 60 == 0 else f"{minutes} min"
