"""One migrator at a time: a session's advisory lock, which ends with the session in whatever way that ends."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from typing import LiteralString

import psycopg
from psycopg.rows import class_row

from b2bpilot.errors import NOTHING_CHANGED, MigrationFailed, TimedOut
from b2bpilot.ops.migrations.sessions import SELECT, DatabaseSession, ago, moment
from b2bpilot.pipeline.waiting import wait_until

KEY = 0x623262_70696C6F
"""`b2bpilo` in ASCII; advisory locks have numbers, and each database has its own."""
PAUSE_SECONDS = 0.2

TAKE: LiteralString = "SELECT pg_try_advisory_lock(%(key)s)"
RELEASE: LiteralString = "SELECT pg_advisory_unlock(%(key)s)"
LOCKS: LiteralString = """
    pg_locks
    WHERE locktype = 'advisory' AND objsubid = 1 AND granted
        AND pg_locks.database = (SELECT oid FROM pg_database WHERE datname = current_database())
        AND classid::bigint = %(key)s::bigint >> 32 AND objid::bigint = %(key)s::bigint & 4294967295
"""
HOLDER: LiteralString = (
    SELECT + "WHERE activity.pid <> pg_backend_pid() AND pid IN (SELECT pid FROM" + LOCKS + ")"  # nosec B608  # constants
)
OWN_PID: LiteralString = "SELECT pg_backend_pid()"
HELD: LiteralString = "SELECT count(*) FROM" + LOCKS + "AND pid = pg_backend_pid()"  # nosec B608  # constants


@contextmanager
def held(
    connection: psycopg.Connection, *, wait: timedelta, observer: Callable[[str], None]
) -> Iterator[None]:
    """Hold the lock for the block. Raises TimedOut when another migrator still has it after `wait`.

    It asks again and again instead of waiting in the server: a waiting statement has a snapshot, and the other
    migrator's CREATE INDEX CONCURRENTLY would wait for that one while it waits for the lock.
    """
    _take(connection, wait=wait, observer=observer)
    try:
        yield
    finally:
        with suppress(psycopg.Error):
            connection.execute(RELEASE, {"key": KEY})


def require_held(connection: psycopg.Connection) -> None:
    """Raise MigrationFailed when this session does not hold the lock: then it is not the session that took it."""
    row = connection.execute(HELD, {"key": KEY}).fetchone()
    if not (row and row[0]):
        raise MigrationFailed(
            "the migration lock is no longer held: a connection pooler gave us another session",
            hint="connect to the database itself, not through a pooler",
        )


def own_pid(connection: psycopg.Connection) -> int:
    """Return the backend's process id; behind a pooler libpq knows another number."""
    row = connection.execute(OWN_PID).fetchone()
    assert row is not None  # noqa: S101  # nosec B101  # SELECT without FROM
    return int(row[0])


def holder(connection: psycopg.Connection) -> DatabaseSession | None:
    """Return the session of the migrator that is at work, if there is another one."""
    with connection.cursor(row_factory=class_row(DatabaseSession)) as cursor:
        return cursor.execute(HOLDER, {"key": KEY}).fetchone()


def described(session: DatabaseSession) -> str:
    """`pid 4711 (b2bpilot/migrate ana@laptop), connected for 12 s, last statement started ...`."""
    parts = [session.name]
    if session.connected is not None:
        parts.append(f"connected for {ago(session.connected)}")
    if session.query_start is not None:
        parts.append(f"last statement started {moment(session.query_start)}")
    return ", ".join(parts)


def _take(connection: psycopg.Connection, *, wait: timedelta, observer: Callable[[str], None]) -> None:
    told: int | None = None
    other: DatabaseSession | None = None

    def is_ours() -> bool:
        nonlocal told, other
        if _try(connection):
            return True
        other = holder(connection)
        if other and other.pid != told:
            told = other.pid
            observer(f"Another migrator is at work: {described(other)}; waiting up to {ago(wait)}")
        return False

    if not wait_until(is_ours, seconds=wait.total_seconds(), pause_seconds=PAUSE_SECONDS):
        who = described(other) if other else "no session that can be seen"
        raise TimedOut(
            f"another migration is still running after {ago(wait)}: {who}",
            outcome=NOTHING_CHANGED,
            hint="wait for it, or allow more time with --lock-wait 10m",
        )


def _try(connection: psycopg.Connection) -> bool:
    row = connection.execute(TAKE, {"key": KEY}).fetchone()
    return row is not None and bool(row[0])
