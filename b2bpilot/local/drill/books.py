"""What was sent against what is there: rows and replies, each exactly once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from b2bpilot.local.drill.plan import DrillPlan
from b2bpilot.local.drill.traffic import DrillMessage
from b2bpilot.ops.load.report import LoadLatency
from b2bpilot.pipeline.models import ReplyState, SubmissionStatus, UserSubmission

UNCLEAR = (ReplyState.SENDING, ReplyState.UNKNOWN)


@dataclass(frozen=True, slots=True, kw_only=True)
class DrillFound:
    """What is there at the end. `replies` by receiver; `failed_calls`: the URLs that failed, by MessageSid; `waiting`: what
    the dead side had accepted when it was about to come back, and `back_at` when that was."""

    rows: Sequence[UserSubmission] = field(repr=False)
    replies: Mapping[str, int] = field(repr=False)
    failed_calls: Mapping[str, frozenset[str]] = field(repr=False)
    waiting: frozenset[str] = field(repr=False)
    back_at: datetime
    dead_letters: Mapping[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class DrillPhase:
    """The messages that came in before, during or after the outage, and how long each took to its completed row."""

    name: str
    sent: int
    latency: LoadLatency


@dataclass(frozen=True, slots=True, kw_only=True)
class DrillBooks:
    """Counts of messages, but for `dead_letters`, which are those of each region. `lost`: a webhook took it, and no row is
    completed. `refused`: neither did, and there is none; Twilio has it. `not_taken`: neither did as far as Twilio knows, stored
    or not: a webhook may have answered too late."""

    sent: int
    stored: int
    lost: Sequence[str]
    refused: Sequence[str]
    stored_twice: Sequence[str]
    answered: int
    answered_twice: Sequence[str]
    unclear_replies: int
    not_taken: int
    over_fallback: int
    waiting: int
    waiting_stored_meanwhile: int
    waiting_stored_after: int
    phases: Sequence[DrillPhase]
    dead_letters: Mapping[str, int]

    @property
    def balances(self) -> bool:
        return not (self.lost or self.refused or self.stored_twice or self.answered_twice)


def balance(
    messages: Sequence[DrillMessage], found: DrillFound, plan: DrillPlan, *, primary_url: str
) -> DrillBooks:
    """Settle every message."""
    rows = Counter(row.message_sid for row in found.rows)
    completed = {
        row.message_sid: row.completed_at
        for row in found.rows
        if row.status == SubmissionStatus.COMPLETED and row.completed_at is not None
    }
    replies = {message.sid: found.replies.get(message.sender, 0) for message in messages}
    unclear = {row.message_sid for row in found.rows if row.reply_state in UNCLEAR}
    waited = [
        completed[message.sid]
        for message in messages
        if message.message_id in found.waiting and message.sid in completed
    ]
    meanwhile = sum(at < found.back_at for at in waited)
    return DrillBooks(
        sent=len(messages),
        stored=sum(message.sid in completed for message in messages),
        lost=_sids(each for each in messages if each.was_taken and each.sid not in completed),
        refused=_sids(each for each in messages if not each.was_taken and each.sid not in completed),
        stored_twice=_sids(message for message in messages if rows[message.sid] > 1),
        answered=sum(replies[message.sid] > 0 for message in messages),
        answered_twice=_sids(message for message in messages if replies[message.sid] > 1),
        unclear_replies=sum(message.sid in unclear for message in messages),
        not_taken=sum(not message.was_taken for message in messages),
        over_fallback=sum(
            message.was_taken and primary_url in found.failed_calls.get(message.sid, ())
            for message in messages
        ),
        waiting=len(found.waiting & {message.message_id for message in messages}),
        waiting_stored_meanwhile=meanwhile,
        waiting_stored_after=len(waited) - meanwhile,
        phases=[
            _phase("before", [each for each in messages if each.at < plan.stop_at], completed),
            _phase(
                "during", [each for each in messages if plan.stop_at <= each.at < plan.back_at], completed
            ),
            _phase("after", [each for each in messages if each.at >= plan.back_at], completed),
        ],
        dead_letters=found.dead_letters,
    )


def _sids(messages: Iterable[DrillMessage]) -> list[str]:
    return [message.sid for message in messages]


def _phase(
    name: str, messages: Sequence[DrillMessage], completed: Mapping[str | None, datetime]
) -> DrillPhase:
    """The database is on this machine: there is one clock."""
    values = [
        max(0.0, (completed[each.sid] - each.sent_at).total_seconds()) * 1000
        for each in messages
        if each.sid in completed
    ]
    return DrillPhase(name=name, sent=len(messages), latency=LoadLatency(values=sorted(values)))
