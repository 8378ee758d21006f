"""Indexes that are built while the table is used, and never left invalid when it can be helped
(docs/aws-facts.md#invalid-indexes, #one-claim-wins, #concurrent-builds)."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta

import psycopg
from psycopg import errors as pg

from b2bpilot.errors import MigrationFailed, TimedOut
from b2bpilot.ops.migrations import ddl, duplicates, sessions
from b2bpilot.ops.migrations.progress import WatchedConnection
from b2bpilot.ops.migrations.schema import Presence, read_schema
from b2bpilot.ops.migrations.statements import MigrationStatement, NewIndex, StatementLimits
from b2bpilot.ops.migrations.table import table_named
from b2bpilot.pipeline.waiting import wait_until

BUILDS = 3
OLD_AFTER = timedelta(seconds=10)
"""Younger transactions are the traffic; they end."""
PAUSE_SECONDS = 0.5
CLEAN_UP = StatementLimits(lock_timeout="10s")


@dataclass(frozen=True, slots=True, kw_only=True)
class Build:
    """One index to build. `watched` runs a statement and tells the observer how far it is."""

    connection: psycopg.Connection
    statement: MigrationStatement
    index: NewIndex
    watched: WatchedConnection
    observer: Callable[[str], None]

    def run(self) -> None:
        """Build it; an invalid one is dropped and built again. Raises MigrationFailed, with nothing left behind when the
        server still answers. The limits of the statement before must not end the counting, which may take minutes."""
        for _ in range(BUILDS):
            ddl.limit(self.connection, self.statement.limits)
            self._drop_invalid()
            self._require_no_duplicates()
            self._create()
            if self._presence() is Presence.THERE:
                return
        raise MigrationFailed(
            f"index {self.index.name} was built {BUILDS} times and is still not valid",
            hint="check the server's log, then run " + table_named(self.index.table).command() + " again",
        )

    def _create(self) -> None:
        """A deadlock is worth another build; every other failure is the operator's to fix."""
        try:
            self.watched(f"Index {self.index.name}", self.statement.sql.encode())
        except pg.DeadlockDetected:
            self.observer(f"Index {self.index.name}: a deadlock ended the build; building again")
        except pg.UniqueViolation:
            self._clean_up()
            self._require_no_duplicates()
            raise
        except psycopg.Error:
            self._clean_up()
            raise

    def _require_no_duplicates(self) -> None:
        if self.index.unique:
            self.observer(f"Looking for duplicates before index {self.index.name} is built")
            duplicates.require_none(duplicates.count(self.connection))

    def _drop_invalid(self) -> None:
        if self._presence() is not Presence.INVALID:
            return
        self.observer(f"Index {self.index.name} is invalid, left by a failed build: dropping it")
        self.watched(f"Dropping index {self.index.name}", drop(self.index).encode())

    def _clean_up(self) -> None:
        """Drop what a failed build left, if nobody stands in the way; the next run does it otherwise."""
        with suppress(psycopg.Error):
            if self._presence() is Presence.INVALID:
                ddl.limit(self.connection, CLEAN_UP)
                self.connection.execute(drop(self.index).encode())

    def _presence(self) -> Presence:
        return read_schema(self.connection, table_named(self.index.table)).presence(self.index)


def drop(index: NewIndex) -> str:
    """Return the statement that drops the index without blocking anybody. Its name comes from our files, as a word."""
    return f"DROP INDEX CONCURRENTLY IF EXISTS {index.name}"


def require_clear_way(
    connection: psycopg.Connection, *, wait: timedelta, observer: Callable[[str], None]
) -> None:
    """Wait until nothing old is open that a build would have to wait for. Raises TimedOut that names what is."""
    is_told = not wait

    def obstacles() -> str:
        nonlocal is_told
        text = "; ".join(in_the_way(connection))
        if text and not is_told:
            is_told = True
            observer(f"Waiting up to {sessions.ago(wait)} for {text}")
        return text

    text = wait_until(
        obstacles,
        enough=lambda found: not found,
        seconds=wait.total_seconds(),
        pause_seconds=PAUSE_SECONDS,
    )
    if text:
        raise TimedOut(
            f"CREATE INDEX CONCURRENTLY would wait for {text}; still there after {sessions.ago(wait)}",
            hint="wait for it, end it with SELECT pg_terminate_backend(PID), or allow more time: --lock-wait 10m",
        )


def in_the_way(connection: psycopg.Connection) -> list[str]:
    """Return what a build would have to wait for, one text each."""
    found = [str(session) for session in sessions.older_than(connection, OLD_AFTER)]
    found += [f"another index build, {session}" for session in sessions.building_an_index(connection)]
    return found + sessions.prepared_transactions(connection)
