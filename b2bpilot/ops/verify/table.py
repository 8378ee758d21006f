"""The database as one look finds it: the connection, the clock, the table's columns and indexes, the migrations."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from b2bpilot.aws.clock import AWS
from b2bpilot.errors import PilotError
from b2bpilot.ops.verify.deployment import Deployment
from b2bpilot.pipeline.clock import HostClock

if TYPE_CHECKING:
    from b2bpilot.ops.migrations import Fitness, MigrationPlan
    from b2bpilot.ops.migrations.schema import Schema
    from b2bpilot.pipeline.database import DatabaseManager
    from b2bpilot.pipeline.health import ProblemCount, RowProblem

APPLICATION_NAME = "b2bpilot/verify"
THIS_MACHINE = "this machine"
LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


@dataclass(frozen=True, slots=True, kw_only=True)
class DatabaseReading:
    """`skew` is how far the database's clock is ahead of AWS's, which the functions go by, as far as both could be read;
    `skew_from` is whose clock that is."""

    place: str
    server_version: str
    is_local: bool
    is_encrypted: bool
    skew: timedelta
    skew_from: str = AWS
    schema: Schema


def table(deployment: Deployment) -> DatabaseReading:
    """Raises DatabaseError, SettingsInvalid."""
    found: DatabaseReading = deployment.ask("table", lambda: _read(deployment))
    return found


def plan(deployment: Deployment) -> MigrationPlan:
    """Raises DatabaseError, MigrationFailed."""

    def ask() -> MigrationPlan:
        from b2bpilot.ops import migrations

        return migrations.plan(deployment.database_url)

    found: MigrationPlan = deployment.ask("migrations", ask)
    return found


def fitness(deployment: Deployment) -> Fitness:
    """For the role of the functions, which the stack's secret names; where it does not, for who is asked here.

    Raises DatabaseError.
    """

    def ask() -> Fitness:
        from b2bpilot.ops import migrations

        return migrations.fitness(deployment.database_url, functions_role=_functions_role(deployment))

    found: Fitness = deployment.ask("fitness", ask)
    return found


def _functions_role(deployment: Deployment) -> str | None:
    from b2bpilot.pipeline.dsn import role_of

    try:
        return role_of(deployment.secret_s_database_url())
    except PilotError:
        return None


def problems(deployment: Deployment) -> dict[RowProblem, ProblemCount]:
    """Raises DatabaseError."""

    def ask() -> dict[RowProblem, ProblemCount]:
        from b2bpilot.pipeline.database import DatabaseManager
        from b2bpilot.pipeline.health import count_problems

        stale_after = timedelta(minutes=float(deployment.stack.stale_after_minutes))
        with DatabaseManager(deployment.database_url, application_name=APPLICATION_NAME) as database:
            return count_problems(database, stale_after=stale_after)

    found: dict[RowProblem, ProblemCount] = deployment.ask("problems", ask)
    return found


def _read(deployment: Deployment) -> DatabaseReading:
    from b2bpilot.ops.migrations.schema import read_schema
    from b2bpilot.pipeline.database import DatabaseManager
    from b2bpilot.pipeline.dsn import place
    from b2bpilot.pipeline.row_security import Need

    url = deployment.database_url
    with DatabaseManager(url, application_name=APPLICATION_NAME, needs=Need.NO_ROWS) as database:
        with database.connection.use() as connection:
            schema = read_schema(connection)
            host = connection.info.host
            is_encrypted = bool(connection.pgconn.ssl_in_use)
            version = connection.info.parameter_status("server_version")
        skew, skew_from = _skew(database, deployment.access.clock)
    return DatabaseReading(
        place=place(url),
        server_version=version or "of an unknown version",
        is_local=host.startswith("/") or host in LOOPBACK,
        is_encrypted=is_encrypted,
        skew=skew,
        skew_from=skew_from,
        schema=schema,
    )


def _skew(database: DatabaseManager, aws: HostClock) -> tuple[timedelta, str]:
    """Return how far the database is ahead of AWS; where AWS told no time, of this machine."""
    asked_at = aws.machine()
    theirs = HostClock("the database", machine=aws.machine)
    theirs.tell(database.now(), asked_at=asked_at)
    if not aws.is_known:
        return -theirs.machine_ahead(), THIS_MACHINE
    return theirs.ahead_of(aws), aws.host
