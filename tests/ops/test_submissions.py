"""Paging through the table."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

import pytest

from b2bpilot.ops.submissions import PAGE, Query, select
from b2bpilot.pipeline.models import SubmissionStatus, UserSubmission
from tests.ops.table.rows import submission as row


class Table:
    """Rows `count`..1, newest first; counts the pages that were asked for."""

    def __init__(self, count: int) -> None:
        self.count = count
        self.pages = 0

    def list_submissions(
        self,
        *,
        status: SubmissionStatus | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        from_number: str | None = None,
        test: bool | None = None,
        limit: int = 20,
        before_id: int | None = None,
    ) -> list[UserSubmission]:
        self.pages += 1
        last = self.count if before_id is None else before_id - 1
        template = row(SubmissionStatus.COMPLETED)
        return [replace(template, id=number) for number in range(last, max(0, last - limit), -1)]


@pytest.mark.parametrize(
    ("rows", "limit", "pages"),
    [
        (0, 20, 1),
        (5, 20, 1),
        (50, 20, 1),
        (3 * PAGE, 2 * PAGE + 1, 3),
        (PAGE, 2 * PAGE, 2),
        (3 * PAGE, None, 4),
    ],
)
def test_each_row_comes_once_up_to_the_limit(rows: int, limit: int | None, pages: int) -> None:
    table = Table(rows)
    found = [submission.id for submission in select(table, Query(limit=limit))]
    assert found == list(range(rows, max(0, rows - limit) if limit else 0, -1))
    assert table.pages == pages


def test_a_page_is_asked_for_when_it_is_needed() -> None:
    table = Table(10 * PAGE)
    next(select(table, Query(limit=10 * PAGE)))
    assert table.pages == 1
