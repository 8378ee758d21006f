"""Whose a dead letter is: told from what it names, and from who is subscribed. The only place that decides it (decision 12).

A topic may have other subscribers, and their dead letters may land in this queue. Our rows say nothing of what became of
theirs, our processor is not who they were for, and the only copy is not ours to delete.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol, assert_never

from b2bpilot.pipeline.addressee import Addressee


class Ownership(StrEnum):
    OURS = "ours"
    """It was for a function or queue of this environment's stack."""
    OTHER = "somebody else's"
    """It names a live subscription that ends elsewhere."""
    GONE = "gone"
    """It names a subscription that no longer exists. The processor's own looks like that, too, once it was made anew."""
    UNKNOWN = "unknown"
    """Nobody was asked, or nobody could answer."""


def asker_of(subscriber: str | None) -> str:
    """Say for whom something is asked or done: nobody named is the processor, for which the environment stands."""
    return f"subscriber {subscriber}" if subscriber else "this environment"


@dataclass(frozen=True, slots=True, kw_only=True)
class Owner:
    """Whose a dead letter is. `name` says it to people: an endpoint, an ARN, or why nobody knows."""

    ownership: Ownership
    name: str = ""
    subscription_arn: str | None = None
    is_adopted: bool = False
    """Its subscription is gone, and somebody said that it was the processor's."""
    subscriber: str = ""
    """For whom that was asked, where it was not the processor: `ours` is that subscriber's then."""
    lane: str | None = None
    """Which of our own subscriptions it names, where it is not the processor's."""

    @property
    def is_ours(self) -> bool:
        """Whether it may be sent to the processor, and deleted."""
        return self.ownership is Ownership.OURS

    @property
    def rows_count(self) -> bool:
        """Whether a row of ours says what became of it. Of what was adopted on somebody's word none does, nor of what was for
        another subscriber."""
        return self.is_simply_ours and not self.subscriber

    @property
    def is_simply_ours(self) -> bool:
        """Whether nobody had to say so."""
        return self.is_ours and not self.is_adopted

    @property
    def asker(self) -> str:
        """Say for whom it was asked."""
        return asker_of(self.subscriber)

    @property
    def adopter(self) -> str:
        """Say whose it is once it is adopted."""
        return f"{self.asker if self.subscriber else 'the processor'}'s"

    @property
    def whose(self) -> str:
        """Say it behind "2 dead letters". Those of a subscription that is gone, or of nobody knows whom, may be ours."""
        match self.ownership:
            case Ownership.UNKNOWN:
                return f"whose owner is {self}"
            case _:
                return f"of {self}"

    @property
    def not_ours(self) -> str:
        """Say that it is left alone, and why: only of a live subscriber's it is certain."""
        known = "not" if self.ownership is Ownership.OTHER else "not known to be"
        return f"{known} {self.asker}'s: {self}"

    def __str__(self) -> str:
        match self.ownership:
            case Ownership.OURS:
                return f"adopted from {self.name}" if self.is_adopted else self.asker
            case Ownership.OTHER:
                return self.name
            case Ownership.GONE:
                return f"a subscription that no longer exists: {self.name}"
            case Ownership.UNKNOWN:
                return f"unknown: {self.name}" if self.name else "unknown"
            case _:
                assert_never(self.ownership)


NOBODY_ASKED = Owner(ownership=Ownership.UNKNOWN, name="nobody was asked who is subscribed")
"""What a dead letter has until somebody judged it: so nothing can be done with it by forgetting to."""
OURS = Owner(ownership=Ownership.OURS)


class Subscribers(Protocol):
    """Who is subscribed, as far as it is known."""

    def owner_of_subscription(self, arn: str) -> Owner:
        """Return whose a subscription is; `ours` is also what was adopted."""
        ...

    def is_own(self, arn: str) -> bool:
        """Whether it is a function or a queue of the one who asks."""
        ...

    def is_marked_for(self, endpoint: str | None) -> bool:
        """Whether a redrive's mark that names this, None is the processor, was made for the one who asks."""
        ...

    def owner_of_nameless(self) -> Owner:
        """Return whose a dead letter is that names no subscription: ours, unless another subscriber's could look so."""
        ...


def owner_of(addressee: Addressee, subscribers: Subscribers) -> Owner:
    """Return whose a dead letter is that names this.

    Whoever names a live subscriber belongs to it, whatever else it says. The mark of a redrive to us, or a function of ours,
    makes the rest ours: unless nobody can tell that the subscription it names is not a live one.
    """
    named = [subscribers.owner_of_subscription(arn) for arn in addressee.subscription_arns]
    for ownership in (Ownership.OTHER, Ownership.UNKNOWN):
        if found := next((one for one in named if one.ownership is ownership), None):
            return found
    for verb, sender in (("written", addressee.function_arn), ("given up", addressee.queue_arn)):
        if sender is not None and not subscribers.is_own(sender):
            return Owner(ownership=Ownership.UNKNOWN, name=f"{verb} by {sender}, which is another's")
    mark = addressee.redriven
    is_marked = mark is not None and subscribers.is_marked_for(mark.subscriber)
    if is_marked or addressee.function_arn or addressee.queue_arn:
        return OURS
    if named:
        return min(named, key=_caution)
    if mark is not None:
        return Owner(
            ownership=Ownership.UNKNOWN,
            name=f"it was redriven to {mark.subscriber or 'the processor'} and names no subscription",
        )
    return subscribers.owner_of_nameless()


def _caution(owner: Owner) -> int:
    """Of several, the one that allows least comes first."""
    return 2 if owner.rows_count else 1 if owner.is_ours else 0
