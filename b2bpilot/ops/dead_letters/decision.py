"""What may be done with a dead letter, by its owner, its message's row and how often it failed."""

from __future__ import annotations

from enum import StrEnum
from typing import assert_never

from b2bpilot.ops.table.row_state import Asked, RowState
from b2bpilot.pipeline.dead_letter import POISON_AFTER, DeadLetter
from b2bpilot.pipeline.owner import Owner, Ownership


def asked_of(dead_letter: DeadLetter) -> Asked:
    """Return the message of a dead letter that can be read; others are neither asked about nor sent."""
    return Asked.of(dead_letter.message) if dead_letter.message else Asked("")


def has_row(dead_letter: DeadLetter) -> bool:
    """Whether a row of ours can say what became of the dead letter's message."""
    return dead_letter.message is not None and dead_letter.owner.rows_count


class Decision(StrEnum):
    """Only `send` sends; only `send`, `second` and `remove` may delete."""

    SEND = "send"
    SECOND = "second"
    """Another dead letter of its message is sent: it is removed when the row is completed then, and stays else."""
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


ACTS = frozenset({Decision.SEND, Decision.SECOND, Decision.REMOVE})
LEFT = {RowState.DISCARDED: Decision.DISCARDED, RowState.IN_PROGRESS: Decision.BUSY}
NOT_OURS = frozenset({Decision.OTHER, Decision.GONE, Decision.UNOWNED})


def decide(
    dead_letter: DeadLetter,
    state: RowState | None,
    *,
    failures: int,
    include_completed: bool = False,
    include_poison: bool = False,
) -> Decision:
    """`failures` is how often it was sent again and failed. What is not ours is left, whatever else is known of it."""
    if not dead_letter.owner.is_ours:
        return decision_about_owner(dead_letter.owner)
    if dead_letter.event is None:
        return Decision.UNREADABLE
    if state is RowState.COMPLETED and dead_letter.owner.rows_count and not include_completed:
        return Decision.REMOVE
    if state in LEFT:
        return LEFT[state]
    if failures >= POISON_AFTER and not include_poison:
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
