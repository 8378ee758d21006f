"""The mark of a discard on a row: set and taken back only where it is right."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import psycopg
import pytest

from b2bpilot.pipeline.database import DatabaseManager
from b2bpilot.pipeline.discards import SeenRow, mark_discarded, replace_seen, take_back_marks
from b2bpilot.pipeline.message import PilotMessage
from b2bpilot.pipeline.models import SubmissionStatus, UserSubmission
from b2bpilot.pipeline.processing import submission_fields
from tests.events import message

MINUTE = timedelta(minutes=1)


@pytest.fixture
def failed(database: DatabaseManager) -> PilotMessage:
    """A message whose run failed."""
    return fail(database, message())


def fail(database: DatabaseManager, of: PilotMessage) -> PilotMessage:
    claim = database.claim(of, lease=MINUTE)
    assert claim is not None
    database.fail(claim, "no customer")
    return of


def seen(of: PilotMessage, status: str = "failed") -> SeenRow:
    return SeenRow(message_id=of.message_id, test=of.test, status=status)


def row(database: DatabaseManager, of: PilotMessage) -> UserSubmission:
    found = database.get_submission_by_message_id(of.message_id)
    assert found is not None
    return found


def test_a_marked_row_is_abandoned_and_no_delivery_stores_its_message(
    database: DatabaseManager, failed: PilotMessage
) -> None:
    assert mark_discarded(database, [seen(failed)], run_id="r1") == {failed.message_id}
    assert (row(database, failed).status, row(database, failed).discarded_by) == (
        SubmissionStatus.ABANDONED,
        "r1",
    )
    assert database.claim(failed, lease=MINUTE) is None
    assert database.count_stale(stale_after=timedelta()) == 0
    assert database.list_stuck() == []


def test_a_mark_that_is_taken_back_gives_the_row_its_status(
    database: DatabaseManager, failed: PilotMessage
) -> None:
    mark_discarded(database, [seen(failed)], run_id="r1")
    assert take_back_marks(database, [seen(failed)], run_id="r1") == {failed.message_id}
    assert (row(database, failed).status, row(database, failed).discarded_by) == (
        SubmissionStatus.FAILED,
        None,
    )
    assert database.claim(failed, lease=MINUTE) is not None


def test_only_the_runs_own_mark_is_taken_back(database: DatabaseManager, failed: PilotMessage) -> None:
    mark_discarded(database, [seen(failed)], run_id="r1")
    assert take_back_marks(database, [seen(failed)], run_id="r2") == set()
    assert row(database, failed).discarded_by == "r1"


def test_an_abandoned_row_without_a_mark_is_nobodys_to_take_back(
    database: DatabaseManager, failed: PilotMessage
) -> None:
    replace_seen(database, seen(failed), failed)
    assert take_back_marks(database, [seen(failed)], run_id="r1") == set()
    assert row(database, failed).status is SubmissionStatus.ABANDONED


def test_a_completed_row_is_never_marked(database: DatabaseManager) -> None:
    done = message()
    claim = database.claim(done, lease=MINUTE)
    assert claim is not None
    database.complete(claim, submission_fields(done))
    for status in ("completed", "failed"):
        assert mark_discarded(database, [seen(done, status)], run_id="r1") == set()
        assert replace_seen(database, seen(done, status), done) == set()
    assert row(database, done).status is SubmissionStatus.COMPLETED


def test_a_row_on_which_a_run_is_at_work_is_not_marked(
    database: DatabaseManager, admin: psycopg.Connection
) -> None:
    at_work = message()
    claim = database.claim(at_work, lease=MINUTE)
    assert claim is not None
    assert mark_discarded(database, [seen(at_work, "processing")], run_id="r1") == set()
    assert database.complete(claim, submission_fields(at_work)) is not None


def test_a_run_that_outlived_its_lease_does_not_store_what_was_discarded_meanwhile(
    database: DatabaseManager, admin: psycopg.Connection
) -> None:
    late = message()
    claim = database.claim(late, lease=MINUTE)
    assert claim is not None
    admin.execute("UPDATE b2b_pilot_user_submissions SET lease_expires_at = now() - interval '1 s'")
    assert mark_discarded(database, [seen(late, "processing")], run_id="r1") == {late.message_id}
    assert database.complete(claim, submission_fields(late)) is None
    database.fail(claim, "too late")
    assert row(database, late).status is SubmissionStatus.ABANDONED


def test_a_tests_row_is_not_marked_for_a_real_message_of_its_id(
    database: DatabaseManager, failed: PilotMessage
) -> None:
    assert mark_discarded(database, [seen(replace(failed, test=True))], run_id="r1") == set()
    assert row(database, failed).discarded_by is None


def test_a_row_that_changed_since_it_was_seen_is_left(
    database: DatabaseManager, failed: PilotMessage
) -> None:
    assert mark_discarded(database, [seen(failed, "processing")], run_id="r1") == set()
    assert row(database, failed).status is SubmissionStatus.FAILED


def test_a_status_of_another_version_comes_back_as_it_was(
    database: DatabaseManager, failed: PilotMessage, admin: psycopg.Connection
) -> None:
    admin.execute("UPDATE b2b_pilot_user_submissions SET status = 'paused'")
    mark_discarded(database, [seen(failed, "paused")], run_id="r1")
    take_back_marks(database, [seen(failed, "paused")], run_id="r1")
    assert row(database, failed).status == "paused"


def test_many_rows_are_marked_in_one_statement(database: DatabaseManager) -> None:
    several = [fail(database, message()) for _ in range(10)]
    assert len(mark_discarded(database, [seen(one) for one in several], run_id="r1")) == 10
    assert mark_discarded(database, [], run_id="r1") == set()
