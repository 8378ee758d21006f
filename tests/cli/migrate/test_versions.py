"""`b2bpilot migrate` on an older PostgreSQL: the system's own, where it has one."""

from __future__ import annotations

import signal
import uuid
from collections.abc import Iterator
from datetime import timedelta

import pytest
from psycopg.conninfo import make_conninfo

from b2bpilot.ops.migrations import index
from b2bpilot.subscriber.once import once
from tests.cli.conftest import Run
from tests.cli.migrate.test_interrupted import ends_well, migrating
from tests.events import message, sns_event
from tests.ops.migrations.system_postgres import find_binaries, running
from tests.ops.migrations.tables import (
    FILES,
    connect,
    create_old_table,
    index_is_valid,
    leave_an_invalid_index,
    transaction,
)


@pytest.fixture(scope="module")
def system_server() -> Iterator[str]:
    binaries = find_binaries()
    if binaries is None:
        pytest.skip("not installed: PostgreSQL 13 to 17, as the system packages it; what Python brings is 18")
    with running(binaries) as dsn:
        yield dsn


@pytest.fixture
def old(system_server: str, monkeypatch: pytest.MonkeyPatch) -> str:
    name = f"test_{uuid.uuid4().hex}"
    with connect(system_server) as admin:
        admin.execute(f"CREATE DATABASE {name}".encode())
    dsn = make_conninfo(system_server, dbname=name)
    create_old_table(dsn)
    monkeypatch.setenv("B2BPILOT_DATABASE_URL", dsn)
    return dsn


def test_it_is_migrated_and_verified(run: Run, old: str) -> None:
    result = run("migrate", "--yes", "-o", "json")
    assert result.exit_code == 0
    assert result.document["applied"] == FILES[1:]
    assert len(result.document["verified"]) == 8
    assert run("migrate", "--status", "--exit-code").exit_code == 0


def test_an_invalid_index_is_fixed(run: Run, old: str) -> None:
    with connect(old) as connection:
        leave_an_invalid_index(connection)
        assert run("migrate", "--yes").exit_code == 0
        assert index_is_valid(connection) is True


def test_a_duplicate_is_named(run: Run, old: str) -> None:
    with connect(old) as connection:
        connection.execute("ALTER TABLE b2b_pilot_user_submissions ADD COLUMN message_id varchar(255)")
        connection.execute("UPDATE b2b_pilot_user_submissions SET message_id = 'same'")
    result = run("migrate", "--yes")
    assert (result.exit_code, "same (id 1, 2, 3)" in result.stderr) == (1, True)


def test_kill_9_frees_the_lock_and_the_next_run_ends_well(run: Run, old: str) -> None:
    with migrating(old) as migrator:
        assert migrator.end(signal.SIGKILL)[0] == -signal.SIGKILL
    ends_well(run, old)


def test_a_prepared_transaction_is_named(run: Run, old: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(index, "OLD_AFTER", timedelta())
    with transaction(old, "UPDATE b2b_pilot_user_submissions SET body = body") as other:
        other.execute("PREPARE TRANSACTION 'forgotten'")
    result = run("migrate", "--yes", "--lock-wait", "10ms")
    with connect(old) as connection:
        connection.execute("ROLLBACK PREPARED 'forgotten'")
    assert result.exit_code == 1
    assert (
        "CREATE INDEX CONCURRENTLY would wait for prepared transaction 'forgotten'; still there"
        in result.stderr
    )


def test_a_subscriber_s_table_is_made_and_its_handler_runs_once(
    run: Run, old: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent, handler = sns_event(message()), once("analytics")(lambda *_: None)
    monkeypatch.setenv("DATABASE_URL", old)

    assert run("migrate", "--only", "deliveries", "--yes").exit_code == 0
    try:
        assert [handler(sent)["outcomes"] for _ in range(2)] == [["stored"], ["duplicate"]]
    finally:
        handler.end()
