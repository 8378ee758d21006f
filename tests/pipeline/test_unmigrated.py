"""The functions and the lists on a table that `migrate` has not reached yet: code is deployed before it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import psycopg
import pytest

from b2bpilot.pipeline.database import DatabaseManager
from b2bpilot.pipeline.models import SubmissionStatus
from b2bpilot.pipeline.outcome import DeliveryOutcome
from b2bpilot.pipeline.processing import process
from tests.events import delivery, message

LEASE = timedelta(seconds=50)


@pytest.fixture
def admin(database_url: str) -> Iterator[psycopg.Connection]:
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute(
            "ALTER TABLE b2b_pilot_user_submissions DROP COLUMN discarded_by, DROP COLUMN republished_at"
        )
        yield connection


@pytest.fixture
def database(admin: psycopg.Connection, database_url: str) -> Iterator[DatabaseManager]:
    with DatabaseManager(database_url) as manager:
        yield manager


def test_a_delivery_is_stored_once_before_the_migration(database: DatabaseManager) -> None:
    sent = delivery(message())

    outcomes = [process(sent, database=database, replier=None, lease=LEASE) for _ in range(2)]

    assert outcomes == [DeliveryOutcome.STORED, DeliveryOutcome.DUPLICATE]


def test_the_lists_show_rows_before_the_migration(database: DatabaseManager) -> None:
    sent = message()
    claim = database.claim(sent, lease=LEASE)
    assert claim is not None
    database.fail(claim, "boom")

    (listed,) = database.list_submissions()
    (stuck,) = database.list_stuck()
    progress = database.progress_of([sent.message_id])[sent.message_id]

    assert listed == stuck
    assert (listed.discarded_by, listed.republished_at) == (None, None)
    assert (progress.status, progress.discarded_by) == (SubmissionStatus.FAILED, None)


def test_the_stale_rows_are_locked_before_the_migration(
    database: DatabaseManager, admin: psycopg.Connection
) -> None:
    database.claim(message(), lease=timedelta(0))
    admin.execute("UPDATE b2b_pilot_user_submissions SET updated_at = now() - interval '1 hour'")

    with database.lock_stale(stale_after=timedelta(0), batch=10) as rows:
        for row in rows:
            row.abandon("given up")

    assert database.count_by_status() == {SubmissionStatus.ABANDONED: 1}
