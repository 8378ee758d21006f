"""The other sessions of the database, named so that a person can find them: who holds what, and since when."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import LiteralString

import psycopg
from psycopg.rows import class_row

from b2bpilot.ops.migrations.table import SUBMISSIONS

SELECT: LiteralString = """
    SELECT
    activity.pid,
    coalesce(activity.application_name, '') AS application_name,
    coalesce(activity.state, 'state not visible to this role') AS state,
    activity.query_start,
    clock_timestamp() - activity.backend_start AS connected,
    clock_timestamp() - activity.xact_start AS open
    FROM pg_stat_activity AS activity
"""

OLDER: LiteralString = (
    SELECT  # noqa: S608  # constants
    + """
    WHERE activity.datname = current_database()
        AND activity.pid <> pg_backend_pid()
        AND activity.backend_type = 'client backend'
        AND activity.xact_start < clock_timestamp() - %(age)s
        AND (
            activity.backend_xmin IS NOT NULL
            OR EXISTS (
                SELECT FROM pg_locks
                WHERE pg_locks.pid = activity.pid AND relation = to_regclass(%(table)s)
                    AND mode NOT IN ('AccessShareLock', 'RowShareLock')
            )
        )
        AND NOT EXISTS (SELECT FROM pg_stat_progress_vacuum AS vacuum WHERE vacuum.pid = activity.pid)
    ORDER BY activity.xact_start
"""  # nosec B608  # constants
)

USING: LiteralString = (
    SELECT  # noqa: S608  # constants
    + """
    WHERE activity.datname = current_database()
        AND activity.pid <> pg_backend_pid()
        AND EXISTS (
            SELECT FROM pg_locks
            WHERE pg_locks.pid = activity.pid AND relation = to_regclass(%(table)s) AND granted
        )
    ORDER BY activity.xact_start
    LIMIT 1
"""  # nosec B608  # constants
)

BLOCKING: LiteralString = SELECT + "WHERE activity.pid = ANY(pg_blocking_pids(%(pid)s))"

BUILDING: LiteralString = (
    SELECT
    + """
    JOIN pg_stat_progress_create_index AS build ON build.pid = activity.pid
    WHERE activity.datname = current_database()
        AND activity.pid <> pg_backend_pid()
        AND build.relid = to_regclass(%(table)s)
"""
)

PREPARED: LiteralString = """
    SELECT gid
    FROM pg_prepared_xacts
    WHERE database = current_database() AND EXISTS (
        SELECT
        FROM pg_locks AS own JOIN pg_locks AS lock USING (virtualtransaction)
        WHERE own.transactionid = pg_prepared_xacts.transaction AND own.pid IS NULL
            AND lock.relation = to_regclass(%(table)s) AND lock.pid IS NULL
    )
    ORDER BY prepared
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class DatabaseSession:
    """One backend. `open` is the age of its transaction; None where there is none, or this role may not see it."""

    pid: int
    application_name: str
    state: str
    query_start: datetime | None
    connected: timedelta | None
    open: timedelta | None

    @property
    def name(self) -> str:
        """`pid 4711 (psql)`."""
        return f"pid {self.pid} ({self.application_name or 'no application_name'})"

    def __str__(self) -> str:
        """`pid 4711 (psql), idle in transaction, transaction open for 5 min, last query started 2026-...`."""
        parts = [self.name, self.state]
        if self.open is not None:
            parts.append(f"transaction open for {ago(self.open)}")
        if self.query_start is not None:
            parts.append(f"last query started {moment(self.query_start)}")
        return ", ".join(parts)


def older_than(
    connection: psycopg.Connection, age: timedelta, table: str = SUBMISSIONS.name
) -> list[DatabaseSession]:
    """Return the sessions with a transaction so old that CREATE INDEX CONCURRENTLY would have to wait for: one with a
    snapshot, or with a lock on the table that conflicts with the build."""
    return _sessions(connection, OLDER, {"age": age, "table": table})


def user_of_the_table(connection: psycopg.Connection, table: str) -> str | None:
    """Return who uses the table since longest."""
    found = [
        *map(str, _sessions(connection, USING, {"table": table})),
        *prepared_transactions(connection, table),
    ]
    return found[0] if found else None


def building_an_index(connection: psycopg.Connection, table: str = SUBMISSIONS.name) -> list[DatabaseSession]:
    """Return the other sessions that build an index of the table now."""
    return _sessions(connection, BUILDING, {"table": table})


def blocking(connection: psycopg.Connection, pid: int) -> list[DatabaseSession]:
    """Return the sessions that the backend `pid` waits for."""
    return _sessions(connection, BLOCKING, {"pid": pid})


def prepared_transactions(connection: psycopg.Connection, table: str = SUBMISSIONS.name) -> list[str]:
    """Return the two-phase transactions with a lock on the table; no session stands for them."""
    return [f"prepared transaction {gid!r}" for (gid,) in connection.execute(PREPARED, {"table": table})]


def ago(age: timedelta) -> str:
    """`12 s`, `3 min`, `2 h`, `4 days`."""
    seconds = max(0, int(age.total_seconds()))
    for size, unit in ((86_400, "days"), (3_600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"


def moment(time: datetime) -> str:
    return f"{time.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"


def _sessions(
    connection: psycopg.Connection, query: LiteralString, parameters: dict[str, object]
) -> list[DatabaseSession]:
    with connection.cursor(row_factory=class_row(DatabaseSession)) as cursor:
        return cursor.execute(query, parameters).fetchall()
