"""Rows of the table as values, for tests that need no database."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from b2bpilot.pipeline.models import SubmissionStatus, UserSubmission

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)


def row(status: SubmissionStatus) -> UserSubmission:
    return UserSubmission(
        id=1,
        message_id="4ccc3976-2e46-46ab-9a5c-c984356781f3",
        message_sid=None,
        from_number=None,
        to_number=None,
        body=None,
        num_media=0,
        status=status,
        source="cli",
        message_type="test",
        priority="normal",
        test=True,
        params=None,
        attempts=1,
        lease_expires_at=None,
        last_error=None,
        reply_state=None,
        reply_sid=None,
        stale_attempts=0,
        received_at=NOW,
        created_at=NOW,
        updated_at=NOW,
        completed_at=NOW + timedelta(milliseconds=12) if status is SubmissionStatus.COMPLETED else None,
    )
