"""What a subscription's filter policy lets through of all that the topic may be given: tried with every kind, so that
"everything" is proven, and what nobody can try is said."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from b2bpilot.ops.subscribers.conditions import either
from b2bpilot.ops.subscribers.filter_policy import (
    BODY_SCOPE,
    NO_OBJECT,
    Evaluation,
    evaluated,
    keys_of,
    parsed,
)
from b2bpilot.ops.subscribers.kinds import VARYING, MessageKind, kinds
from b2bpilot.plural import many

BODY = "the message's body"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rejected:
    """A kind of message that a policy does not certainly let through."""

    kind: MessageKind
    evaluation: Evaluation

    def why(self) -> str:
        if self.evaluation.problem:
            return self.evaluation.problem
        first = next((one for one in self.evaluation.keys if one.accepts is self.evaluation.accepts), None)
        if first is None:
            return "it does not say why"
        return first.in_words()


@dataclass(frozen=True, slots=True, kw_only=True)
class Coverage:
    """`lost` are kinds of ours that the policy rejects; `bare` those without attributes of ours that it rejects, which nothing
    of b2bpilot publishes; of `open` it cannot be told. `varying` is what the policy looks at that differs in each message.
    `rejects_all`: no kind of ours passes, whatever its messages hold."""

    tried: int
    lost: Sequence[Rejected] = ()
    bare: Sequence[Rejected] = ()
    open: Sequence[Rejected] = ()
    varying: Sequence[str] = ()
    rejects_all: bool = False

    @property
    def is_proven(self) -> bool:
        """Whether every message passes."""
        return not (self.lost or self.bare or self.open or self.varying)

    def loss(self) -> str | None:
        """Return what the policy certainly does to messages of ours, in words that follow "it"."""
        if not self.lost:
            return None
        first, such = self.lost[0], "a" if len(self.lost) == 1 else "such as a"
        rejected = f"{len(self.lost)} of {many(self.tried, 'kind')} of message"
        return f"rejects {rejected}, {such} {first.kind}: {first.why()}"

    def doubts(self) -> Iterator[str]:
        """Yield what keeps it from being proven, in words that follow "it"."""
        if self.varying:
            looked_at = " and ".join(self.varying)
            yield f"is not provable: it looks at {looked_at}, different in each message"
        elif self.open:
            yield f"is not provable for a {self.open[0].kind}: {self.open[0].why()}"
        if self.bare:
            yield f"rejects a {self.bare[0].kind}: b2bpilot publishes none, but others that publish to the topic may"


def evaluations(policy: str | None, scope: str) -> dict[MessageKind, Evaluation]:
    """Judge every kind of message by a policy (JSON; None lets all through)."""
    if policy is None:
        return dict.fromkeys(kinds(), Evaluation(accepts=True))
    wanted = parsed(policy)
    if wanted is None:
        return dict.fromkeys(kinds(), Evaluation(accepts=None, problem=NO_OBJECT))
    return {kind: _evaluated(wanted, scope, kind) for kind in kinds()}


def _evaluated(wanted: Mapping[str, Any], scope: str, kind: MessageKind) -> Evaluation:
    """A message that nothing of b2bpilot published has a body of which nothing is known; an empty policy looks at none."""
    if scope == BODY_SCOPE and kind.source is None and wanted:
        return Evaluation(accepts=None, problem="nobody knows its body")
    return evaluated(wanted, scope, kind.leaves(scope))


def coverage(policy: str | None, scope: str) -> Coverage:
    """Try every kind of message with a policy (JSON; None lets all through)."""
    judged = evaluations(policy, scope)
    if policy is None:
        return Coverage(tried=len(judged))
    wanted = parsed(policy)
    if wanted is None:
        kind, unread = next(iter(judged.items()))
        return Coverage(tried=len(judged), open=[Rejected(kind=kind, evaluation=unread)])
    found = [
        Rejected(kind=kind, evaluation=one)
        for kind, one in judged.items()
        if not (scope == BODY_SCOPE and kind.source is None)
    ]
    certain = [one for one in found if one.evaluation.accepts is False]
    return Coverage(
        tried=len(found),
        lost=[one for one in certain if one.kind.source],
        bare=[one for one in certain if not one.kind.source],
        open=[one for one in found if one.evaluation.accepts is None],
        varying=_varying(wanted, scope),
        rejects_all=all(one.evaluation.accepts is False for one in found if one.kind.source),
    )


def takes_tests(policy: str | None, scope: str) -> bool | None:
    """Tell whether a test message of some kind passes a policy; None: it cannot be told."""
    found = coverage(policy, scope)
    answers: dict[MessageKind, bool | None] = {kind: True for kind in kinds() if kind.is_test}
    answers |= {one.kind: False for one in found.lost if one.kind.is_test}
    answers |= {one.kind: None for one in found.open if one.kind in answers}
    return either(list(answers.values()))


def _varying(policy: Mapping[str, Any], scope: str) -> list[str]:
    """An empty policy looks at nothing, in the body's scope neither: SNS's way to take a policy away."""
    if scope == BODY_SCOPE:
        return [BODY] if policy else []
    return sorted(VARYING.intersection(keys_of(policy)))
