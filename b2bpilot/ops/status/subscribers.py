"""The topic's other subscribers, can each be reached, and how many dead letters wait for its owner?"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from b2bpilot.aws.session import Timeouts
from b2bpilot.aws.side_by_side import of_each
from b2bpilot.aws.subscriptions import Subscription
from b2bpilot.errors import AwsError
from b2bpilot.ops.asking import InquiryAnswer
from b2bpilot.ops.environment import Environment
from b2bpilot.ops.subscribers.activity import backlog
from b2bpilot.ops.subscribers.discovery import Subscriber, others_among
from b2bpilot.ops.subscribers.missing import Absence, absence, importing_stacks
from b2bpilot.ops.subscribers.topic_report import judged
from b2bpilot.plural import many


@dataclass(frozen=True, slots=True, kw_only=True)
class SubscriberState:
    """One other subscriber. `problem` makes it unhealthy; `doubt` says what is not known of it. The processor's own health is the
    rest of the screen."""

    name: str
    dead_letters: int | None = None
    is_reachable: bool = True
    is_losing: bool = False
    problem: str | None = None
    doubt: str | None = None


def other_subscribers(
    answer: InquiryAnswer[Sequence[Subscription]], environment: Environment, *, timeouts: Timeouts
) -> list[SubscriberState]:
    """Look at all but the processor, side by side. Raises AwsError when nobody could say who is subscribed."""
    if answer.value is None:
        raise AwsError(f"the topic's subscriptions did not answer: {answer.error}")
    found = others_among(environment, answer.value)
    return of_each(lambda one: _state(one, environment, timeouts), found)


def _state(subscriber: Subscriber, environment: Environment, timeouts: Timeouts) -> SubscriberState:
    waiting = backlog(subscriber, environment, timeouts=timeouts)
    report = judged(subscriber.subscription, environment, timeouts=timeouts)
    problems = [one.text for one in report.problems]
    doubts = [one.text for one in report.doubts] + ([waiting.error] if waiting.error else [])
    if waiting.dead_letters:
        problems.append(many(waiting.dead_letters, "dead letter"))
    return SubscriberState(
        name=subscriber.name,
        dead_letters=waiting.dead_letters,
        is_reachable=report.is_reachable,
        is_losing=report.is_losing,
        problem=", ".join(problems) or None,
        doubt="; ".join(doubts) or None,
    )


def who_is_missing(
    answer: InquiryAnswer[Sequence[Subscription]], environment: Environment, *, timeouts: Timeouts
) -> Absence:
    """Raises AwsError when nobody could say who is subscribed, or who imports the topic."""
    stacks = importing_stacks(environment, timeouts=timeouts)
    if answer.value is None:
        raise AwsError(f"the topic's subscriptions did not answer: {answer.error}")
    return absence(stacks, answer.value, environment)


def in_one_line(found: Iterable[SubscriberState], absent: Absence, *, number: int) -> str:
    """Say it of `number` subscriptions, the processor's among them."""
    listed = list(found)
    unhealthy = [f"{one.name}: {one.problem}" for one in listed if one.problem]
    unknown = [f"{one.name}: {one.doubt}" for one in listed if one.doubt and not one.problem]
    parts = [
        f"{len(them)} {word} ({'; '.join(them)})"
        for word, them in (("unhealthy", unhealthy), ("unknown", unknown))
        if them
    ]
    if absent.missing:
        parts.append(f"{len(absent.missing)} missing ({', '.join(one.name for one in absent.missing)})")
    return "; unknown ".join([", ".join([f"{number}", *parts]), *absent.unknown])
