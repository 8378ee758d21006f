"""Whom messages reach besides the processor, by the filter policies. Nothing is published."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from b2bpilot.advice import our_command
from b2bpilot.aws.session import Timeouts
from b2bpilot.aws.subscriptions import Subscription, subscriptions
from b2bpilot.errors import AwsError, Refused
from b2bpilot.ops.environment import Environment
from b2bpilot.ops.subscribers.conditions import either
from b2bpilot.ops.subscribers.evaluation import evaluate_all
from b2bpilot.ops.subscribers.filter_policy import BODY_SCOPE
from b2bpilot.ops.subscribers.naming import others_named
from b2bpilot.pipeline.message import PilotMessage, encode

TIMEOUTS = Timeouts(connect_seconds=1, read_seconds=2, attempts=1)
"""It is a remark: nobody waits long for it."""
DRAWN_LATER = frozenset({"message_id", "received_at"})
"""What the messages that are judged have, and those that are published have another."""
MOST_BODIES = 100
"""So many messages are held against a policy on the body; of more than these, what none of them tells is unknown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reach:
    """Other subscribers than the processor. Those `reached` get at least one of the messages; of `unknown` it cannot be told.
    `error` says why nobody could be asked: then nothing is known of any."""

    reached: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()
    error: str | None = None

    @property
    def is_nobody(self) -> bool:
        """Whether certainly no other subscriber gets any of them."""
        return not (self.reached or self.unknown or self.error)

    def told(self) -> str | None:
        """Say it in one line; None when there is nothing to say."""
        if self.error:
            return f"Whom else it reaches is unknown: {self.error}"
        parts = [
            f"{words}: {', '.join(names)}"
            for words, names in (("also reaches", self.reached), ("unknown whether it reaches", self.unknown))
            if names
        ]
        line = "; ".join(parts)
        return line[:1].upper() + line[1:] or None

    def fields(self) -> dict[str, object]:
        return {"reached": list(self.reached), "unknown": list(self.unknown), "error": self.error}


def asked_reach(
    environment: Environment, messages: Iterable[PilotMessage], *, timeouts: Timeouts = TIMEOUTS
) -> Reach:
    """Ask who is subscribed, and judge. Raises nothing of AWS's."""
    try:
        found = subscriptions(environment.access, environment.stack.topic_arn, timeouts=timeouts)
    except AwsError as exc:
        return Reach(error=str(exc))
    return reach(environment, found, messages)


def require_nobody(found: Reach, *, allow_unknown: str | None) -> None:
    """Raises Refused unless certainly no other subscriber gets any of the messages. `allow_unknown` is the option by which
    somebody takes on what is unknown, None where that was done."""
    who_gets_what = our_command("subscribers", "--coverage") + " shows who gets what"
    if found.reached:
        raise Refused(
            f"the test messages would also reach {', '.join(found.reached)}",
            hint='a filter policy {"test": ["false"]} leaves test messages out; ' + who_gets_what,
            outcome="Nothing was sent",
        )
    if found.is_nobody or allow_unknown is None:
        return
    unknown = f"whom the test messages reach is unknown: {found.error}"
    if not found.error:
        unknown = f"it is unknown whether the test messages would also reach {', '.join(found.unknown)}"
    raise Refused(
        unknown, hint=f"{allow_unknown} sends them all the same; " + who_gets_what, outcome="Nothing was sent"
    )


def reach(environment: Environment, found: Sequence[Subscription], messages: Iterable[PilotMessage]) -> Reach:
    """Judge by these subscriptions of the topic."""
    listed = list(messages)
    named = [(name, _answer(one, listed)) for name, one in others_named(found, environment)]
    return Reach(
        reached=tuple(name for name, answer in named if answer is True),
        unknown=tuple(name for name, answer in named if answer is None),
    )


def _answer(other: Subscription, messages: Sequence[PilotMessage]) -> bool | None:
    """Attributes are the same in all messages of a kind, a body is not: of many, the first few are held against a policy on it."""
    kinds = {(one.source, one.message_type, one.priority): one for one in messages}
    is_on_body = other.filter_policy is not None and other.filter_policy_scope == BODY_SCOPE
    judged = messages[:MOST_BODIES] if is_on_body else list(kinds.values())
    answers = [
        one.delivers
        for message in judged
        for one in evaluate_all([other], encode(message), varying=DRAWN_LATER)
    ]
    return either([*answers, None] if is_on_body and len(messages) > MOST_BODIES else answers)
