"""Rows as the table gives them, and a table whose rows change as time passes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from b2bpilot.errors import DatabaseUnreachable
from b2bpilot.ops.table.database_proof import DatabaseProof
from b2bpilot.pipeline.models import Progress, SubmissionStatus, UserSubmission
from tests.clock import StillClock
from tests.ops.table.databases import PROVEN

NOW = datetime(2026, 10, 1, tzinfo=UTC)
MESSAGE_ID = "6a2a4cf4-5b3e-4f0e-9d62-6e9f2c4d7a10"


def submission(
    status: SubmissionStatus, *, attempts: int = 1, error: str | None = None, test: bool = True
) -> UserSubmission:
    return UserSubmission(
        id=1,
        message_id=MESSAGE_ID,
        message_sid=None,
        from_number=None,
        to_number=None,
        body=None,
        num_media=0,
        status=status,
        source="cli",
        message_type="test",
        priority="normal",
        test=test,
        params=None,
        attempts=attempts,
        lease_expires_at=None,
        last_error=error,
        reply_state=None,
        reply_sid=None,
        stale_attempts=0,
        received_at=NOW,
        created_at=NOW,
        updated_at=NOW,
        completed_at=NOW + timedelta(milliseconds=12) if status is SubmissionStatus.COMPLETED else None,
    )


def progress(
    message_id: str,
    status: SubmissionStatus,
    *,
    attempts: int = 1,
    error: str | None = None,
    test: bool = False,
    updated_at: datetime = NOW,
    discarded_by: str | None = None,
) -> Progress:
    return Progress(
        message_id=message_id,
        status=status,
        test=test,
        attempts=attempts,
        lease_expires_at=None,
        last_error=error,
        completed_at=None,
        updated_at=updated_at,
        discarded_by=discarded_by,
    )


@dataclass
class ChangingTable:
    """(second, row), in order; unreachable until `down_until`. Its clock moves with its pauses."""

    history: Sequence[tuple[float, Progress]] = ()
    down_until: float = -1
    clock: StillClock = field(default_factory=StillClock)
    asked: list[int] = field(default_factory=list)
    proof: DatabaseProof = PROVEN

    def now(self) -> datetime:
        return NOW

    def progress_of(self, message_ids: Sequence[str]) -> dict[str, Progress]:
        self.asked.append(len(message_ids))
        if self.time < self.down_until:
            raise DatabaseUnreachable("gone")
        return {
            row.message_id: row
            for since, row in self.history
            if since <= self.time and row.message_id in message_ids
        }

    @property
    def time(self) -> float:
        return self.clock.now
