"""Reading the plan, and running it under the lock."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

import psycopg

from b2bpilot import resources
from b2bpilot.errors import PartlyFailed, PilotError
from b2bpilot.ops.migrations import ledger, lock
from b2bpilot.ops.migrations.connecting import open_connection, prepare
from b2bpilot.ops.migrations.files import read_migrations
from b2bpilot.ops.migrations.fitness import Fitness, read_fitness, require_fit
from b2bpilot.ops.migrations.ledger import Author
from b2bpilot.ops.migrations.migration import MigrationPlan, make_plan, require_sound
from b2bpilot.ops.migrations.pooler import require_sessions
from b2bpilot.ops.migrations.progress import WatchedConnection
from b2bpilot.ops.migrations.run import LockSession, MigrationRun, Observer, go_on
from b2bpilot.ops.migrations.schema import read_schema
from b2bpilot.ops.migrations.server import Preflight, take_survey
from b2bpilot.ops.migrations.table import SUBMISSIONS, MigratedTable
from b2bpilot.ops.migrations.verify import verify
from b2bpilot.pipeline.failures import first_line, translated

LOCK_WAIT = timedelta(seconds=30)


@dataclass(frozen=True, slots=True, kw_only=True)
class MigrationOutcome:
    """What a run did. `verified` says what was found right at its end, `fitness` what was not, or may not be."""

    applied: list[str]
    adopted: list[str]
    verified: list[str]
    fitness: Fitness
    duration: timedelta


def plan(dsn: str, *, table: MigratedTable = SUBMISSIONS) -> MigrationPlan:
    """Return all migrations and their states; it only reads. Raises DatabaseUnreachable, or MigrationFailed."""
    with translated(dsn), open_connection(dsn, None) as connection:
        return read_plan(connection, table)


def fitness(dsn: str, *, functions_role: str | None = None, table: MigratedTable = SUBMISSIONS) -> Fitness:
    """Return whether the table takes every message; it only reads. Raises DatabaseUnreachable."""
    with translated(dsn), open_connection(dsn, None) as connection:
        return read_fitness(connection, functions_role, table=table)


def survey(dsn: str, *, functions_role: str | None = None, table: MigratedTable = SUBMISSIONS) -> Preflight:
    """Return a plan that can be run, and what to know before; it only reads. Raises what would stop `apply`."""
    with translated(dsn), open_connection(dsn, None) as connection:
        with open_connection(dsn, None) as second:
            pooled = require_sessions(connection, second, dsn)
        prepare(connection)
        found = read_plan(connection, table)
        require_sound(found)
        return take_survey(connection, found, pooled=pooled, functions_role=functions_role)


def apply(
    dsn: str,
    observer: Observer = lambda _: None,
    *,
    author: Author | None = None,
    lock_wait: timedelta = LOCK_WAIT,
    functions_role: str | None = None,
    table: MigratedTable = SUBMISSIONS,
) -> MigrationOutcome:
    """Run what is pending, record what was made by hand, verify; `observer` hears what is being done.

    A table that cannot take every message is left as it is. `functions_role` is the role of the functions, where another
    one migrates and it is known. `lock_wait` bounds the waiting for another migrator, and for old transactions before an index is built. Raises
    MigrationFailed or TimedOut when nothing was changed, PartlyFailed otherwise; what was done stays, and the next run
    goes on from there.
    """
    started = time.monotonic()
    with translated(dsn), _locked(dsn, observer, author=author, lock_wait=lock_wait) as session:
        found = read_plan(session.connection, table)
        require_sound(found)
        require_fit(read_fitness(session.connection, functions_role, table=table))
        run = MigrationRun(session=session, plan=found)
        run.run()
        verified, fit = _verified(session.connection, run, functions_role)
    duration = timedelta(seconds=time.monotonic() - started)
    return MigrationOutcome(
        applied=run.applied, adopted=run.adopted, verified=verified, fitness=fit, duration=duration
    )


def _verified(
    connection: psycopg.Connection, run: MigrationRun, functions_role: str | None
) -> tuple[list[str], Fitness]:
    """Raises PartlyFailed where that fails after something was applied: that it was is no less true."""
    try:
        table = run.plan.table
        fit = read_fitness(connection, functions_role, table=table)
        return verify(connection, read_plan(connection, table), fit), fit
    except (PilotError, psycopg.Error) as exc:
        if not run.is_begun:
            raise
        done = ", ".join([*run.applied, *run.adopted])
        hint = exc.hint if isinstance(exc, PilotError) else go_on(run.plan.table)
        raise PartlyFailed(
            f"applied: {done}; then, while verifying it: {first_line(exc)}", hint=hint
        ) from exc


def read_plan(connection: psycopg.Connection, table: MigratedTable = SUBMISSIONS) -> MigrationPlan:
    files = read_migrations(resources.migrations(), table)
    other = lock.holder(connection)
    return make_plan(
        files,
        ledger.read(connection),
        read_schema(connection, table),
        table=table,
        migrator=lock.described(other) if other else None,
    )


@contextmanager
def _locked(
    dsn: str, observer: Observer, *, author: Author | None, lock_wait: timedelta
) -> Iterator[LockSession]:
    with open_connection(dsn, author) as connection:
        with open_connection(dsn, author) as second:
            require_sessions(connection, second, dsn)
        prepare(connection)
        with lock.held(connection, wait=lock_wait, observer=observer):
            yield LockSession(
                connection=connection,
                author=author or Author(operator=connection.info.user),
                observer=observer,
                watched=WatchedConnection(
                    connection=connection,
                    pid=lock.own_pid(connection),
                    connect=lambda: open_connection(dsn, author),
                    observer=observer,
                ),
                lock_wait=lock_wait,
            )
