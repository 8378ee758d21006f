"""What a redrive would do with each dead letter, decided before anything is sent."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import assert_never

from b2bpilot.ops.dead_letters.asked import asked_of, has_row
from b2bpilot.ops.table.row_state import Asked, RowState
from b2bpilot.pipeline.dead_letter import POISON_AFTER, DeadLetter
from b2bpilot.pipeline.owner import Owner, Ownership


class Decision(StrEnum):
    """Only `send` sends; only `send` and `remove` may delete."""

    SEND = "send"
    REMOVE = "remove"
    """The row is completed: the dead letter is only removed."""
    POISON = "set aside"
    """It was sent three times and failed; somebody must look at it."""
    BUSY = "in progress"
    """A lease on the message holds; sending now would prove nothing."""
    DISCARDED = "discarded"
    """A person discarded its message: the processor would skip it. It is discarded, too, or that run is restored."""
    UNREADABLE = "unreadable"
    OTHER = "somebody else's"
    """It is for another subscriber."""
    GONE = "subscription gone"
    """It names a subscription that no longer exists; adopted, it is the processor's."""
    UNOWNED = "owner unknown"


ACTS = frozenset({Decision.SEND, Decision.REMOVE})
LEFT = {RowState.DISCARDED: Decision.DISCARDED, RowState.IN_PROGRESS: Decision.BUSY}
NOT_OURS = frozenset({Decision.OTHER, Decision.GONE, Decision.UNOWNED})


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    include_completed: bool = False
    include_poison: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """A dead letter, what the database says of its message (None: it was not asked), and what is to be done."""

    dead_letter: DeadLetter
    state: RowState | None
    decision: Decision

    @property
    def acts(self) -> bool:
        return self.decision in ACTS


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """All dead letters of a run with their decisions, oldest first."""

    items: Sequence[Planned]

    def dead_letters(self, decision: Decision) -> list[DeadLetter]:
        return [item.dead_letter for item in self.items if item.decision is decision]

    def count(self, decision: Decision) -> int:
        return sum(item.decision is decision for item in self.items)

    @property
    def acts(self) -> bool:
        """Whether anything would be sent or removed."""
        return any(item.acts for item in self.items)

    @property
    def acting(self) -> int:
        """How many are sent or removed: what a limit counts."""
        return sum(item.acts for item in self.items)

    def left_alone(self) -> Plan:
        return Plan(items=[item for item in self.items if not item.acts])

    def with_acting_of(self, later: Plan) -> Plan:
        """Return the plan with what is done with others, too."""
        items = [*self.items, *(item for item in later.items if item.acts)]
        return Plan(
            items=sorted(items, key=lambda item: (item.dead_letter.sent_at is None, item.dead_letter.sent_at))
        )

    def within(self, limit: int) -> tuple[Plan, list[DeadLetter]]:
        """Return the plan of the first with which something is done, beside what is left alone; and the surplus."""
        acting = [item for item in self.items if item.acts]
        surplus = {id(item) for item in acting[limit:]}
        kept = [item for item in self.items if id(item) not in surplus]
        return Plan(items=kept), [item.dead_letter for item in acting[limit:]]

    def by_decision(self) -> Counter[Decision]:
        return Counter(item.decision for item in self.items)

    def owners(self) -> Counter[Owner]:
        """Count what is not ours, and what was adopted, by whose it is."""
        owners = (item.dead_letter.owner for item in self.items)
        return Counter(owner for owner in owners if not owner.is_ours or owner.is_adopted)

    def summary(self) -> list[tuple[tuple[Decision, str, str], int]]:
        """Count by decision, failure and the row's state, most dead letters first."""
        counts = Counter(
            (item.decision, item.dead_letter.failure.kind.value, item.state.value if item.state else "-")
            for item in self.items
        )
        return counts.most_common()


def make_plan(
    dead_letters: Sequence[DeadLetter],
    states: Mapping[Asked, RowState],
    options: Options,
    *,
    failed_before: Mapping[str, int] = MappingProxyType({}),
) -> Plan:
    """Decide for every dead letter. Of which nothing is known, that is not known to be completed, and so not removed.

    `failed_before` is how often it was sent and failed, by its id in the queue, where the dead letter itself cannot tell.
    """
    items = []
    for dead_letter in dead_letters:
        state = states.get(asked_of(dead_letter), RowState.UNKNOWN) if has_row(dead_letter) else None
        tries = max(dead_letter.redrives, failed_before.get(dead_letter.queue_message_id, 0))
        decision = decide(dead_letter, state, options, tries=tries)
        items.append(Planned(dead_letter=dead_letter, state=state, decision=decision))
    return Plan(items=items)


def decide(dead_letter: DeadLetter, state: RowState | None, options: Options, *, tries: int) -> Decision:
    """`tries` is how often it was sent again and failed. What is not ours is left, whatever else is known of it."""
    if not dead_letter.owner.is_ours:
        return decision_about_owner(dead_letter.owner)
    if dead_letter.event is None:
        return Decision.UNREADABLE
    if state is RowState.COMPLETED and dead_letter.owner.rows_count and not options.include_completed:
        return Decision.REMOVE
    if state in LEFT:
        return LEFT[state]
    if tries >= POISON_AFTER and not options.include_poison:
        return Decision.POISON
    return Decision.SEND


def decision_about_owner(owner: Owner) -> Decision:
    """Return why what is not ours is left."""
    match owner.ownership:
        case Ownership.OTHER:
            return Decision.OTHER
        case Ownership.GONE:
            return Decision.GONE
        case Ownership.UNKNOWN | Ownership.OURS:
            return Decision.UNOWNED
        case _:
            assert_never(owner.ownership)
