"""A message that a person discarded: what a delivery of it comes to."""

from __future__ import annotations

import logging
from dataclasses import replace
from datetime import timedelta

import psycopg
import pytest

from b2bpilot.errors import MessageDiscarded
from b2bpilot.pipeline.database import DatabaseManager
from b2bpilot.pipeline.delivery import RedriveMark
from b2bpilot.pipeline.models import SubmissionStatus
from b2bpilot.pipeline.outcome import DeliveryOutcome
from b2bpilot.pipeline.processing import process
from tests.events import delivery, message

LEASE = timedelta(seconds=50)
RUN = "20261130T010000Z-discard-0a1b"


def mark(admin: psycopg.Connection, run: str | None) -> None:
    admin.execute(
        "UPDATE b2b_pilot_user_submissions SET status = 'abandoned', lease_expires_at = NULL, discarded_by = %s",
        (run,),
    )


@pytest.mark.parametrize("is_accepted_only", [True, False])
def test_a_discarded_message_that_a_redrive_let_go_comes_back_as_a_dead_letter(
    database: DatabaseManager, admin: psycopg.Connection, is_accepted_only: bool
) -> None:
    """Its dead letter was deleted when AWS took it: a success would lose what no archive has."""
    redriven = RedriveMark(run_id="r", attempt=1, is_accepted_only=is_accepted_only)
    sent = replace(delivery(message()), redrive=redriven)
    database.claim(sent.message, lease=LEASE)
    mark(admin, RUN)
    if is_accepted_only:
        with pytest.raises(MessageDiscarded, match=RUN):
            process(sent, database=database, replier=None, lease=LEASE)
    else:
        assert process(sent, database=database, replier=None, lease=LEASE) is DeliveryOutcome.DISCARDED


def test_a_delivery_of_a_discarded_message_does_not_store_it_and_says_so(
    database: DatabaseManager, admin: psycopg.Connection, caplog: pytest.LogCaptureFixture
) -> None:
    sent = delivery(message())
    database.claim(sent.message, lease=LEASE)
    mark(admin, RUN)

    with caplog.at_level(logging.INFO):
        outcome = process(sent, database=database, replier=None, lease=LEASE)

    row = database.get_submission_by_message_id(sent.message.message_id)
    assert outcome is DeliveryOutcome.DISCARDED
    assert row is not None
    assert (row.status, row.attempts, row.discarded_by) == (SubmissionStatus.ABANDONED, 1, RUN)
    (line,) = (vars(record) for record in caplog.records if record.name.startswith("b2bpilot"))
    assert (line["event"], line["message_id"], line["discarded_by"]) == (
        "discarded",
        sent.message.message_id,
        RUN,
    )


def test_a_message_whose_mark_was_taken_back_is_stored(
    database: DatabaseManager, admin: psycopg.Connection
) -> None:
    sent = delivery(message())
    database.claim(sent.message, lease=LEASE)
    mark(admin, RUN)
    mark(admin, None)

    assert process(sent, database=database, replier=None, lease=LEASE) is DeliveryOutcome.STORED


def test_a_run_whose_message_was_discarded_meanwhile_ends_as_discarded(
    database: DatabaseManager, admin: psycopg.Connection
) -> None:
    """Its lease was over when the mark was set, and it lived on."""
    sent = delivery(message())
    claim = database.claim(sent.message, lease=LEASE)
    assert claim is not None
    mark(admin, RUN)

    assert process(sent, database=database, replier=None, lease=LEASE) is DeliveryOutcome.DISCARDED
    database.fail(claim, "too late")
    assert database.count_by_status() == {SubmissionStatus.ABANDONED: 1}


def test_a_discarded_message_needs_nobody_any_more(
    database: DatabaseManager, admin: psycopg.Connection
) -> None:
    database.claim(message(), lease=LEASE)
    mark(admin, None)
    assert len(database.list_stuck()) == 1

    mark(admin, RUN)

    assert database.list_stuck() == []
    assert [row.discarded_by for row in database.list_submissions()] == [RUN]
