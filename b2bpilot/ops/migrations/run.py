"""One run of a plan, statement by statement, under the lock."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta

import psycopg

from b2bpilot.advice import Words
from b2bpilot.errors import MigrationFailed, PartlyFailed, PilotError
from b2bpilot.ops.migrations import ddl, index, ledger, lock
from b2bpilot.ops.migrations.effects import title
from b2bpilot.ops.migrations.files import MigrationFile
from b2bpilot.ops.migrations.ledger import Author
from b2bpilot.ops.migrations.migration import Migration, MigrationPlan, MigrationState, MigrationStep
from b2bpilot.ops.migrations.progress import WatchedConnection
from b2bpilot.ops.migrations.server import read_server, require_able
from b2bpilot.ops.migrations.statements import MigrationStatement, NewIndex
from b2bpilot.ops.migrations.table import MigratedTable
from b2bpilot.pipeline.failures import first_line

Observer = Callable[[str], None]


def go_on(table: MigratedTable) -> Words:
    """Say how a run that stopped is continued."""
    return "fix the cause and run " + table.command() + " again; it goes on where it stopped"


@dataclass(frozen=True, slots=True, kw_only=True)
class LockSession:
    """The session that holds the lock, and everything that a statement on it needs."""

    connection: psycopg.Connection
    author: Author
    observer: Observer
    watched: WatchedConnection
    lock_wait: timedelta


@dataclass(slots=True, kw_only=True)
class MigrationRun:
    """One run of a plan, and how far it came."""

    session: LockSession
    plan: MigrationPlan
    applied: list[str] = field(default_factory=list)
    adopted: list[str] = field(default_factory=list)
    statements: int = 0
    is_lost: bool = False
    """The connection ended during a statement: nobody knows whether it was done."""

    @property
    def is_begun(self) -> bool:
        """Whether the schema was changed, or may have been: what is only recorded is no change of it."""
        return bool(self.statements or self.applied or self.is_lost)

    def run(self) -> None:
        """Raises what `apply` raises."""
        if not (self.plan.pending or self.plan.to_record):
            return
        require_able(read_server(self.session.connection, self.plan.table), self.plan.table)
        try:
            self._require_clear_way()
            ledger.create(self.session.connection)
            for migration in self.plan.migrations:
                self._one(migration)
        except (PilotError, psycopg.Error) as exc:
            if not self.is_begun:
                raise
            hint = exc.hint if isinstance(exc, PilotError) else go_on(self.plan.table)
            raise PartlyFailed(f"{first_line(exc)}. {self._so_far()}", hint=hint) from exc

    def _one(self, migration: Migration) -> None:
        connection, file = self.session.connection, migration.file
        if file is None:
            return
        if migration in self.plan.to_record:
            ledger.adopt(connection, file, self.session.author)
            self.adopted.append(file.name)
        elif migration.state is MigrationState.INTERRUPTED and not migration.steps:
            ledger.conclude(connection, file)
            self.applied.append(file.name)
        elif migration.steps:
            self._apply(migration, file)

    def _apply(self, migration: Migration, file: MigrationFile) -> None:
        connection = self.session.connection
        ledger.begin(connection, file, self.session.author)
        for step in migration.steps:
            self.session.observer(f"{file.name}: {title(step.statement)}")
            lock.require_held(connection)
            self._step(step, file)
            self.statements += 1
        ledger.finish(connection, file)
        self.applied.append(file.name)

    def _step(self, step: MigrationStep, file: MigrationFile) -> None:
        try:
            self._execute(step.statement)
        except psycopg.Error as exc:
            self.is_lost = self.session.connection.closed
            what = ": the connection was lost at" if self.is_lost else " stopped at"
            doubt = ", and nobody knows whether it was done" if self.is_lost else ""
            raise MigrationFailed(
                f"{file.name}{what} `{title(step.statement)}`{doubt}: {first_line(exc)}",
                hint=go_on(self.plan.table),
            ) from exc

    def _execute(self, statement: MigrationStatement) -> None:
        session = self.session
        if isinstance(statement.makes, NewIndex):
            self._require_clear_way()
            index.Build(
                connection=session.connection,
                statement=statement,
                index=statement.makes,
                watched=session.watched,
                observer=session.observer,
            ).run()
        else:
            ddl.run(session.connection, statement, session.observer)

    def _require_clear_way(self) -> None:
        if any(isinstance(step.statement.makes, NewIndex) for step in self.plan.steps):
            session = self.session
            index.require_clear_way(session.connection, wait=session.lock_wait, observer=session.observer)

    def _so_far(self) -> str:
        if self.applied:
            return f"Applied before it, and kept: {', '.join(self.applied)}"
        if self.statements:
            return "What ran before it stays"
        return "The next run sees whether it was done"
