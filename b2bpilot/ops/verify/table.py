"""The database as one look finds it: the connection, the clock, the table's columns and indexes, the migrations."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from b2bpilot.ops.verify.world import World

if TYPE_CHECKING:
    from b2bpilot.ops.migrations import Plan
    from b2bpilot.ops.migrations.schema import Schema
    from b2bpilot.pipeline.health import ProblemCount, RowProblem

APPLICATION_NAME = "b2bpilot/verify"
LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """`skew` is how far the database's clock is ahead of ours, as far as the round trip lets it be known."""

    place: str
    server_version: str
    is_local: bool
    is_encrypted: bool
    skew: timedelta
    schema: Schema


def table(world: World) -> Table:
    """Raises DatabaseError, SettingsInvalid."""
    found: Table = world.ask("table", lambda: _read(world))
    return found


def plan(world: World) -> Plan:
    """Raises DatabaseError, MigrationFailed."""

    def ask() -> Plan:
        from b2bpilot.ops import migrations

        return migrations.plan(world.database_url)

    found: Plan = world.ask("migrations", ask)
    return found


def problems(world: World) -> dict[RowProblem, ProblemCount]:
    """Raises DatabaseError."""

    def ask() -> dict[RowProblem, ProblemCount]:
        from b2bpilot.pipeline.database import DatabaseManager
        from b2bpilot.pipeline.health import count_problems

        stale_after = timedelta(minutes=float(world.stack.stale_after_minutes))
        with DatabaseManager(world.database_url, application_name=APPLICATION_NAME) as database:
            return count_problems(database, stale_after=stale_after)

    found: dict[RowProblem, ProblemCount] = world.ask("problems", ask)
    return found


def _read(world: World) -> Table:
    from b2bpilot.ops.migrations.schema import read_schema
    from b2bpilot.pipeline.database import DatabaseManager
    from b2bpilot.pipeline.dsn import place

    url = world.database_url
    with DatabaseManager(url, application_name=APPLICATION_NAME) as database:
        with database.connection.use() as connection:
            schema = read_schema(connection)
            host = connection.info.host
            is_encrypted = bool(connection.pgconn.ssl_in_use)
            version = connection.info.parameter_status("server_version")
        before, theirs, after = world.clock(), database.now(), world.clock()
    return Table(
        place=place(url),
        server_version=version or "of an unknown version",
        is_local=host.startswith("/") or host in LOOPBACK,
        is_encrypted=is_encrypted,
        skew=theirs - (before + (after - before) / 2),
        schema=schema,
    )
