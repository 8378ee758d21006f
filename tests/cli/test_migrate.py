"""`b2bpilot migrate`."""

from __future__ import annotations

import pytest

from tests.cli.conftest import Run

FILES = ["create_user_submissions.sql", "add_message_id_column.sql", "add_processing_columns.sql"]


@pytest.fixture
def empty(empty_database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("B2BPILOT_DATABASE_URL", empty_database_url)


def test_it_applies_all_and_then_has_nothing_to_do(run: Run, empty: None) -> None:
    first, second = run("migrate", "--yes", "-o", "json"), run("migrate", "--yes")
    assert first.exit_code == second.exit_code == 0
    assert first.document["applied"] == FILES
    assert second.stdout.startswith("Nothing to do: ")


def test_without_a_terminal_it_shows_the_plan_and_refuses(run: Run, empty: None) -> None:
    result = run("migrate")
    assert result.exit_code == 5
    assert [f"{name}: pending" for name in FILES] == [
        line for line in result.stderr.splitlines() if line.endswith("pending")
    ]
    assert "pending" in run("migrate", "--status").stdout


def test_status_shows_each_file(run: Run, empty: None) -> None:
    lines = run("migrate", "--status").stdout.splitlines()
    assert lines[0] == "migration                    state    recorded (UTC)  by  took  checksum"
    assert [line.split()[:2] for line in lines[1:]] == [[name, "pending"] for name in FILES]


def test_dry_run_prints_the_statements_and_changes_nothing(run: Run, empty: None) -> None:
    result = run("migrate", "--dry-run")
    assert result.exit_code == 0
    assert "-- add_message_id_column.sql\n" in result.stdout
    assert "CREATE UNIQUE INDEX CONCURRENTLY" in result.stdout
    assert run("migrate", "--status", "--exit-code").exit_code == 3


def test_exit_code_is_0_when_nothing_is_pending(
    run: Run, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("B2BPILOT_DATABASE_URL", database_url)
    assert run("migrate", "--status", "--exit-code").exit_code == 0


def test_reading_an_unmigrated_table_names_the_command_that_helps(run: Run, empty: None) -> None:
    result = run("submissions", "list")
    assert result.exit_code == 1
    assert result.stderr.endswith("hint: run `b2bpilot migrate`\n")
