"""A row of the table, and the words for its state."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum


class SubmissionStatus(StrEnum):
    """Where a message is on its way. Only `completed` is final for good; a redrive may take up the others."""

    PENDING = "pending"
    """Recorded by the system before this one and not processed yet."""
    PROCESSING = "processing"
    """Claimed; a run holds the lease, or died with it."""
    FAILED = "failed"
    """The last run raised; `last_error` says what."""
    COMPLETED = "completed"
    ABANDONED = "abandoned"
    """The stale processor gave it up, or a person discarded it; only a person brings it back."""


class ReplyState(StrEnum):
    """Twilio has no idempotency key for sending, so the row says `sending` before the call
    (docs/aws-facts.md#sending-twice)."""

    SENDING = "sending"
    SENT = "sent"
    REFUSED = "refused"
    UNKNOWN = "unknown"
    """A run ended between `sending` and the answer. Nothing is sent again; a person decides."""


def known_status(stored: str) -> SubmissionStatus | str:
    """Return the status that the table holds; what another version wrote, and this one does not know, stays text."""
    try:
        return SubmissionStatus(stored)
    except ValueError:
        return stored


def known_reply_state(stored: str | None) -> ReplyState | str | None:
    """As `known_status`, of a reply."""
    try:
        return ReplyState(stored) if stored else None
    except ValueError:
        return stored


@dataclass(frozen=True, slots=True, kw_only=True)
class UserSubmission:
    """One row of `b2b_pilot_user_submissions`. Times are aware; rows older than the migration lack most fields."""

    id: int
    message_id: str | None
    message_sid: str | None
    from_number: str | None = field(repr=False)
    to_number: str | None = field(repr=False)
    body: str | None = field(repr=False)
    num_media: int
    status: SubmissionStatus | str
    source: str | None
    message_type: str | None
    priority: str | None
    test: bool
    params: Mapping[str, str] | None = field(repr=False)
    attempts: int
    lease_expires_at: datetime | None
    last_error: str | None
    reply_state: ReplyState | str | None
    reply_sid: str | None
    stale_attempts: int
    received_at: datetime | None
    created_at: datetime
    updated_at: datetime
    completed_at: datetime | None
    discarded_by: str | None = None
    """The run in which a person discarded the message: a delivery does not store it any more."""
    republished_at: datetime | None = None
    """When SNS accepted it again, from the stale processor or `submissions republish`."""

    @property
    def sender(self) -> str | None:
        """Also of a row that is not completed: its columns are filled with the completion, its parameters with the claim."""
        return self.from_number or self._said("From")

    @property
    def receiver(self) -> str | None:
        return self.to_number or self._said("To")

    @property
    def text(self) -> str | None:
        return self.body if self.body is not None else self._said("Body")

    def _said(self, parameter: str) -> str | None:
        said = self.params.get(parameter) if isinstance(self.params, dict) else None
        return said if isinstance(said, str) else None

    def is_leased(self, *, now: datetime) -> bool:
        return _is_leased(self, now=now)


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far one message is: the part of its row that says so."""

    message_id: str
    status: SubmissionStatus | str
    test: bool = False
    attempts: int
    lease_expires_at: datetime | None
    last_error: str | None
    completed_at: datetime | None
    updated_at: datetime
    discarded_by: str | None = None
    republished_at: datetime | None = None

    @property
    def is_completed(self) -> bool:
        return self.status is SubmissionStatus.COMPLETED

    def is_leased(self, *, now: datetime) -> bool:
        return _is_leased(self, now=now)


def _is_leased(row: UserSubmission | Progress, *, now: datetime) -> bool:
    is_at_work = row.status is SubmissionStatus.PROCESSING
    return is_at_work and row.lease_expires_at is not None and row.lease_expires_at > now
