"""What an operator wants to know before saying yes: the server, the size of the table, its rows, and who is in the way."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import LiteralString

import psycopg
from psycopg.rows import class_row

from b2bpilot.errors import NOTHING_CHANGED, MigrationFailed, Refused
from b2bpilot.ops.migrations import duplicates, index
from b2bpilot.ops.migrations.duplicates import DuplicateCount
from b2bpilot.ops.migrations.fitness import Fitness, read_fitness, require_fit
from b2bpilot.ops.migrations.migration import MigrationPlan
from b2bpilot.ops.migrations.schema import Presence, let_see, read_schema
from b2bpilot.ops.migrations.statements import NewIndex
from b2bpilot.ops.migrations.table import SUBMISSIONS, MigratedTable

OLDEST_VERSION = 130000
"""Older ones rewrite the table, or lack what is asked of the catalogue here."""

SERVER: LiteralString = """
    SELECT
        current_setting('server_version') AS version,
        current_setting('server_version_num')::int AS version_number,
        current_user::text AS role,
        current_setting('transaction_read_only')::boolean AS read_only,
        coalesce(relnamespace, here.oid)::regnamespace::text AS schema,
        coalesce(has_schema_privilege(coalesce(relnamespace, here.oid), 'CREATE'), false) AS may_create,
        pg_get_userbyid(relowner)::text AS owner,
        pg_has_role(relowner, 'USAGE') AS may_alter,
        CASE WHEN reltuples >= 0 THEN reltuples::bigint END AS rows,
        coalesce(pg_table_size(pg_class.oid), 0) AS bytes
    FROM (SELECT to_regclass(%(table)s) AS found) AS named
        LEFT JOIN pg_class ON pg_class.oid = found
        LEFT JOIN pg_namespace AS here ON here.nspname = current_schema()
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """The server and the table. `rows` is the planner's estimate, None when there is none or no table; `owner` and
    `may_alter` are None when there is no table."""

    version: str
    version_number: int
    role: str
    read_only: bool
    schema: str | None
    may_create: bool
    owner: str | None
    may_alter: bool | None
    rows: int | None
    bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Preflight:
    """A plan that can be run, and what was found. `count` is None unless a unique index is to be built on a column that
    is there; `pooled` tells that a pooler which gives whole sessions is in between."""

    plan: MigrationPlan
    server: Server
    fitness: Fitness
    pooled: bool
    count: DuplicateCount | None
    in_the_way: list[str]


def read_server(connection: psycopg.Connection, table: MigratedTable = SUBMISSIONS) -> Server:
    with connection.cursor(row_factory=class_row(Server)) as cursor:
        server = cursor.execute(SERVER, {"table": table.name}).fetchone()
    assert server is not None  # noqa: S101  # nosec B101  # a LEFT JOIN of one row
    return server


def require_able(
    server: Server, table: MigratedTable = SUBMISSIONS, *, elsewhere: Sequence[str] = ()
) -> None:
    """Raise MigrationFailed or Refused when this role, server or schema cannot be migrated.

    `elsewhere` are schemas with such a table that the role does not see.
    """
    if server.version_number < OLDEST_VERSION:
        raise Refused(f"PostgreSQL {server.version} is too old: the migrations need 13 or newer")
    if server.read_only:
        raise MigrationFailed(
            "the database is read-only: a standby, or default_transaction_read_only is on",
            outcome=NOTHING_CHANGED,
            hint="name the primary with --database-url",
        )
    if server.may_alter is False:
        raise MigrationFailed(
            f"role {server.role} may not change table {table.name}, which belongs to {server.owner}",
            outcome=NOTHING_CHANGED,
            hint=f"use the database URL of {server.owner}, or GRANT {server.owner} TO {server.role}",
        )
    if not server.may_create and server.owner is None and elsewhere:
        raise MigrationFailed(
            f"role {server.role} does not see table {table.name} in schema {', '.join(elsewhere)}",
            outcome=NOTHING_CHANGED,
            hint=let_see(elsewhere, server.role),
        )
    if not server.may_create:
        raise MigrationFailed(
            f"role {server.role} may not create anything in schema {server.schema or '(none)'}",
            outcome=NOTHING_CHANGED,
            hint=f"as its owner: GRANT CREATE ON SCHEMA {server.schema or 'NAME'} TO {server.role}",
        )


def take_survey(
    connection: psycopg.Connection, plan: MigrationPlan, *, pooled: bool, functions_role: str | None = None
) -> Preflight:
    """Look at everything and change nothing. Raises what would stop the run, so that nobody is asked in vain."""
    table = plan.table
    server = read_server(connection, table)
    if plan.pending or plan.to_record:
        require_able(server, table, elsewhere=read_schema(connection, table).elsewhere)
    fitness = read_fitness(connection, functions_role, table=table)
    require_fit(fitness)
    count = duplicates.count(connection) if _needs_count(plan) else None
    if count:
        duplicates.require_none(count)
    builds = any(isinstance(step.statement.makes, NewIndex) for step in plan.steps)
    return Preflight(
        plan=plan,
        server=server,
        fitness=fitness,
        pooled=pooled,
        count=count,
        in_the_way=index.in_the_way(connection) if builds else [],
    )


def _needs_count(plan: MigrationPlan) -> bool:
    """The column is there and its unique index is not."""
    return any(
        isinstance(makes := step.statement.makes, NewIndex)
        and makes.unique
        and not step.lacking
        and step.presence in (Presence.MISSING, Presence.INVALID)
        for step in plan.steps
    )
