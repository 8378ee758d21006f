"""`b2bpilot migrate`: what it prints and how it ends, state by state."""

from __future__ import annotations

import socket
import tempfile
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from b2bpilot import __version__
from b2bpilot.ops.migrations import index, lock
from tests.cli.conftest import Run, Staging
from tests.ops.migrations.pooler import pooling
from tests.ops.migrations.tables import (
    FILES,
    connect,
    create_old_table,
    index_is_valid,
    leave_an_invalid_index,
    migrate_by_hand,
    transaction,
)


@pytest.fixture
def empty(empty_database_url: str, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("B2BPILOT_DATABASE_URL", empty_database_url)
    return empty_database_url


@pytest.fixture
def old(empty: str) -> str:
    """The old system's table with three rows."""
    create_old_table(empty)
    return empty


@pytest.fixture
def migrated(database_url: str, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("B2BPILOT_DATABASE_URL", database_url)
    return database_url


def states(document: Any) -> list[str]:
    return [migration["state"] for migration in document["migrations"]]


def test_it_applies_all_and_then_has_nothing_to_do(run: Run, empty: str) -> None:
    first, second = run("migrate", "--yes", "-o", "json"), run("migrate", "--yes")
    assert first.exit_code == second.exit_code == 0
    assert first.document["applied"] == FILES
    assert second.stdout.startswith("Nothing to do: ")
    assert "Nothing is pending in " in second.stderr
    assert "Migrating" not in second.stderr
    assert second.stdout.endswith("  INSERT ... ON CONFLICT (message_id) uses it\n")


def test_without_a_terminal_it_shows_the_plan_and_refuses(run: Run, empty: str) -> None:
    result = run("migrate")
    assert result.exit_code == 5
    assert result.stdout == ""
    assert [f"{name}: pending" for name in FILES] == [
        line for line in result.stderr.splitlines() if line.endswith("pending")
    ]
    assert "not confirmed: there is no terminal to confirm at. Nothing was changed" in result.stderr
    assert run("migrate", "--status", "-o", "json").document["migrations"][0]["state"] == "pending"


def test_the_plan_names_the_table_the_locks_and_who_waits(run: Run, old: str) -> None:
    with connect(old) as connection:
        connection.execute("ANALYZE b2b_pilot_user_submissions")
    lines = run("migrate", "--dry-run").stderr.splitlines()
    assert lines[2] == "Table: b2b_pilot_user_submissions, about 3 rows, 16 kB, owned by postgres"
    assert lines[3] == "create_user_submissions.sql: made by hand; it is only recorded"
    assert lines[4:10] == [
        "add_message_id_column.sql: pending",
        "  ALTER TABLE ADD COLUMN message_id",
        "    ACCESS EXCLUSIVE: reads and writes wait for milliseconds; no row is rewritten",
        "    when the lock is not free, they wait with it for at most 2s a try, 10 tries with pauses",
        "  CREATE UNIQUE INDEX CONCURRENTLY idx_user_submissions_message_id (message_id)",
        "    SHARE UPDATE EXCLUSIVE: reads and writes go on; VACUUM and other DDL wait until it is built",
    ]


def test_the_plan_for_programs(run: Run, old: str) -> None:
    plan = run("migrate", "--dry-run", "-o", "json").document["plan"]
    assert plan["to_record"] == [FILES[0]]
    statement = plan["pending"][0]["statements"][0]
    assert (statement["lock"], statement["blocks_reads"]) == ("ACCESS EXCLUSIVE", True)
    assert statement["lock_timeout"] == "2s"
    assert plan["table"]["exists"] is True
    assert plan["in_the_way"] == []


def test_rows_without_a_message_id_are_counted_before_the_index(run: Run, old: str) -> None:
    with connect(old) as connection:
        connection.execute("ALTER TABLE b2b_pilot_user_submissions ADD COLUMN message_id varchar(255)")
        connection.execute("UPDATE b2b_pilot_user_submissions SET message_id = 'one' WHERE id = 1")
    assert "    message_id: NULL in 2 of 3 rows, no duplicates among the others\n" in run("migrate").stderr


def test_dry_run_prints_the_statements_and_changes_nothing(run: Run, empty: str) -> None:
    result = run("migrate", "--dry-run", "--exit-code")
    assert result.exit_code == 3
    assert "-- add_message_id_column.sql\nSET lock_timeout = '2s';\n" in result.stdout
    assert "CREATE UNIQUE INDEX CONCURRENTLY" in result.stdout
    assert run("migrate", "--status", "--exit-code").exit_code == 3


def test_status_shows_each_file(run: Run, empty: str) -> None:
    lines = run("migrate", "--status").stdout.splitlines()
    assert lines[0] == "migration                    state    recorded (UTC)  by  took  checksum"
    assert [line.split()[:2] for line in lines[1:]] == [[name, "pending"] for name in FILES]


def test_status_says_who_applied_what_when_and_why(run: Run, old: str) -> None:
    run("migrate", "--yes", "--reason", "release 7")
    text, rows = run("migrate", "--status"), run("migrate", "--status", "-o", "jsonl").lines
    assert "create_user_submissions.sql  adopted (by hand)  20" in text.stdout
    assert [row["state"] for row in rows] == ["adopted"] + ["applied"] * len(FILES[1:])
    assert rows[1]["reason"] == "release 7"
    assert "@" in rows[1]["operator"]
    assert rows[1]["applied_at"].endswith("Z")
    assert rows[1]["duration_seconds"] > 0
    assert rows[1]["checksum"] == rows[1]["file_checksum"]


def test_a_database_migrated_by_hand_is_adopted(run: Run, old: str) -> None:
    with connect(old) as connection:
        migrate_by_hand(connection, *FILES)
    before = run("migrate", "--status", "--exit-code")
    assert (before.exit_code, before.stdout.count("adopted (by hand)")) == (0, len(FILES))
    assert before.stderr == (
        f"Made by hand and not recorded yet: {len(FILES)}; `b2bpilot migrate` records them.\n"
    )
    assert run("migrate").exit_code == 5
    result = run("migrate", "--yes")
    assert result.exit_code == 0
    assert result.stdout.startswith(f"Recorded {len(FILES)} migrations in ")
    after = run("migrate", "--status", "-o", "json").document
    assert [(row["state"], row["recorded"]) for row in after["migrations"]] == [("adopted", True)] * len(
        FILES
    )


def test_drift_is_reported_and_nothing_is_run(run: Run, migrated: str) -> None:
    with connect(migrated) as connection:
        connection.execute("UPDATE b2bpilot_migrations SET checksum = 'other' WHERE name LIKE 'add_message%'")
    status = run("migrate", "--status")
    assert (status.exit_code, status.stderr) == (
        0,
        "add_message_id_column.sql has changed since it was recorded.\n",
    )
    checked = run("migrate", "--status", "--exit-code", "-o", "json")
    assert (checked.exit_code, checked.document["error"]["code"]) == (1, "migration_drift")
    assert states(checked.document) == ["applied", "drift"] + ["applied"] * len(FILES[2:])
    result = run("migrate", "--yes")
    assert result.exit_code == 1
    assert (
        f"error: add_message_id_column.sql has changed since b2bpilot {__version__} recorded it"
        in result.stderr
    )


def test_an_invalid_index_is_found_and_fixed(run: Run, old: str) -> None:
    with connect(old) as connection:
        leave_an_invalid_index(connection)
        plan = run("migrate")
        assert (
            "    It is there and not valid: unless that changes before its turn, it is dropped and built again"
            in plan.stderr
        )
        assert run("migrate", "--dry-run").stdout.count("DROP INDEX CONCURRENTLY") == 1
        assert run("migrate", "--yes").exit_code == 0
        assert index_is_valid(connection) is True


def test_damage_is_told_by_status(run: Run, migrated: str) -> None:
    with connect(migrated) as connection:
        connection.execute("DROP INDEX idx_user_submissions_message_id")
    status = run("migrate", "--status", "--exit-code")
    assert status.exit_code == 3
    assert (
        "add_message_id_column.sql is recorded, but part of it is gone or invalid: CREATE UNIQUE"
        in status.stderr
    )
    assert run("migrate", "--yes").exit_code == 0


def test_duplicates_stop_it_with_their_ids(run: Run, old: str) -> None:
    with connect(old) as connection:
        connection.execute("ALTER TABLE b2b_pilot_user_submissions ADD COLUMN message_id varchar(255)")
        connection.execute("UPDATE b2b_pilot_user_submissions SET message_id = 'same'")
    result = run("migrate", "--yes")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.partition("\n")[2] == (
        "error: 1 message_id stands in more than one row, so the unique index cannot be built: same (id 1, 2, 3)\n"
        "hint: keep one row of each: DELETE the others by id, or set their message_id to NULL; then run it again\n"
    )


def test_a_role_that_may_not_change_the_table_is_told_whose_it_is(
    run: Run, old: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    role = f"reader_{old.rpartition('test_')[2][:8]}"
    with connect(old) as connection:
        connection.execute(f"CREATE ROLE {role} LOGIN".encode())
        try:
            monkeypatch.setenv("B2BPILOT_DATABASE_URL", make_conninfo(old, user=role))
            assert run("migrate", "--status", "--exit-code").exit_code == 3
            result = run("migrate", "--yes")
        finally:
            connection.execute(f"DROP ROLE {role}".encode())
    assert result.exit_code == 1
    assert result.stderr.partition("\n")[2] == (
        f"error: role {role} may not change table b2b_pilot_user_submissions, which belongs to postgres. "
        "Nothing was changed\n"
        f"hint: use the database URL of postgres, or GRANT postgres TO {role}\n"
    )


def test_a_ledger_that_may_not_be_read_is_named(
    run: Run, migrated: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    role = f"reader_{migrated.rpartition('test_')[2][:8]}"
    with connect(migrated) as connection:
        connection.execute(f"CREATE ROLE {role} LOGIN".encode())
        try:
            monkeypatch.setenv("B2BPILOT_DATABASE_URL", make_conninfo(migrated, user=role))
            result = run("migrate", "--status")
            connection.execute(f"GRANT SELECT ON b2bpilot_migrations TO {role}".encode())
            granted = run("migrate", "--status")
        finally:
            connection.execute(f"DROP OWNED BY {role}; DROP ROLE {role}".encode())
    assert result.exit_code == 1
    assert f"hint: as its owner: GRANT SELECT ON b2bpilot_migrations TO {role}\n" in result.stderr
    assert granted.exit_code == 0


def test_a_read_only_database_is_refused(run: Run, old: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(
        "B2BPILOT_DATABASE_URL", make_conninfo(old, options="-c default_transaction_read_only=on")
    )
    result = run("migrate", "--yes")
    assert result.exit_code == 1
    assert "\nerror: the database is read-only: a standby, or " in result.stderr


def test_an_unreachable_database_is_named_without_its_password(run: Run) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"postgresql://ana:top-secret@127.0.0.1:{taken.getsockname()[1]}/pilot"
        for more in (["--yes"], ["--status"], ["--dry-run", "--verbose"]):
            result = run("migrate", "--database-url", url, *more)
            assert result.exit_code == 1
            assert "error: no connection to pilot at 127.0.0.1:" in result.stderr
            assert "top-secret" not in result.stdout + result.stderr


def test_the_second_migrator_names_the_first(run: Run, old: str) -> None:
    with transaction(old, f"SELECT pg_advisory_lock({lock.KEY})") as first:
        result = run("migrate", "--yes", "--lock-wait", "10ms")
        status = run("migrate", "--status")
        pid = first.info.backend_pid
    assert result.exit_code == 1
    assert (
        f"error: another migration is still running after 0 s: pid {pid} (nightly report), " in result.stderr
    )
    assert f"A migrator is at work: pid {pid}" in status.stderr


def test_an_old_transaction_is_named_and_nothing_is_changed(
    run: Run, old: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(index, "OLD_AFTER", timedelta())
    with transaction(old, "UPDATE b2b_pilot_user_submissions SET body = body") as report:
        result = run("migrate", "--yes", "--lock-wait", "0")
        pid = report.info.backend_pid
    assert result.exit_code == 1
    assert (
        f"In the way of CREATE INDEX CONCURRENTLY: pid {pid} (nightly report), idle in transaction"
        in result.stderr
    )
    assert f"error: CREATE INDEX CONCURRENTLY would wait for pid {pid} (nightly report), " in result.stderr
    assert (
        "; still there after 0 s\nhint: wait for it, end it with SELECT pg_terminate_backend(PID)"
        in result.stderr
    )
    assert states(run("migrate", "--status", "-o", "json").document) == ["adopted"] + ["pending"] * len(
        FILES[1:]
    )


def test_a_pooler_that_lends_sessions_is_refused(run: Run, old: str) -> None:
    parts = conninfo_to_dict(old)
    with (
        tempfile.TemporaryDirectory() as directory,
        pooling(f"{parts['host']}/.s.PGSQL.5432", Path(directory), by_transaction=True) as pooled,
    ):
        url = make_conninfo(old, **conninfo_to_dict(pooled))
        result = run("migrate", "--yes", "--database-url", url, "-o", "json")
    assert (result.exit_code, result.document["error"]["code"]) == (5, "refused")
    assert "lends sessions by the transaction" in result.document["error"]["message"]


@pytest.mark.parametrize("wait", ["soon", "30", ""])
def test_a_lock_wait_that_is_none_is_wrong_usage(run: Run, old: str, wait: str) -> None:
    result = run("migrate", "--yes", "--lock-wait", wait)
    assert (result.exit_code, result.stderr.startswith("error: --lock-wait: ")) == (2, True)


def test_status_and_dry_run_together_are_wrong_usage(run: Run, old: str) -> None:
    result = run("migrate", "--status", "--dry-run")
    assert result.exit_code == 2
    assert result.stderr.startswith("error: --status and --dry-run are two different things")


def test_the_exit_code_of_a_run_is_no_question(run: Run, old: str) -> None:
    assert run("migrate", "--exit-code", "--yes").exit_code == 2


def test_what_came_before_a_failure_is_told_with_exit_code_4(run: Run, empty: str) -> None:
    """An event trigger stands for whatever stops the third file."""
    with connect(empty) as connection:
        connection.execute(
            "CREATE FUNCTION stop() RETURNS event_trigger LANGUAGE plpgsql AS "
            "$$ BEGIN IF current_query() LIKE '%next_stale_at%' THEN RAISE 'not today'; END IF; END $$"
        )
        connection.execute("CREATE EVENT TRIGGER stop ON ddl_command_start EXECUTE FUNCTION stop()")
        result = run("migrate", "--yes")
        assert result.exit_code == 4
        assert "add_processing_columns.sql stopped at `ALTER TABLE ADD COLUMN source, " in result.stderr
        assert f"not today. Applied before it, and kept: {FILES[0]}, {FILES[1]}\n" in result.stderr
        assert states(run("migrate", "--status", "-o", "json").document) == [
            "applied",
            "applied",
            "interrupted",
            *["pending"] * len(FILES[3:]),
        ]
        connection.execute("DROP EVENT TRIGGER stop")
        assert run("migrate", "--yes").exit_code == 0


def test_an_environment_names_its_database(run: Run, staging: Staging) -> None:
    result = run("migrate", "--dry-run", "-e", "staging")
    assert result.exit_code == 0
    assert "environment staging (account 123456789012, eu-west-1)" in result.stderr
    assert "Nothing is pending." in result.stderr


def test_exit_code_is_0_when_nothing_is_pending(run: Run, migrated: str) -> None:
    assert run("migrate", "--status", "--exit-code").exit_code == 0
    assert run("migrate", "--dry-run", "--exit-code").exit_code == 0


def test_reading_an_unmigrated_table_names_the_command_that_helps(run: Run, empty: str) -> None:
    result = run("submissions", "list")
    assert result.exit_code == 1
    assert "\nhint: run `b2bpilot migrate`; if the table is there, " in result.stderr
