"""What is pending, and applying it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import psycopg

from b2bpilot import resources
from b2bpilot.errors import MigrationFailed
from b2bpilot.ops.migrations.files import MigrationFile, read_migrations
from b2bpilot.ops.migrations.schema import read_schema
from b2bpilot.pipeline.connection import connect, first_line, translated

APPLICATION_NAME = "b2bpilot/migrate"


@dataclass(frozen=True, slots=True, kw_only=True)
class Migration:
    """One file and whether the database has what it makes."""

    name: str
    statements: tuple[str, ...]
    applied: bool


def plan(dsn: str) -> list[Migration]:
    """Return all migrations in order. Raises DatabaseUnreachable."""
    with translated(dsn), connect(dsn, application_name=APPLICATION_NAME) as connection:
        return _plan(connection)


def apply(dsn: str, observer: Callable[[str], None] = lambda _: None) -> list[Migration]:
    """Apply what is pending, in order, and return it; `observer` hears what is being done.

    Raises MigrationFailed at the first statement that fails; what was done before it stays, and a second run goes on.
    """
    with translated(dsn), connect(dsn, application_name=APPLICATION_NAME) as connection:
        pending = [migration for migration in _plan(connection) if not migration.applied]
        for migration in pending:
            observer(f"applying {migration.name}")
            _apply(connection, migration)
        _verify(connection, pending)
    return pending


def _plan(connection: psycopg.Connection) -> list[Migration]:
    schema = read_schema(connection)
    files: list[MigrationFile] = read_migrations(resources.migrations())
    return [
        Migration(name=file.name, statements=file.statements, applied=schema.has(file.name)) for file in files
    ]


def _apply(connection: psycopg.Connection, migration: Migration) -> None:
    for statement in migration.statements:
        try:
            connection.execute(statement.encode())
        except psycopg.Error as exc:
            (start, *_) = statement.splitlines()
            raise MigrationFailed(
                f"{migration.name} stopped at `{start}`: {first_line(exc)}",
                hint="mend the cause and run `b2bpilot migrate` again; it goes on where it stopped",
            ) from exc


def _verify(connection: psycopg.Connection, applied: list[Migration]) -> None:
    schema = read_schema(connection)
    for migration in applied:
        if not schema.has(migration.name):
            raise MigrationFailed(
                f"{migration.name} ran, but the database lacks what it makes (an index may be invalid)",
                hint="drop the invalid index and run `b2bpilot migrate` again",
            )
