"""Ordinary DDL: it queues for its lock for a moment only, because every later statement queues behind it
(docs/aws-facts.md#column-locks)."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

import psycopg
from psycopg import errors as pg

from b2bpilot.errors import TimedOut
from b2bpilot.ops.migrations.sessions import user_of_the_table
from b2bpilot.ops.migrations.statements import MigrationStatement, StatementLimits
from b2bpilot.ops.migrations.table import table_named
from b2bpilot.pipeline.waiting import pause


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How often to try for a lock, and the longest pause between two tries; the pauses let the queue drain."""

    tries: int = 10
    first_pause_seconds: float = 1.0
    longest_pause_seconds: float = 8.0

    def pause_seconds(self, attempt: int) -> float:
        """Between half of it and all of it, so that two programs do not meet again and again."""
        pause = min(self.first_pause_seconds * 2.0 ** (attempt - 1), self.longest_pause_seconds)
        return pause * random.uniform(0.5, 1)  # noqa: S311  # nosec B311  # not for secrets


PATIENCE = Patience()


def run(
    connection: psycopg.Connection,
    statement: MigrationStatement,
    observer: Callable[[str], None],
    *,
    patience: Patience = PATIENCE,
) -> None:
    """Run a statement under the limits of its file, again when it did not get its lock. Raises TimedOut."""
    limit(connection, statement.limits)
    for attempt in range(1, patience.tries + 1):
        try:
            connection.execute(statement.sql.encode())
        except (pg.LockNotAvailable, pg.DeadlockDetected) as exc:
            user = user_of_the_table(connection, statement.makes.table) or "a session that has ended since"
            if attempt == patience.tries:
                raise TimedOut(
                    f"no lock on the table in {attempt} tries of {statement.limits.lock_timeout}; in its way: {user}",
                    hint="wait for that session or end it, then run "
                    + table_named(statement.makes.table).command()
                    + " again",
                ) from exc
            seconds = patience.pause_seconds(attempt)
            observer(
                f"Try {attempt} of {patience.tries}: no lock; in its way: {user}; again in {seconds:.1f} s"
            )
            pause(seconds)
        else:
            return


def limit(connection: psycopg.Connection, limits: StatementLimits) -> None:
    """Set the limits on the session; they hold until the next ones."""
    for sql in limits.sql:
        connection.execute(sql.encode())
