"""A load's own rows, and nobody else's."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from b2bpilot.pipeline.database import DatabaseManager
from b2bpilot.pipeline.message import PilotMessage, Source, new_message_id
from b2bpilot.pipeline.processing import submission_fields
from b2bpilot.pipeline.rows_of_tests import delete_test_rows, read_test_rows


def store(
    database: DatabaseManager, *, test: bool = True, source: Source = Source.CLI, ends: bool = True
) -> str:
    message = PilotMessage(
        message_id=new_message_id(),
        source=source,
        received_at=datetime.now(UTC),
        params={"Body": "x"},
        test=test,
    )
    claim = database.claim(message, lease=timedelta(minutes=5))
    assert claim is not None
    if ends:
        database.complete(claim, submission_fields(message))
    return message.message_id


def test_only_rows_of_test_messages_of_ours_are_deleted(database_url: str) -> None:
    with DatabaseManager(database_url) as database:
        ours = store(database)
        others = [store(database, test=False), store(database, source=Source.TWILIO)]
        assert delete_test_rows(database, [ours, *others]) == [ours]
        assert database.progress_of([ours, *others]).keys() == set(others)


def test_a_real_messages_row_is_none_of_a_load(database_url: str) -> None:
    with DatabaseManager(database_url) as database:
        tried, real = store(database), store(database, test=False)
        assert read_test_rows(database, [tried, real]).keys() == {tried}


def test_a_row_that_a_run_is_at_work_on_stays(database_url: str) -> None:
    with DatabaseManager(database_url) as database:
        at_work = store(database, ends=False)
        assert delete_test_rows(database, [at_work]) == []
        row = read_test_rows(database, [at_work])[at_work]
        assert (row.rows, row.is_completed, row.attempts) == (1, False, 1)
