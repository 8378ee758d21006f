"""What the database says about a message."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from b2bpilot.ops.dead_letters.states import PAGE, RowState, row_state, row_states
from b2bpilot.pipeline.database import DatabaseManager
from b2bpilot.pipeline.models import Progress, SubmissionStatus
from b2bpilot.pipeline.processing import submission_fields
from tests.events import message

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
    assert row_state(row, now=NOW) is state


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
        ids = [one.message_id for one in (completed, failed, leased, unknown)]
        states = row_states(database, ids, now=database.now())

    assert list(states.items()) == [
        (completed.message_id, RowState.COMPLETED),
        (failed.message_id, RowState.FAILED),
        (leased.message_id, RowState.IN_PROGRESS),
        (unknown.message_id, RowState.NOT_STORED),
    ]


class CountingTable:
    """Has no rows; remembers how many ids it was asked for at a time."""

    def __init__(self) -> None:
        self.asked: list[int] = []

    def progress_of(self, message_ids: Sequence[str]) -> dict[str, Progress]:
        self.asked.append(len(message_ids))
        return {}


def test_the_database_is_asked_page_by_page() -> None:
    table = CountingTable()
    states = row_states(table, (str(n) for n in range(PAGE + 1)), now=NOW)

    assert table.asked == [PAGE, 1]
    assert len(states) == PAGE + 1
