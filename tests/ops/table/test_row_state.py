"""What the database says about a message."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from b2bpilot.ops.table.asked import KnownTable
from b2bpilot.ops.table.row_state import PAGE, Asked, RowState, row_state, row_states, rows_of, submission_of
from b2bpilot.pipeline.database import DatabaseManager
from b2bpilot.pipeline.models import Progress, SubmissionStatus
from b2bpilot.pipeline.processing import submission_fields
from tests.events import message
from tests.ops.table.databases import PROVEN, UNPROVEN

NOW = datetime(2026, 11, 23, tzinfo=UTC)
ROW = Progress(
    message_id="x",
    status=SubmissionStatus.PROCESSING,
    attempts=1,
    lease_expires_at=None,
    last_error=None,
    completed_at=None,
    updated_at=NOW,
)
SECOND = timedelta(seconds=1)


@pytest.mark.parametrize(
    ("row", "state"),
    [
        (None, RowState.NOT_STORED),
        (replace(ROW, status=SubmissionStatus.FAILED), RowState.FAILED),
        (replace(ROW, status=SubmissionStatus.COMPLETED), RowState.COMPLETED),
        (replace(ROW, status=SubmissionStatus.ABANDONED), RowState.ABANDONED),
        (replace(ROW, status=SubmissionStatus.PENDING), RowState.STUCK),
        (replace(ROW, lease_expires_at=NOW + SECOND), RowState.IN_PROGRESS),
        (replace(ROW, lease_expires_at=NOW - SECOND), RowState.STUCK),
        (ROW, RowState.STUCK),
    ],
)
def test_a_row_has_one_state(row: Progress | None, state: RowState) -> None:
    assert row_state(row, Asked("x"), now=NOW) is state


def test_states_come_from_the_rows(database_url: str) -> None:
    completed, failed, leased, unknown = (message() for _ in range(4))
    with DatabaseManager(database_url) as database:
        for one in (completed, failed, leased):
            claim = database.claim(one, lease=timedelta(seconds=60))
            assert claim is not None
            if one is completed:
                database.complete(claim, submission_fields(one))
            elif one is failed:
                database.fail(claim, "boom")
        asked = [Asked.of(one) for one in (completed, failed, leased, unknown)]
        states = row_states(KnownTable(database, PROVEN), asked)

    assert list(states.items()) == list(
        zip(
            asked,
            (RowState.COMPLETED, RowState.FAILED, RowState.IN_PROGRESS, RowState.NOT_STORED),
            strict=True,
        )
    )


def test_a_test_s_row_is_no_real_message_s_and_the_reverse(database_url: str) -> None:
    test, real = message(test=True), message()
    with DatabaseManager(database_url) as database:
        for one in (test, real):
            claim = database.claim(one, lease=timedelta(seconds=60))
            assert claim is not None
            database.complete(claim, submission_fields(one))
        table = KnownTable(database, PROVEN)
        own, others = (
            [Asked(test.message_id, test=is_own), Asked(real.message_id, test=not is_own)]
            for is_own in (True, False)
        )

        assert list(row_states(table, own).values()) == [RowState.COMPLETED] * 2
        assert list(row_states(table, others).values()) == [RowState.OTHER_KIND] * 2
        assert (set(rows_of(table, own)), rows_of(table, others)) == (set(own), {})
        assert submission_of(table, others[0]) == (RowState.OTHER_KIND, None)


def test_a_database_that_is_not_proven_says_nothing_of_any_message(database_url: str) -> None:
    one = message()
    with DatabaseManager(database_url) as database:
        claim = database.claim(one, lease=timedelta(seconds=60))
        assert claim is not None
        database.complete(claim, submission_fields(one))
        table, asked = KnownTable(database, UNPROVEN), Asked.of(one)

        assert row_states(table, [asked]) == {asked: RowState.UNKNOWN}
        assert rows_of(table, [asked]) == {}
        assert submission_of(table, asked) == (RowState.UNKNOWN, None)


class CountingTable:
    """Has no rows; remembers how many ids it was asked for at a time."""

    proof = PROVEN

    def __init__(self) -> None:
        self.asked: list[int] = []

    def now(self) -> datetime:
        return NOW

    def progress_of(self, message_ids: Sequence[str]) -> dict[str, Progress]:
        self.asked.append(len(message_ids))
        return {}


def test_the_database_is_asked_page_by_page() -> None:
    table = CountingTable()
    states = row_states(table, (Asked(str(n)) for n in range(PAGE + 1)))

    assert table.asked == [PAGE, 1]
    assert len(states) == PAGE + 1
