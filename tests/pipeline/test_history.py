"""The table read oldest first, page by page, without holding anything up."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import psycopg
import pytest

from b2bpilot.pipeline import history
from b2bpilot.pipeline.database import DatabaseManager
from b2bpilot.pipeline.history import oldest_first, stretch
from tests.events import message
from tests.ops.backfill.rows import THEN, put, row_of

HOUR = timedelta(hours=1)


@pytest.fixture
def hours(admin: psycopg.Connection, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Write a row for each hour after THEN, in this order; pages are small."""
    monkeypatch.setattr(history, "PAGE", 3)
    monkeypatch.setattr(history, "ENDS_PAGE", 4)

    def hours(*which: int) -> None:
        put(admin, [row_of(message(), created_at=THEN + hour * HOUR) for hour in which])

    return hours


def read(database: DatabaseManager, since: datetime, until: datetime | None = None) -> list[int]:
    found = stretch(database, since=since, until=until)
    return [(row.created_at - THEN) // HOUR for row in oldest_first(database, found)] if found else []


def test_rows_of_a_period_come_in_the_order_of_their_ids(hours: Any, database: DatabaseManager) -> None:
    hours(*range(20))
    assert read(database, THEN) == [*range(20)]
    assert read(database, THEN + 5 * HOUR) == [*range(5, 20)]
    assert read(database, THEN + 5 * HOUR, THEN + 9 * HOUR) == [5, 6, 7, 8]
    assert read(database, THEN, THEN + HOUR) == [0]
    assert read(database, THEN + 20 * HOUR) == []


def test_a_row_that_was_committed_late_is_found_all_the_same(hours: Any, database: DatabaseManager) -> None:
    """Ids grow with time but for transactions that overlap."""
    hours(6, 2, 0, 1, 3, 8, 4, 5, 7)
    assert read(database, THEN + 6 * HOUR) == [6, 8, 7]
    assert read(database, THEN, THEN + 3 * HOUR) == [2, 0, 1]


def test_what_is_written_after_the_first_look_is_not_of_it(hours: Any, database: DatabaseManager) -> None:
    hours(*range(5))
    found = stretch(database, since=THEN, until=None)
    hours(5, 6)
    assert found is not None
    assert len(list(oldest_first(database, found))) == 5


def test_an_old_period_is_not_looked_for_beyond_it(
    hours: Any, database: DatabaseManager, admin: psycopg.Connection
) -> None:
    """The look back ends with a page of rows that are older by a day."""
    hours(*range(0, 400, 10))
    admin.execute(
        "UPDATE b2b_pilot_user_submissions SET created_at = created_at + interval '1 year' WHERE id = 1"
    )
    assert read(database, THEN + 390 * HOUR) == [39 * 10]


def test_each_page_is_a_transaction_that_only_reads_and_gives_up_soon(database: DatabaseManager) -> None:
    with history._briefly(database) as connection:
        shown = [
            connection.execute(f"SHOW {name}").fetchone()  # type: ignore[call-overload]  # three names of ours
            for name in ("transaction_read_only", "statement_timeout", "transaction_isolation")
        ]
    assert shown == [("on",), ("30s",), ("read committed",)]
    with database.connection.use() as connection:
        assert connection.execute("SHOW transaction_read_only").fetchone() == ("off",)
        assert connection.execute("SHOW statement_timeout").fetchone() == ("0",)


def test_a_table_without_the_newest_columns_is_read_all_the_same(
    hours: Any, database: DatabaseManager, admin: psycopg.Connection
) -> None:
    hours(*range(5))
    admin.execute(
        "ALTER TABLE b2b_pilot_user_submissions DROP COLUMN discarded_by, DROP COLUMN republished_at"
    )
    assert read(database, THEN) == [*range(5)]


def test_both_statements_go_by_the_primary_key(hours: Any, admin: psycopg.Connection) -> None:
    admin.execute(
        "INSERT INTO b2b_pilot_user_submissions (message_id, created_at) "
        "SELECT n::text, %s + n * interval '1 second' FROM generate_series(1, 20000) AS n",
        [THEN],
    )
    admin.execute("ANALYZE b2b_pilot_user_submissions")
    values = {
        "since": THEN,
        "until": None,
        "before_id": 15_000,
        "limit": 10,
        "first_id": 5_000,
        "last_id": 9_000,
    }
    for statement in (history.ENDS, history.OLDEST.query):
        plan = "\n".join(row[0] for row in admin.execute("EXPLAIN " + statement, values))  # type: ignore[call-overload]  # a statement of ours
        assert "b2b_pilot_user_submissions_pkey" in plan
        assert "Seq Scan" not in plan
        assert "Sort" not in plan
