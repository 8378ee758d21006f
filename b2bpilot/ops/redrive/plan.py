"""What a redrive would do with each dead letter, decided before anything is sent."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from b2bpilot.advice import our_command
from b2bpilot.aws.queue_attributes import Counters
from b2bpilot.errors import PartlyFailed
from b2bpilot.ops.dead_letters.causes import all_others
from b2bpilot.ops.dead_letters.decision import ACTS, Decision, asked_of, has_row
from b2bpilot.ops.table.row_state import Asked, RowState
from b2bpilot.pipeline.dead_letter import DeadLetter
from b2bpilot.pipeline.owner import Owner
from b2bpilot.plural import many

NONE_UNSEEN = Counters(visible=0, hidden=0, delayed=0)


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
    """The dead letters of one window with their decisions, oldest first, and what was seen on the way to them."""

    items: Sequence[Planned]
    saw: int = 0
    has_more: bool = False
    """Whether there are more than the limit took."""
    hidden: int = 0
    """When nothing was seen: about how many somebody else holds."""
    passed: Counter[Decision] = field(default_factory=Counter)
    """What was left alone on the way to dead letters with which something is done, beside the items."""
    passed_owners: Counter[Owner] = field(default_factory=Counter)
    unseen: Counters = NONE_UNSEEN
    """About what SQS counts that may be meant and that no receive brought."""

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

    @property
    def left_alone(self) -> int:
        """How many are neither sent nor removed, here and on the way."""
        return len(self.items) - self.acting + self.passed.total()

    @property
    def others(self) -> int:
        """How many of those are known to be somebody else's."""
        return self.count(Decision.OTHER) + self.passed[Decision.OTHER]

    def followed_by(self, later: Plan) -> Plan:
        """Return the plan with what is done with others, too; what is left alone of them is only counted."""
        items = [*self.items, *(item for item in later.items if item.acts)]
        left = [item for item in later.items if not item.acts]
        return replace(
            later,
            items=sorted(
                items, key=lambda item: (item.dead_letter.sent_at is None, item.dead_letter.sent_at)
            ),
            saw=self.saw + later.saw,
            passed=self.passed + Counter(item.decision for item in left),
            passed_owners=self.passed_owners + _owners(left),
        )

    def within(self, limit: int) -> tuple[Plan, list[DeadLetter]]:
        """Return the plan of the first with which something is done, beside what is left alone; and the surplus."""
        acting = [item for item in self.items if item.acts]
        surplus = {id(item) for item in acting[limit:]}
        kept = [item for item in self.items if id(item) not in surplus]
        has_more = self.has_more or bool(surplus)
        return replace(self, items=kept, has_more=has_more), [item.dead_letter for item in acting[limit:]]

    def once_a_message(self) -> Plan:
        """Return the plan in which of each message one dead letter is sent."""
        seen: set[Asked] = set()
        items = []
        for item in self.items:
            if item.decision is Decision.SEND and has_row(item.dead_letter):
                message = asked_of(item.dead_letter)
                items.append(replace(item, decision=Decision.SECOND) if message in seen else item)
                seen.add(message)
            else:
                items.append(item)
        return replace(self, items=items)

    def by_decision(self) -> Counter[Decision]:
        return Counter(item.decision for item in self.items)

    def owners(self) -> Counter[Owner]:
        """Count what is not ours, and what was adopted, by whose it is."""
        return self.passed_owners + _owners(self.items)

    def summary(self) -> list[tuple[tuple[Decision, str, str], int]]:
        """Count by decision, failure and the row's state, most dead letters first."""
        counts = Counter(
            (item.decision, item.dead_letter.failure.kind.value, item.state.value if item.state else "-")
            for item in self.items
        )
        return counts.most_common()


def require_something_to_do(plan: Plan) -> None:
    """Raises PartlyFailed when dead letters match and nothing may be done with any of them; NotOurs, with the owners' names, when
    none is this environment's."""
    if not (left := plan.left_alone) or plan.acts:
        return
    if left == sum(count for owner, count in plan.owners().items() if not owner.is_ours):
        raise all_others(plan.owners())
    is_poison = plan.count(Decision.POISON) + plan.passed[Decision.POISON]
    raise PartlyFailed(
        f"nothing was sent: {many(left, 'dead letter stays', 'dead letters stay')} in the queue",
        hint=our_command("dlq", "show", "ID")
        + " tells what each needs"
        + ("; --include-poison sends what came back three times" if is_poison else ""),
    )


def _owners(items: Sequence[Planned]) -> Counter[Owner]:
    owners: Mapping[Owner, int] = Counter(item.dead_letter.owner for item in items)
    return Counter({owner: count for owner, count in owners.items() if not owner.is_ours or owner.is_adopted})
