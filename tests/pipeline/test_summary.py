"""The table in numbers, on a real one."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import psycopg
import pytest

from b2bpilot.pipeline.connection import Connection
from b2bpilot.pipeline.models import SubmissionStatus
from b2bpilot.pipeline.summary import TableSummary, summarize

MINUTE = timedelta(minutes=1)


@pytest.fixture
def connection(database_url: str) -> Iterator[Connection]:
    found = Connection(database_url, application_name="tests")
    yield found
    found.close()


def summary(connection: Connection, *, since: datetime | None = None) -> TableSummary:
    return summarize(connection, stale_after=15 * MINUTE, since=since or ago(60))


def ago(minutes: int) -> datetime:
    """Counted from the test itself: the module was imported long before in a long run."""
    return datetime.now(UTC) - minutes * MINUTE


def insert(connection: Connection, status: str, **values: object) -> None:
    names = ["status", *values]
    marks = ", ".join(["%s"] * len(names))
    with connection.use() as live:
        live.execute(
            f"INSERT INTO b2b_pilot_user_submissions ({', '.join(names)}) VALUES ({marks})",  # type: ignore[arg-type]
            [status, *values.values()],
        )


def test_an_empty_table_has_nothing_and_no_latency(connection: Connection) -> None:
    found = summary(connection)
    assert (found.by_status, found.stuck, found.stale, found.latency) == ({}, 0, 0, None)


def test_rows_are_counted_by_status(connection: Connection) -> None:
    for status in ("completed", "completed", "abandoned"):
        insert(connection, status)
    assert summary(connection).by_status == {
        SubmissionStatus.COMPLETED: 2,
        SubmissionStatus.ABANDONED: 1,
    }


@pytest.mark.parametrize(  # `counted` is (stuck, stale)
    ("status", "lease_minutes", "updated_minutes", "counted"),
    [
        ("processing", 5, 0, (0, 0)),
        ("processing", -1, -1, (1, 0)),
        ("processing", -16, -20, (1, 1)),
        ("processing", 5, -20, (0, 0)),
        ("pending", None, 0, (1, 0)),
        ("pending", None, -20, (1, 1)),
        ("failed", None, -1, (0, 0)),
        ("failed", None, -20, (0, 1)),
        ("completed", None, -20, (0, 0)),
    ],
)
def test_rows_without_a_lease_are_stuck_and_after_a_while_stale(
    connection: Connection,
    status: str,
    lease_minutes: int | None,
    updated_minutes: int,
    counted: tuple[int, int],
) -> None:
    lease = None if lease_minutes is None else ago(-lease_minutes)
    insert(connection, status, lease_expires_at=lease, updated_at=ago(-updated_minutes))
    found = summary(connection)
    assert (found.stuck, found.stale) == counted


def test_the_latency_is_that_of_completed_rows_since_then(connection: Connection) -> None:
    now, old = ago(0), ago(180)
    for milliseconds in (10, 20, 30, 40, 1_000):
        completed = now + timedelta(milliseconds=milliseconds)
        insert(connection, "completed", received_at=now, completed_at=completed)
    insert(connection, "failed", received_at=now)
    insert(connection, "completed", created_at=old, received_at=old, completed_at=now)
    latency = summary(connection).latency
    assert latency is not None
    assert latency.rows == 5
    assert latency.p50_ms == pytest.approx(30)
    assert latency.p95_ms == pytest.approx(808)


def test_the_latency_is_told_of_each_priority_and_a_row_without_one_is_normal(connection: Connection) -> None:
    now = ago(0)
    for priority, milliseconds in (("high", 10), ("high", 30), ("normal", 100), (None, 300)):
        completed = now + timedelta(milliseconds=milliseconds)
        insert(connection, "completed", priority=priority, received_at=now, completed_at=completed)

    found = summary(connection)

    assert found.latency is not None
    assert found.latency.rows == 4
    told = {priority: (one.rows, round(one.p50_ms)) for priority, one in found.by_priority.items()}
    assert told == {"high": (2, 20), "normal": (2, 200)}


def test_replies_of_which_nobody_knows_are_counted(connection: Connection) -> None:
    insert(connection, "completed", reply_state="unknown")
    assert summary(connection).replies_unknown == 1


def test_the_counts_need_no_more_than_reading(connection: Connection, database_url: str) -> None:
    with psycopg.connect(database_url, autocommit=True) as admin:
        name = admin.execute("SELECT current_database()").fetchone()
        assert name is not None
        admin.execute(f"ALTER DATABASE {name[0]} SET default_transaction_read_only = on")  # type: ignore[arg-type]
    assert summary(connection).by_status == {}
