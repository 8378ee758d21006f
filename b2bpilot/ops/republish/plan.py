"""Which rows are published again, and why the others are not."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from b2bpilot.errors import NOTHING_PUBLISHED, MessageUnreadable, Refused
from b2bpilot.ops.table.database_proof import DatabaseProof
from b2bpilot.pipeline.message import PilotMessage
from b2bpilot.pipeline.models import ReplyState, SubmissionStatus, UserSubmission
from b2bpilot.pipeline.stale_message import identity_of, message_from


class RowDecision(StrEnum):
    """What becomes of a row. The values stand in journals."""

    SEND = "send"
    COMPLETED = "completed"
    LEASED = "leased"
    DISCARDED = "discarded"
    UNIDENTIFIED = "no message_id"
    UNREADABLE = "unreadable"


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedRow:
    """One row. `why` says what keeps it from being published; None when nothing does."""

    row: UserSubmission = field(repr=False)
    decision: RowDecision
    message: PilotMessage | None = field(default=None, repr=False)
    why: str | None = None

    @property
    def message_id(self) -> str:
        return self.message.message_id if self.message else self.row.message_id or ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RepublishPlan:
    items: Sequence[PlannedRow]

    @property
    def to_send(self) -> Sequence[PlannedRow]:
        return [one for one in self.items if one.decision is RowDecision.SEND]

    @property
    def left(self) -> Sequence[PlannedRow]:
        return [one for one in self.items if one.decision is not RowDecision.SEND]

    @property
    def tests(self) -> int:
        return sum(one.row.test for one in self.to_send)

    @property
    def replies_begun(self) -> int:
        """Messages whose reply was sent, refused, or is not known to be: the processor sends them none."""
        return sum(one.row.reply_state is not None for one in self.to_send)

    @property
    def replies_unknown(self) -> int:
        return sum(one.row.reply_state in (ReplyState.SENDING, ReplyState.UNKNOWN) for one in self.to_send)

    @property
    def unmarked(self) -> int:
        """Discarded messages whose mark is taken back."""
        return sum(one.row.discarded_by is not None for one in self.to_send)

    @property
    def unknown_priorities(self) -> dict[str, int]:
        known = {"normal", "high", None}
        return Counter(str(one.row.priority) for one in self.to_send if one.row.priority not in known)


def plan(rows: Iterable[UserSubmission], *, now: datetime, discarded: bool) -> RepublishPlan:
    """Judge each row once. `now` is the database's clock; `discarded` takes also what a person discarded."""
    unique = {row.id: row for row in rows}
    return RepublishPlan(items=[decide(row, now=now, discarded=discarded) for row in unique.values()])


def decide(row: UserSubmission, *, now: datetime, discarded: bool) -> PlannedRow:
    if row.status is SubmissionStatus.COMPLETED:
        return PlannedRow(row=row, decision=RowDecision.COMPLETED, why="it is completed")
    if row.is_leased(now=now):
        why = f"a lease on it holds until {row.lease_expires_at:%H:%M:%S} UTC: a run is at work on it, or died a moment ago"
        return PlannedRow(row=row, decision=RowDecision.LEASED, why=why)
    if row.discarded_by is not None and not discarded:
        why = f"a person discarded it in run {row.discarded_by}"
        return PlannedRow(row=row, decision=RowDecision.DISCARDED, why=why)
    if row.message_id is None:
        why = "it has no message_id: the stale processor gives it one, and publishes it"
        return PlannedRow(row=row, decision=RowDecision.UNIDENTIFIED, why=why)
    try:
        message = message_from(row, identity_of(row), lenient=True)
    except MessageUnreadable as exc:
        return PlannedRow(row=row, decision=RowDecision.UNREADABLE, why=str(exc))
    return PlannedRow(row=row, decision=RowDecision.SEND, message=message)


def require_proven(proof: DatabaseProof) -> None:
    """Raise Refused when these may be another environment's rows: its messages would be stored and answered here."""
    if not proof.is_proven:
        raise Refused(
            f"{proof.told()}. Its rows may be another environment's messages",
            hint="leave --database-url out, or name the database as the stack's secret does",
            outcome=NOTHING_PUBLISHED,
        )


def require_something(plan: RepublishPlan) -> None:
    """Raise Refused when rows were named and none of them can be published."""
    if plan.items and not plan.to_send:
        first = plan.items[0]
        more = f", and {len(plan.items) - 1:,} more" if len(plan.items) > 1 else ""
        hint = "--discarded takes it" if first.decision is RowDecision.DISCARDED else None
        raise Refused(f"message {first.message_id}{more}: {first.why}", hint=hint, outcome=NOTHING_PUBLISHED)
