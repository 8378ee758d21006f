"""What a redrive inside AWS has to do, by a look at the queue before, and what became of it, by the rows and a look after.

SQS's counters lag a minute (docs/aws-facts.md#sqs-counters), so they prove nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from b2bpilot.advice import our_command
from b2bpilot.errors import PartlyFailed, PilotError
from b2bpilot.ops.dead_letters.causes import all_others, owners_of
from b2bpilot.ops.dead_letters.peek import Peek, peek
from b2bpilot.ops.ports import VisibilityQueue
from b2bpilot.ops.table.asked import Table
from b2bpilot.ops.table.database_proof import DatabaseProof
from b2bpilot.ops.table.row_state import Asked, RowState, row_states
from b2bpilot.pipeline.dead_letter import DeadLetter
from b2bpilot.pipeline.owner import Owner, Ownership, Subscribers
from b2bpilot.pipeline.remote_run import RemoteRun, belongs, can_be_tried
from b2bpilot.pipeline.waiting import wait_until
from b2bpilot.plural import many

Observe = Callable[[int, int], None]

PATIENCE_SECONDS = 60.0
"""For so long a message that neither is completed nor in sight is looked for: the counters lag, and dead letters rest."""

PAUSE_SECONDS = 5.0


class RemainingKind(StrEnum):
    """What a dead letter that is in the queue at the end is to the run."""

    FAILED_AGAIN = "failed again"
    NOT_TRIED = "not tried"
    """Or tried without an answer, which marks nothing."""
    DISCARDED = "discarded"
    """A person discarded its message: the processor skips it, and it stays."""
    SET_ASIDE = "set aside"
    NOT_OURS = "not ours"
    """Another subscriber's: the redriver does not touch it."""
    GONE = "subscription gone"
    """It may be ours, and nobody said so."""
    UNOWNED = "owner unknown"
    LATER = "came during the run"


ELSEWHERE = {
    Ownership.OTHER: RemainingKind.NOT_OURS,
    Ownership.GONE: RemainingKind.GONE,
    Ownership.UNKNOWN: RemainingKind.UNOWNED,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Backlog:
    """What the queue held before: messages by their dead letters' ids, of those that a run may try. `unseen` is about how many
    dead letters could not be looked at, None when nobody knows any more."""

    messages: Mapping[str, Asked]
    set_aside: int = 0
    """How many others were seen, those of `owners` among them."""
    owners: Mapping[Owner, int] = field(default_factory=dict)
    """Whose those are that are not this environment's, or were adopted."""
    gone: frozenset[str] = frozenset()
    """The subscriptions that are named and exist no longer."""
    own: frozenset[str] = frozenset()
    """Those that are named and end in the stack."""
    unseen: int | None = None

    @property
    def others(self) -> int:
        """How many are not this environment's."""
        return sum(count for owner, count in self.owners.items() if not owner.is_ours)

    def entries(self) -> Iterator[Mapping[str, object]]:
        """Yield what the journal keeps of each dead letter before anything is done."""
        for dead_letter, message in self.messages.items():
            yield {
                "event": "planned",
                "queue_message_id": dead_letter,
                "message_id": message.message_id,
                "decision": "send",
                **({"test": True} if message.test else {}),
            }


@dataclass(slots=True, kw_only=True)
class Left:
    """What the queue holds at the end. `why` is the failure of each message that failed again."""

    places: Counter[RemainingKind] = field(default_factory=Counter)
    messages: dict[Asked, RemainingKind] = field(default_factory=dict)
    why: dict[Asked, str] = field(default_factory=dict)
    hidden: int = 0
    """About so many could not be looked at: somebody else holds them, or they rest."""


LEFT_AS = {"subscription_gone": "of a subscription that is gone", "owner_unknown": "of an unknown owner"}
"""How an error says what is counted under a name that reads otherwise."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RedriveInAwsOutcome:
    """What became of the backlog. `states` are the rows', None when no database could tell, and `database_error` why."""

    backlog: Backlog
    left: Left
    states: Mapping[Asked, RowState] | None
    database: DatabaseProof | None = None
    database_error: str | None = None

    @property
    def completed(self) -> int | None:
        """How many messages of the backlog have a completed row."""
        if self.states is None:
            return None
        return sum(state is RowState.COMPLETED for state in self.states.values())

    @property
    def missing(self) -> frozenset[Asked]:
        """Messages that neither are completed nor were seen in the queue; without rows nobody can say."""
        return frozenset(
            message
            for message, state in (self.states or {}).items()
            if state is not RowState.COMPLETED and message not in self.left.messages
        )

    @property
    def is_everything_completed(self) -> bool:
        """Whether it is proven that nothing is left which the run should have handled. Dead letters that cannot be seen are no
        dead letters of the run when all of those were seen before, and are completed."""
        places = self.left.places
        mine = places.total() - places[RemainingKind.LATER] - places[RemainingKind.NOT_OURS]
        is_seen = self.left.hidden == 0 or self.backlog.unseen == 0
        return self.states is not None and not self.missing and mine == 0 and is_seen

    def counts(self) -> dict[str, int]:
        places = self.left.places
        return {
            "completed": self.completed or 0,
            "failed_again": places[RemainingKind.FAILED_AGAIN],
            "not_tried": places[RemainingKind.NOT_TRIED],
            "discarded": places[RemainingKind.DISCARDED],
            "set_aside": places[RemainingKind.SET_ASIDE],
            "not_ours": places[RemainingKind.NOT_OURS],
            "subscription_gone": places[RemainingKind.GONE],
            "owner_unknown": places[RemainingKind.UNOWNED],
            "later": places[RemainingKind.LATER],
            "hidden": self.left.hidden,
            "missing": len(self.missing),
        }

    def require_everything_completed(self) -> None:
        """Raises PartlyFailed unless it is proven that nothing is left which the run should have handled."""
        if self.is_everything_completed:
            return
        if self.completed is None:
            raise PartlyFailed(
                f"nothing is proven: {self.database_error}",
                hint=our_command("dlq", "list") + " shows what is left",
            )
        left = [
            f"{many(count, 'message' if name == 'missing' else 'dead letter')} {LEFT_AS.get(name, name.replace('_', ' '))}"
            for name, count in self.counts().items()
            if count and name not in ("completed", RemainingKind.LATER.name.lower())
        ]
        raise PartlyFailed(
            f"{many(self.completed, 'message')} completed; {', '.join(left)}",
            hint=our_command("dlq", "list") + " shows what is in the queue now",
        )


def take_stock(
    queue: VisibilityQueue, *, now: datetime, observe: Observe, subscribers: Subscribers | None = None
) -> Backlog:
    """Peek at everything that is in the queue, and give it back. Raises AwsError."""
    messages: dict[str, Asked] = {}
    named: set[str] = set()

    def visit(dead_letter: DeadLetter) -> None:
        named.update(dead_letter.addressee.subscription_arns)
        if can_be_tried(dead_letter) and dead_letter.message:
            messages[dead_letter.queue_message_id] = Asked.of(dead_letter.message)

    seen = peek(queue, now=now, visit=visit, observe=observe)
    return Backlog(
        messages=messages,
        set_aside=seen.saw - len(messages),
        owners=owners_of(seen.found),
        gone=frozenset(arn for arn in named if subscribers and _is_gone(subscribers, arn)),
        own=frozenset(
            arn for arn in named if subscribers and subscribers.owner_of_subscription(arn).rows_count
        ),
        unseen=_unseen(seen),
    )


def require_not_only_others(backlog: Backlog) -> None:
    """Raises NotOurs, with the owners' names, when all that was seen is not this environment's."""
    if backlog.others and backlog.others == backlog.set_aside:
        raise all_others(backlog.owners)


def conclude(
    queue: VisibilityQueue,
    table: Table,
    backlog: Backlog,
    run: RemoteRun,
    *,
    now: datetime,
) -> RedriveInAwsOutcome:
    """Return what became of the backlog of a run that is over. Raises AwsError."""

    def outcome() -> RedriveInAwsOutcome:
        states, proof, error = _states(table, backlog)
        left = _look(queue, run, now, states or {})
        return RedriveInAwsOutcome(
            backlog=backlog, left=left, states=states, database=proof, database_error=error
        )

    return wait_until(
        outcome,
        enough=lambda seen: not (seen.missing or seen.left.hidden),
        seconds=PATIENCE_SECONDS,
        pause_seconds=PAUSE_SECONDS,
    )


def journal_entries(outcome: RedriveInAwsOutcome) -> Iterator[Mapping[str, object]]:
    """Yield what the journal keeps of each dead letter of the backlog: the mapping deletes, so a dead letter that is gone was deleted."""
    states = outcome.states or {}
    for dead_letter, message in outcome.backlog.messages.items():
        ids = {"queue_message_id": dead_letter, "message_id": message.message_id}
        match outcome.left.messages.get(message):
            case None if states.get(message) is RowState.COMPLETED:
                yield {"event": "deleted", **ids}
            case None:
                said = "neither completed" if outcome.states is not None else "neither asked for by its row"
                yield {"event": "unknown", **ids, "error": f"{said} nor seen in the queue"}
            case RemainingKind.FAILED_AGAIN:
                yield {"event": "failed", **ids, "error": outcome.left.why[message]}
            case place:
                yield {"event": "released", **ids, "error": place.value}


def _look(queue: VisibilityQueue, run: RemoteRun, now: datetime, states: Mapping[Asked, RowState]) -> Left:
    left = Left()

    def visit(dead_letter: DeadLetter) -> None:
        place = _place(dead_letter, run, states)
        left.places[place] += 1
        if dead_letter.message is None or place in ELSEWHERE.values():
            return
        message = Asked.of(dead_letter.message)
        if place is RemainingKind.FAILED_AGAIN:
            left.why[message] = dead_letter.failure.text or "no error recorded"
        if left.messages.setdefault(message, place) is RemainingKind.LATER:
            left.messages[message] = place

    left.hidden = _unseen(peek(queue, now=now, visit=visit))
    return left


def _is_gone(subscribers: Subscribers, arn: str) -> bool:
    return subscribers.owner_of_subscription(arn).ownership is Ownership.GONE


def _unseen(seen: Peek) -> int:
    return max(0, seen.about - seen.saw)


def _place(dead_letter: DeadLetter, run: RemoteRun, states: Mapping[Asked, RowState]) -> RemainingKind:
    if dead_letter.redriven_by == run.run_id:
        return RemainingKind.FAILED_AGAIN
    if belongs(dead_letter, run):
        is_discarded = dead_letter.message and states.get(Asked.of(dead_letter.message)) is RowState.DISCARDED
        return RemainingKind.DISCARDED if is_discarded else RemainingKind.NOT_TRIED
    is_later = dead_letter.sent_at is not None and dead_letter.sent_at >= run.started_at
    if not dead_letter.owner.is_ours and not is_later:
        return ELSEWHERE.get(dead_letter.owner.ownership, RemainingKind.UNOWNED)
    return RemainingKind.LATER if is_later else RemainingKind.SET_ASIDE


def _states(
    table: Table, backlog: Backlog
) -> tuple[Mapping[Asked, RowState] | None, DatabaseProof | None, str | None]:
    try:
        if not table.proof.is_proven:
            return None, table.proof, table.proof.told()
        return row_states(table, backlog.messages.values()), table.proof, None
    except PilotError as exc:
        return None, None, str(exc)
