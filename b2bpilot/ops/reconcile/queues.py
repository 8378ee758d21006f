"""Where a message without a row may still be, with all that its webhook said: in the dead-letter queue, or in Lambda's own."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from b2bpilot.aws.metrics import Metric, read
from b2bpilot.aws.session import AwsAccess
from b2bpilot.errors import AwsError
from b2bpilot.ops.dead_letters.causes import owners_of
from b2bpilot.ops.dead_letters.peek import peek
from b2bpilot.ops.environment import Environment
from b2bpilot.ops.pair import other_side
from b2bpilot.ops.ports import VisibilityQueue
from b2bpilot.pipeline.owner import Owner, Ownership
from b2bpilot.plural import many

RECENT = timedelta(minutes=10)
"""Lambda tries a throttled event again after five minutes at most (docs/aws-facts.md#event-age), and CloudWatch is late
by some."""
PERIOD_SECONDS = 60
SHORTEST_WAIT = timedelta(minutes=1)
"""Less is on its way, also where --fresh is zero."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Queues:
    """What our queues hold. While there is a doubt, what has no row may be in one of them."""

    dead_letters: frozenset[str] = frozenset()
    """The message_ids of those that were seen, can be read, and are this environment's."""
    dead_letters_there: frozenset[str] = frozenset()
    there: str = ""
    """The other side of a pair, and those that only its queue holds."""
    others: Mapping[Owner, int] = field(default_factory=dict)
    """How many more there are that are not this environment's, by their owners."""
    unowned: Mapping[str, Owner] = field(default_factory=dict)
    """By message_id, those that may be this environment's and may not: their subscription is gone, or nobody can tell."""
    doubts: tuple[str, ...] = ()
    """What is not known, or speaks for waiting messages, a sentence each."""


def doubts_about(message_ids: Iterable[str], queues: Queues) -> tuple[str, ...]:
    """Return what is not known of these messages alone, a sentence for each owner. A live subscriber's dead letter is no copy
    of ours, so it is no doubt."""
    owners = Counter(queues.unowned[one] for one in message_ids if one in queues.unowned)
    return tuple(
        f"dead letters of {count:,} of them, whose owner is {owner}" for owner, count in owners.items()
    )


def ask_queues(environment: Environment, *, now: datetime, fresh_for: timedelta) -> Queues:
    """Look at the dead-letter queue and ask CloudWatch about Lambda's, on both sides of a pair. What does not answer is a
    doubt, not an error."""
    here, answer = _ask_side(environment, now=now, fresh_for=fresh_for), other_side(environment)
    if answer is None:
        return here
    region = environment.stack.pair_region
    if answer.value is None:
        silent = f"{region} does not answer, and its queues were not asked: {answer.error}"
        return replace(here, doubts=(*here.doubts, silent))
    there = _ask_side(answer.value, now=now, fresh_for=fresh_for)
    return Queues(
        dead_letters=here.dead_letters,
        dead_letters_there=there.dead_letters - here.dead_letters,
        there=region,
        others=Counter(here.others) + Counter(there.others),
        unowned={**there.unowned, **here.unowned},
        doubts=(*here.doubts, *(f"in {region}, {doubt}" for doubt in there.doubts)),
    )


def _ask_side(environment: Environment, *, now: datetime, fresh_for: timedelta) -> Queues:
    seen = dead_letters(environment.queue(), now=now)
    held_back = [
        doubt
        for function in environment.stack.processors
        for doubt in waiting(
            environment.access,
            function,
            now=now,
            fresh_for=fresh_for,
            is_express=function == environment.stack.express_function_name,
        )
    ]
    return replace(seen, doubts=(*seen.doubts, *held_back))


def dead_letters(queue: VisibilityQueue, *, now: datetime) -> Queues:
    """Return what a look sees; everything stays in the queue, and visible."""
    try:
        seen = peek(queue, now=now)
    except AwsError as exc:
        return Queues(doubts=(f"the dead-letter queue was not asked: {exc}",))
    partly = (
        [f"of about {many(seen.about, 'dead letter')}, {many(seen.saw, 'was', 'were')} seen"]
        if not seen.is_complete
        else []
    )
    ours = [dead_letter for dead_letter in seen.found if dead_letter.owner.is_ours]
    return Queues(
        dead_letters=frozenset(dead_letter.message_id for dead_letter in ours if dead_letter.message_id),
        others=owners_of(seen.found),
        unowned={
            dead_letter.message_id: dead_letter.owner
            for dead_letter in seen.found
            if dead_letter.message_id and dead_letter.owner.ownership in (Ownership.GONE, Ownership.UNKNOWN)
        },
        doubts=tuple(partly),
    )


def waiting(
    access: AwsAccess, function_name: str, *, now: datetime, fresh_for: timedelta, is_express: bool = False
) -> tuple[str, ...]:
    """Tell whether Lambda may hold messages for a function that are old enough to be judged."""
    who = "express processor" if is_express else "processor"
    queue = f"Lambda's queue{' for the express processor' if is_express else ''}"
    minutes = f"in the last {RECENT.total_seconds() / 60:g} minutes"
    dimensions = {"FunctionName": function_name}
    throttles = Metric(namespace="AWS/Lambda", name="Throttles", dimensions=dimensions)
    age = Metric(namespace="AWS/Lambda", name="AsyncEventAge", dimensions=dimensions, stat="Maximum")
    try:
        found = read(access, [throttles, age], since=now - RECENT, until=now, period_seconds=PERIOD_SECONDS)
    except AwsError as exc:
        return (f"whether messages wait in {queue} was not asked: {exc}",)
    oldest = timedelta(milliseconds=max((point.value for point in found[age]), default=0))
    signs = []
    if any(point.value for point in found[throttles]):
        signs.append(f"the {who} was throttled {minutes}: Lambda may still hold messages")
    if oldest > max(fresh_for, SHORTEST_WAIT):
        signs.append(f"messages waited in {queue}, one for {oldest.total_seconds():,.0f} s, {minutes}")
    return tuple(signs)
