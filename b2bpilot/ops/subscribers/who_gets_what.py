"""Every kind of message, and which subscribers get it: the answers by which `verify` judges the processor, of all of them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from b2bpilot.aws.subscriptions import Subscription
from b2bpilot.ops.environment import Environment
from b2bpilot.ops.recipient import PROCESSOR
from b2bpilot.ops.subscribers.conditions import either
from b2bpilot.ops.subscribers.coverage import Coverage, coverage, evaluations
from b2bpilot.ops.subscribers.kinds import MessageKind, kinds
from b2bpilot.ops.subscribers.naming import names_among
from b2bpilot.pipeline.message import MessageType, Priority, Source

Answers: TypeAlias = tuple[bool | None, ...]
"""One a subscriber, in the order of their names. None: it cannot be told."""

REAL = frozenset(kind.value for kind in MessageType if kind is not MessageType.TEST)
WHOLE: Mapping[str, frozenset[str]] = {
    "redriven": frozenset({"yes", "no"}),
    "priority": frozenset(Priority),
    "source": frozenset(Source),
    "type": frozenset(MessageType),
}
"""The values that tell our kinds from each other, by what they are values of."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KindGroup:
    """Kinds of message that go to the same subscribers."""

    kinds: tuple[MessageKind, ...]
    answers: Answers

    def named(self, names: Sequence[str], wanted: bool | None) -> list[str]:
        """Return the subscribers of which this is the answer."""
        return [name for name, answer in zip(names, self.answers, strict=True) if answer is wanted]

    def in_words(self) -> str:
        """Say which messages these are."""
        ours = frozenset(one for one in self.kinds if one.source)
        bare = ["messages without attributes" for one in self.kinds if not one.source and not one.is_redriven]
        bare += [
            "redriven messages that had no attributes"
            for one in self.kinds
            if not one.source and one.is_redriven
        ]
        largest_first = sorted(_boxes(ours, tuple(WHOLE)), key=_size, reverse=True)
        return "; ".join([*map(_said, largest_first), *bare])


@dataclass(frozen=True, slots=True, kw_only=True)
class WhoGetsWhat:
    """`names` are the subscribers', the processor first; `answers` has what each kind of message gets from their filters."""

    names: tuple[str, ...]
    answers: Mapping[MessageKind, Answers]
    why: Mapping[str, tuple[str, ...]]
    """Of each subscriber, what its policy certainly does to the processor's messages, and what cannot be told of it."""

    def groups(self) -> list[KindGroup]:
        """Return the kinds by their answers: what the processor misses first, then the usual ones."""
        found: dict[Answers, list[MessageKind]] = {}
        for kind, answers in self.answers.items():
            found.setdefault(answers, []).append(kind)
        groups = [KindGroup(kinds=tuple(them), answers=answers) for answers, them in found.items()]
        return sorted(groups, key=lambda one: one.answers[0] is not False)

    @property
    def missed(self) -> list[MessageKind]:
        """Return the kinds that the processor certainly does not get."""
        return [kind for kind, answers in self.answers.items() if answers[0] is False]


def who_gets_what(environment: Environment, found: Sequence[Subscription]) -> WhoGetsWhat:
    """Hold every kind against each subscription. Of several of one subscriber, one is enough. Without any, the processor misses
    all of them."""
    named: dict[str, list[Subscription]] = {PROCESSOR: []}
    for number, (one, name) in enumerate(zip(found, names_among(found, environment), strict=True)):
        is_shared = name in named and name != PROCESSOR
        named.setdefault(f"{name} ({number + 1})" if is_shared else name, []).append(one)
    columns = {
        name: [_answers(subscription) for subscription in subscriptions]
        for name, subscriptions in named.items()
    }
    return WhoGetsWhat(
        names=tuple(named),
        answers={
            kind: tuple(either([one[kind] for one in column]) for column in columns.values())
            for kind in kinds()
        },
        why={name: tuple(_reasons(name, subscriptions)) for name, subscriptions in named.items()},
    )


def _answers(subscription: Subscription) -> Mapping[MessageKind, bool | None]:
    """An unconfirmed one gets nothing, whatever its policy says."""
    if subscription.confirmed is False:
        return dict.fromkeys(kinds(), False)
    if subscription.attributes_error is not None:
        return dict.fromkeys(kinds(), None)
    judged = evaluations(subscription.filter_policy, subscription.filter_policy_scope)
    return {kind: one.accepts for kind, one in judged.items()}


def _reasons(name: str, found: Sequence[Subscription]) -> Iterator[str]:
    if not found:
        yield "it is not subscribed"
    for one in found:
        if one.confirmed is False:
            yield "nobody confirmed its subscription: SNS delivers nothing to it"
        elif one.attributes_error is not None:
            yield f"its filter policy cannot be read: {one.attributes_error}"
        else:
            yield from _of_policy(name, coverage(one.filter_policy, one.filter_policy_scope))


def _of_policy(name: str, covered: Coverage) -> Iterator[str]:
    """Whoever is not the processor may leave out what it likes: of that, only what cannot be told is said."""
    doubts = [f"its filter policy {doubt}" for doubt in covered.doubts()]
    if name != PROCESSOR:
        if covered.rejects_all:
            yield "its filter policy lets no message through that b2bpilot publishes"
        yield from doubts[:1] if covered.open else ()
        return
    if loss := covered.loss():
        yield f"its filter policy {loss}"
    yield from doubts


def _boxes(them: frozenset[MessageKind], names: tuple[str, ...]) -> list[dict[str, frozenset[str]]]:
    """Return the fewest sets of values, found by splitting one name after another, whose combinations are these kinds."""
    if not them:
        return []
    sides = {name: frozenset(_value(one, name) for one in them) for name in names}
    if _size(sides) == len(them):
        return [sides]
    splits = [_split(them, name, tuple(other for other in names if other != name)) for name in names]
    return min(splits, key=len)


def _size(box: Mapping[str, frozenset[str]]) -> int:
    return math.prod(map(len, box.values()))


def _split(
    them: frozenset[MessageKind], name: str, others: tuple[str, ...]
) -> list[dict[str, frozenset[str]]]:
    slices: dict[frozenset[tuple[str, ...]], list[MessageKind]] = {}
    by_value: dict[str, list[MessageKind]] = {}
    for one in them:
        by_value.setdefault(_value(one, name), []).append(one)
    for value in sorted(by_value):
        alike = frozenset(tuple(_value(one, other) for other in others) for one in by_value[value])
        slices.setdefault(alike, []).extend(by_value[value])
    found = []
    for same in slices.values():
        values = frozenset(_value(one, name) for one in same)
        first = min(values)
        of_one = frozenset(one for one in same if _value(one, name) == first)
        found += [{**box, name: values} for box in _boxes(of_one, others)]
    return found


def _value(kind: MessageKind, name: str) -> str:
    if name == "redriven":
        return "yes" if kind.is_redriven else "no"
    return str({"priority": kind.priority, "source": kind.source, "type": kind.message_type}[name])


def _said(box: Mapping[str, frozenset[str]]) -> str:
    """What is not told apart is not named."""
    parts = [_types(box["type"])]
    if box["source"] != WHOLE["source"]:
        parts.append(f"from {_listed(Source, box['source'])}")
    if box["priority"] != WHOLE["priority"]:
        parts.append(f"with priority {_listed(Priority, box['priority'])}")
    if box["redriven"] != WHOLE["redriven"]:
        parts.append("redriven" if "yes" in box["redriven"] else "not redriven")
    return " ".join(parts)


def _types(found: frozenset[str]) -> str:
    if found == WHOLE["type"]:
        return "messages"
    if found == REAL:
        return "real messages"
    return f"{_listed(MessageType, found)} messages"


def _listed(order: Iterable[str], found: frozenset[str]) -> str:
    *before, last = [str(one) for one in order if str(one) in found]
    return f"{', '.join(before)} and {last}" if before else last
