"""A pair in one reading: both sides and Twilio asked at the same time. What one side does not tell hides nothing of the other."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from b2bpilot.aws.queue_attributes import counters
from b2bpilot.aws.session import Timeouts
from b2bpilot.aws.stack import StackOutputs
from b2bpilot.aws.stack_state import read_template
from b2bpilot.ops.asking import Inquiry, InquiryAnswer, T
from b2bpilot.ops.environment import Environment
from b2bpilot.ops.pair import no_pair, other_side
from b2bpilot.ops.status.traffic import Traffic, traffic

if TYPE_CHECKING:
    from b2bpilot.ops.cutover.pair import NumberRoles
    from b2bpilot.ops.cutover.route import NumberRoute
    from b2bpilot.twilio.rest import Twilio


TWILIO_SECONDS = 10
"""Longer than a source has: it is several lists, one after the other."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SideReading:
    """`stack` says why a side does not answer; then nothing else is there. `version` is the digest of its template."""

    region: str
    stack: InquiryAnswer[StackOutputs]
    version: InquiryAnswer[str] | None = None
    dead_letters: InquiryAnswer[int] | None = None
    traffic: InquiryAnswer[Traffic] | None = None

    @property
    def unanswered(self) -> Iterator[InquiryAnswer[object]]:
        asked: Sequence[InquiryAnswer[object] | None] = (
            self.stack,
            self.version,
            self.dead_letters,
            self.traffic,
        )
        yield from (one for one in asked if one and one.error is not None)


@dataclass(frozen=True, slots=True, kw_only=True)
class PairReading:
    """Both sides, the one that was asked first in front, and the numbers whose messages they get."""

    at: datetime
    sides: Sequence[SideReading]
    numbers: InquiryAnswer[Sequence[NumberRoles]]

    @property
    def problems(self) -> Iterator[str]:
        """What is not as a pair should be, in a line each; what did not answer stands in its own place."""
        for one in self.sides:
            if one.dead_letters and one.dead_letters.value:
                yield f"dead letters in {one.region}"
        versions = {one.version.value for one in self.sides if one.version and one.version.value}
        if len(versions) > 1:
            yield "the sides have different templates"
        yield from _not_named_back(self.sides)
        for role in self.numbers.value or ():
            if role.problem:
                yield f"number {role.route.number.sid}: {role.problem}"

    @property
    def is_answered(self) -> bool:
        return self.numbers.error is None and not any(any(one.unanswered) for one in self.sides)


def _not_named_back(sides: Sequence[SideReading]) -> Iterator[str]:
    regions = {one.region for one in sides}
    for one in sides:
        if one.stack.value and one.stack.value.pair_region not in regions - {one.region}:
            named = one.stack.value.pair_region or "no pair"
            yield f"{one.region} names {named}, not the other side"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asked:
    """A side's questions, under way."""

    environment: Environment
    version: Inquiry[str]
    dead_letters: Inquiry[int]
    traffic: Inquiry[Traffic]
    urls: Inquiry[tuple[str, ...]]

    def reading(self) -> SideReading:
        return SideReading(
            region=self.environment.stack.region,
            stack=InquiryAnswer(value=self.environment.stack),
            version=self.version.answer(),
            dead_letters=self.dead_letters.answer(),
            traffic=self.traffic.answer(),
        )


def pair_reading(
    environment: Environment,
    twilio: Callable[[], Twilio],
    *,
    window: timedelta,
    seconds: float,
    now: datetime,
) -> PairReading:
    """Ask everything at once. Raises UsageError where the stack names no other side; nothing that a source does."""
    from b2bpilot.ops.cutover.route import routes

    if not environment.stack.pair_region:
        raise no_pair(environment)
    here = _asked(environment, window=window, seconds=seconds, now=now)
    numbers = Inquiry(lambda: routes(twilio()), seconds=seconds + TWILIO_SECONDS)
    found = other_side(environment) or InquiryAnswer(error="it was not asked")
    there = found.map(lambda other: _asked(other, window=window, seconds=seconds, now=now))
    urls = {one.environment.stack.region: one.urls.answer().value or () for one in (here, there) if one}
    silent = SideReading(
        region=environment.stack.pair_region, stack=InquiryAnswer(error=found.error, hint=found.hint)
    )
    read = numbers.answer()
    return PairReading(
        at=now,
        sides=[here.reading(), there.reading() if there else silent],
        numbers=InquiryAnswer(
            value=read.map(lambda them: _ours(them, urls)), error=read.error, hint=read.hint
        ),
    )


def _ours(found: Sequence[NumberRoute], urls: Mapping[str, Sequence[str]]) -> Sequence[NumberRoles]:
    from b2bpilot.ops.cutover.pair import roles

    return [one for one in roles(found, urls) if one.is_ours or one.route.is_unclear]


def _asked(environment: Environment, *, window: timedelta, seconds: float, now: datetime) -> _Asked:
    timeouts = Timeouts(connect_seconds=seconds / 3, read_seconds=seconds / 2, attempts=2)

    def ask(source: Callable[[], T]) -> Inquiry[T]:
        return Inquiry(source, seconds=seconds)

    return _Asked(
        environment=environment,
        version=ask(lambda: _version(environment, timeouts)),
        dead_letters=ask(lambda: _dead_letters(environment, timeouts)),
        traffic=ask(lambda: traffic(environment, window=window, now=now, timeouts=timeouts)),
        urls=ask(lambda: _urls(environment)),
    )


def _version(environment: Environment, timeouts: Timeouts) -> str:
    from b2bpilot.ops.verify import template

    client = environment.access.client("cloudformation", timeouts)
    return template.digest(template.parse(read_template(client, environment.stack.stack_name)))


def _dead_letters(environment: Environment, timeouts: Timeouts) -> int:
    client = environment.access.client("sqs", timeouts)
    return counters(client, environment.stack.dead_letter_queue_url).total


def _urls(environment: Environment) -> tuple[str, ...]:
    from b2bpilot.ops.reconcile.routing import verified_urls

    return verified_urls(environment).urls
