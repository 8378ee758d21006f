"""`b2bpilot status --both`: each side of a pair in a block, and who is called first for each number."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, TypeVar

from b2bpilot.advice import Words, our_command
from b2bpilot.cli.frame.context import Pilot
from b2bpilot.cli.output import Line, Row, Tone, Toned, pairs
from b2bpilot.cli.text.durations import in_largest_unit, relative
from b2bpilot.cli.text.privacy import mask_number
from b2bpilot.errors import PartlyFailed
from b2bpilot.pipeline.message import format_time

if TYPE_CHECKING:
    from b2bpilot.ops.asking import InquiryAnswer
    from b2bpilot.ops.cutover.pair import NumberRoles
    from b2bpilot.ops.sides import PairReading, SideReading
    from b2bpilot.ops.status.reading import StatusRequest
    from b2bpilot.ops.status.traffic import Count, Traffic
    from b2bpilot.twilio.rest import Twilio

T = TypeVar("T")

NEITHER = "neither side"


def show(pilot: Pilot, wanted: StatusRequest) -> bool:
    """Show it, and tell whether something is wrong. Raises PartlyFailed, at the end, where a side did not answer."""
    from b2bpilot.ops.sides import pair_reading

    environment = pilot.environment
    with pilot.output.progress("Asking both sides"):
        found = pair_reading(
            environment,
            lambda: _twilio(pilot),
            window=wanted.window,
            seconds=wanted.seconds,
            now=pilot.now(),
        )
    problems = list(found.problems)
    pilot.output.record(
        {"environment": pilot.environment_name, **fields(found, problems)}, text=list(lines(found, problems))
    )
    pilot.output.rows("numbers", [_row(one) for one in found.numbers.value or ()])
    pilot.output.notice("What both must have alike: " + our_command("verify", "--both", "--with-twilio"))
    if silent := [one for one in found.sides if one.stack.value is None]:
        raise PartlyFailed(
            f"{' and '.join(one.region for one in silent)} did not answer",
            hint="the other side is shown above",
        )
    return bool(problems) or not found.is_answered


def _twilio(pilot: Pilot) -> Twilio:
    from b2bpilot.cli.twilio.account import twilio_access_of

    return twilio_access_of(pilot).connect()


def lines(found: PairReading, problems: Sequence[str]) -> Iterator[Line]:
    for problem in problems:
        yield Line(f"{problem[:1].upper()}{problem[1:]}", Tone.FAILED, indent=2)
    for place, side in enumerate(found.sides):
        if place or problems:
            yield Line()
        yield Line(side.region, Tone.HEADING)
        yield from pairs([(f"  {name}", value) for name, value in _told(side, found.at)])
    yield Line()
    if found.numbers.error:
        yield Line(f"The numbers at Twilio were not read: {found.numbers.error}", Tone.WARNING, indent=2)
    elif not found.numbers.value:
        yield Line("No number of the Twilio account leads to either side.", Tone.WARNING)


def _told(side: SideReading, now: datetime) -> Iterator[tuple[str, Words]]:
    stack = side.stack.value
    if stack is None:
        yield "no answer", Toned(str(side.stack.error), Tone.FAILED)
        if side.stack.hint:
            yield "", side.stack.hint
        return
    yield "stack", stack.stack_name
    yield "version", _said(side.version, lambda digest: digest)
    yield "webhook", stack.webhook_url
    yield "dead letters", _said(side.dead_letters, lambda count: f"{count:,}")
    yield "async queue", _said(side.traffic, _waiting)
    yield "last message", _said(side.traffic, lambda traffic: _last(traffic, now))


def _said(answer: InquiryAnswer[T] | None, told: Callable[[T], str]) -> Words:
    if answer is None or answer.value is None:
        return Toned(f"unknown: {answer.error if answer else 'not asked'}", Tone.WARNING)
    return told(answer.value)


def _waiting(traffic: Traffic) -> str:
    from b2bpilot.ops.status.traffic import Level

    waited = traffic.newest(Level.WAITING_MS)
    return "nothing lately" if waited is None else f"waited {in_largest_unit(waited / 1000)}"


def _last(traffic: Traffic, now: datetime) -> str:
    """CloudWatch counts by periods; the newest one with a message may not be over."""
    seen = traffic.last(_published())
    if seen is None:
        return f"none since {format_time(traffic.since)}"
    if seen.until >= now:
        return f"in the last {in_largest_unit(traffic.period.total_seconds())}"
    return f"{relative(seen.until, now=now)} at the latest"


def _published() -> Count:
    from b2bpilot.ops.status.traffic import Count

    return Count.PUBLISHED


def _row(role: NumberRoles) -> Row:
    target, number = role.route.effective, mask_number(role.route.number.phone_number)
    fallback = role.fallback or (NEITHER if target.webhook.fallback_url else None)
    return Row(
        fields={
            "number": number,
            "number_sid": role.route.number.sid,
            "primary": role.primary,
            "fallback": role.fallback,
            "problem": role.problem,
        },
        columns={
            "number": number,
            "primary": role.primary or NEITHER,
            "fallback": fallback or Toned("none", Tone.FAILED),
            "": Toned(role.problem, Tone.FAILED) if role.problem else "",
        },
    )


def fields(found: PairReading, problems: Sequence[str]) -> dict[str, object]:
    """Return the reading for programs; what is unknown is null, and `unanswered` says why."""
    return {
        "at": format_time(found.at),
        "problems": list(problems),
        "sides": [_fields(side) for side in found.sides],
        "numbers_error": found.numbers.error,
    }


def _fields(side: SideReading) -> dict[str, object]:
    from b2bpilot.ops.status.traffic import Level

    stack, counted = side.stack.value, side.traffic.value if side.traffic else None
    last = counted.last(_published()) if counted else None
    return {
        "region": side.region,
        "error": side.stack.error,
        "stack": stack.stack_name if stack else None,
        "pair_region": stack.pair_region if stack else None,
        "version": side.version.value if side.version else None,
        "webhook_url": stack.webhook_url if stack else None,
        "dead_letters": side.dead_letters.value if side.dead_letters else None,
        "async_age_ms": counted.newest(Level.WAITING_MS) if counted else None,
        "last_message_until": format_time(last.until) if last else None,
        "unanswered": [answer.error for answer in side.unanswered],
    }
