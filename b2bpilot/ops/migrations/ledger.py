"""The ledger: which migration was applied when, by whom, how long it took. Code of other versions and psql ignore it.

Reading it needs SELECT, and that only when it is there; a database without one has an empty ledger.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, LiteralString

import psycopg
from psycopg import errors as pg
from psycopg.rows import kwargs_row

from b2bpilot import __version__
from b2bpilot.errors import MigrationFailed
from b2bpilot.ops.migrations.files import MigrationFile

CREATE: LiteralString = """
CREATE TABLE IF NOT EXISTS b2bpilot_migrations (
    name text PRIMARY KEY,
    checksum text NOT NULL,
    how text NOT NULL CHECK (how IN ('applied', 'adopted')),
    operator text NOT NULL,
    reason text,
    tool_version text NOT NULL,
    started_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    applied_at timestamptz,
    duration interval
)"""

EXISTS: LiteralString = "SELECT to_regclass('b2bpilot_migrations') IS NOT NULL"

READ: LiteralString = """
    SELECT name, checksum, how, operator, reason, tool_version, started_at, applied_at, duration
    FROM b2bpilot_migrations ORDER BY started_at, name
"""

BEGIN: LiteralString = """
    INSERT INTO b2bpilot_migrations (name, checksum, how, operator, reason, tool_version)
    VALUES (%(name)s, %(checksum)s, 'applied', %(operator)s, %(reason)s, %(tool_version)s)
    ON CONFLICT (name) DO UPDATE SET
        checksum = excluded.checksum, how = excluded.how, operator = excluded.operator, reason = excluded.reason,
        tool_version = excluded.tool_version, started_at = excluded.started_at, applied_at = NULL, duration = NULL
"""

FINISH: LiteralString = """
    UPDATE b2bpilot_migrations
    SET applied_at = clock_timestamp(), duration = clock_timestamp() - started_at
    WHERE name = %(name)s
"""

CONCLUDE: LiteralString = """
    UPDATE b2bpilot_migrations SET applied_at = clock_timestamp() WHERE name = %(name)s
"""

ADOPT: LiteralString = """
    INSERT INTO b2bpilot_migrations (name, checksum, how, operator, reason, tool_version, applied_at)
    VALUES (%(name)s, %(checksum)s, 'adopted', %(operator)s, %(reason)s, %(tool_version)s, clock_timestamp())
    ON CONFLICT (name) DO NOTHING
"""


class How(StrEnum):
    APPLIED = "applied"
    ADOPTED = "adopted"
    """What it makes was there already: `psql -f`, most likely."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerEntry:
    """One line of the ledger. It is written before the first statement; without `applied_at` the run did not end."""

    name: str
    checksum: str
    how: How
    operator: str
    reason: str | None
    tool_version: str
    started_at: datetime
    applied_at: datetime | None
    duration: timedelta | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Author:
    """Who runs the migrations, and why; both go into the ledger."""

    operator: str
    reason: str | None = None


def read(connection: psycopg.Connection) -> dict[str, LedgerEntry]:
    """Return the entries by the name of their file. Raises MigrationFailed when it may not be read."""
    if not exists(connection):
        return {}
    try:
        with connection.cursor(row_factory=kwargs_row(_entry)) as cursor:
            return {entry.name: entry for entry in cursor.execute(READ).fetchall()}
    except pg.InsufficientPrivilege as exc:
        raise MigrationFailed(
            "this role may not read the ledger b2bpilot_migrations",
            hint=f"as its owner: GRANT SELECT ON b2bpilot_migrations TO {connection.info.user}",
        ) from exc


def exists(connection: psycopg.Connection) -> bool:
    row = connection.execute(EXISTS).fetchone()
    return row is not None and bool(row[0])


def create(connection: psycopg.Connection) -> None:
    connection.execute(CREATE)


def begin(connection: psycopg.Connection, file: MigrationFile, author: Author) -> None:
    """Record that a migration starts, before its first statement."""
    connection.execute(BEGIN, _parameters(file, author))


def finish(connection: psycopg.Connection, file: MigrationFile) -> None:
    connection.execute(FINISH, {"name": file.name})


def conclude(connection: psycopg.Connection, file: MigrationFile) -> None:
    """Record the end of a migration whose run was lost after its last statement; how long it took, nobody knows."""
    connection.execute(CONCLUDE, {"name": file.name})


def adopt(connection: psycopg.Connection, file: MigrationFile, author: Author) -> None:
    """Record a migration that somebody else made."""
    connection.execute(ADOPT, _parameters(file, author))


def _entry(*, how: str, **columns: Any) -> LedgerEntry:
    return LedgerEntry(how=How(how), **columns)


def _parameters(file: MigrationFile, author: Author) -> dict[str, str | None]:
    return {
        "name": file.name,
        "checksum": file.checksum,
        "operator": author.operator,
        "reason": author.reason,
        "tool_version": __version__,
    }
