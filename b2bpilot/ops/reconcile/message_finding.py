"""What a message at Twilio and its row say together."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from b2bpilot.pipeline.models import Progress, SubmissionStatus
from b2bpilot.twilio.messages import InboundMessage
from b2bpilot.twilio.redaction import Content


class ComparisonResult(StrEnum):
    STORED = "stored"
    LATE = "late"
    """Stored, long after Twilio had it."""
    MISSING = "missing"
    LOST_AT_TWILIO = "lost at Twilio"
    """It has no row, and Twilio's copy is redacted, or may be: what is left of it is not the message."""
    DEAD_LETTER = "dead letter"
    """It has no row and is in the dead-letter queue: a redrive brings it back with all that the webhook said."""
    ID_TAKEN = "id taken"
    """It has no row, and a test's row has its message_id: the processor refuses it, so it is never published."""
    FAILED = "failed"
    """It has a row, which failed or was given up: a dead letter, as a rule."""
    UNFINISHED = "unfinished"
    """Its row is waiting, or a run works on it: the stale processor looks after it."""
    FRESH = "not judged yet"
    UNDATED = "no date"
    """It has no row, and Twilio's copy has no date: whether it is of the period, or fresh, is not known."""
    ROUTE_UNKNOWN = "route unknown"
    """It has no row, and nobody can tell whether it was to come here."""
    NOT_ROUTED_HERE = "not routed here"
    """It has no row, and its number delivers to another system: that one's, as far as anybody can tell."""
    STATUS_CALLBACK = "status callback"
    """A row that is no message: an earlier version stored a delivery report."""
    NOT_LISTED = "not in Twilio's list"
    """A row of this Twilio account that the list lacks, and of which nothing more is known: the list lags."""
    UNKNOWN_TO_TWILIO = "not at Twilio"
    """The list lacks it and, asked for it by its SID, the account has none: deleted there, or never this account's."""
    OTHER_ACCOUNT = "another account"
    """A row that names another Twilio account than the one that was asked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparisonPeriod:
    """`since` and `until` bound what is compared, by the time of Twilio's webhook call."""

    since: datetime
    until: datetime
    late_after: timedelta = timedelta(minutes=1)
    fresh_for: timedelta = timedelta(minutes=5)

    def covers(self, moment: datetime) -> bool:
        return self.since <= moment <= self.until

    def is_fresh(self, moment: datetime) -> bool:
        return moment > self.until - self.fresh_for


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageFinding:
    """A message about which there is something to say. `late_seconds` only where it is late; `why` where it is known."""

    result: ComparisonResult
    sid: str
    message_id: str | None
    sent_at: datetime
    """Where `is_dated` is false, the beginning of the period: for the order only."""
    is_dated: bool = True
    late_seconds: float | None = None
    why: str | None = None
    alert_sid: str | None = None
    error_code: str | None = None
    to: str | None = field(default=None, repr=False)
    content: Content = Content.TEXT
    """What Twilio's copy shows."""


ID_TAKEN = "a test's row has its message_id, so the processor refuses it: only once that row is deleted can it be stored"


UNDATED = "Twilio's copy has no date: whether it is of this time is not known"


def compare_message(
    message: InboundMessage,
    message_id: str,
    row: Progress | None,
    period: ComparisonPeriod,
    *,
    is_id_taken: bool = False,
) -> MessageFinding:
    """Return the result of comparing one message; a row from before the migration is not seen here. `is_id_taken`: by a test."""
    late_by = _lateness(message, row)
    return MessageFinding(
        result=_result(message, row, period, late_by, is_id_taken=is_id_taken),
        sid=message.sid,
        message_id=message_id,
        sent_at=message.sent_at or period.since,
        is_dated=message.sent_at is not None,
        late_seconds=late_by.total_seconds() if late_by is not None and late_by > period.late_after else None,
        why=ID_TAKEN
        if is_id_taken
        else row.last_error
        if row
        else UNDATED
        if message.sent_at is None
        else None,
        to=message.to,
        content=message.content,
    )


def _result(
    message: InboundMessage,
    row: Progress | None,
    period: ComparisonPeriod,
    late_by: timedelta | None,
    *,
    is_id_taken: bool,
) -> ComparisonResult:
    if row is not None and row.status is SubmissionStatus.COMPLETED:
        return (
            ComparisonResult.LATE
            if late_by is not None and late_by > period.late_after
            else ComparisonResult.STORED
        )
    if message.sent_at is not None and period.is_fresh(message.sent_at):
        return ComparisonResult.FRESH
    if row is None and is_id_taken:
        return ComparisonResult.ID_TAKEN
    if row is None:
        return ComparisonResult.UNDATED if message.sent_at is None else ComparisonResult.MISSING
    if row.status in (SubmissionStatus.FAILED, SubmissionStatus.ABANDONED):
        return ComparisonResult.FAILED
    return ComparisonResult.UNFINISHED


def _lateness(message: InboundMessage, row: Progress | None) -> timedelta | None:
    if row is None or row.completed_at is None or message.sent_at is None:
        return None
    return row.completed_at - message.sent_at
