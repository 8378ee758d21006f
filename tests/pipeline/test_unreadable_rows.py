"""Rows that hold what another version wrote: they are shown as they are, and stop nothing."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import psycopg
import pytest

from b2bpilot.pipeline.database import DatabaseManager
from b2bpilot.pipeline.models import SubmissionStatus
from b2bpilot.pipeline.outcome import DeliveryOutcome
from b2bpilot.pipeline.processing import process
from b2bpilot.pipeline.summary import summarize
from tests.events import delivery, message

LEASE = timedelta(seconds=50)


@pytest.fixture
def unreadable(database: DatabaseManager, admin: psycopg.Connection) -> str:
    sent = message()
    database.claim(sent, lease=LEASE)
    admin.execute(
        "UPDATE b2b_pilot_user_submissions SET status = 'parked', reply_state = 'queued', priority = 'urgent'"
    )
    return sent.message_id


def test_an_unknown_status_and_reply_state_are_shown_as_text(
    database: DatabaseManager, unreadable: str
) -> None:
    process(delivery(message()), database=database, replier=None, lease=LEASE)

    rows = database.list_submissions()

    assert [(str(row.status), row.reply_state) for row in rows] == [("completed", None), ("parked", "queued")]
    assert [row.message_id for row in database.list_stuck()] == [unreadable]
    assert str(database.progress_of([unreadable])[unreadable].status) == "parked"


def test_an_unknown_status_is_counted_beside_the_others(database: DatabaseManager, unreadable: str) -> None:
    process(delivery(message()), database=database, replier=None, lease=LEASE)
    expected = {SubmissionStatus.COMPLETED: 1, "parked": 1}

    summary = summarize(
        database.connection, stale_after=timedelta(minutes=15), since=datetime.now(UTC) - timedelta(hours=1)
    )

    assert database.count_by_status() == expected
    assert summary.by_status == expected


class Twilio:
    def send(self, *, to: str, from_: str) -> str:
        raise AssertionError(f"a reply from {from_} to {to}")


def test_a_row_with_an_unknown_reply_state_is_stored_and_not_answered(
    database: DatabaseManager, admin: psycopg.Connection
) -> None:
    """Another version began a reply: whether it went out, this one cannot tell."""
    sent = delivery(message())
    database.claim(sent.message, lease=timedelta(0))
    admin.execute("UPDATE b2b_pilot_user_submissions SET reply_state = 'queued'")

    assert process(sent, database=database, replier=Twilio(), lease=LEASE) is DeliveryOutcome.STORED
    row = database.get_submission_by_message_id(sent.message.message_id)
    assert row is not None
    assert (row.status, row.reply_state) == (SubmissionStatus.COMPLETED, "queued")
