"""The files, their order, and what is read out of them."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from b2bpilot import resources
from b2bpilot.errors import MigrationFailed
from b2bpilot.ops import migrations
from b2bpilot.ops.migrations.effects import effect_of
from b2bpilot.ops.migrations.files import read_migrations
from b2bpilot.ops.migrations.statements import NewColumns, NewIndex, NewTable, read_statements
from tests.ops.migrations.tables import FILES
from tests.programs import needs

COLUMN = "ALTER TABLE b2b_pilot_user_submissions ADD COLUMN IF NOT EXISTS {} text;\n"


def write(folder: Path, name: str, depends: str, column: str = "more") -> Path:
    (folder / name).write_text(f"-- depends: {depends}\n{COLUMN.format(column)}")
    return folder


def test_our_files_come_in_the_order_in_which_they_depend() -> None:
    assert [file.name for file in read_migrations(resources.migrations())] == FILES


def test_what_each_of_our_statements_makes_is_understood() -> None:
    table, message_id, index, columns, unfinished, recovery, old_rows = (
        statement.makes for file in read_migrations(resources.migrations()) for statement in file.statements
    )
    assert isinstance(table, NewTable)
    assert "message_sid" in table.columns
    assert len(table.columns) == 9
    assert isinstance(message_id, NewColumns)
    assert message_id.columns == ("message_id",)
    assert isinstance(index, NewIndex)
    assert (index.unique, index.columns, index.partial) == (True, ("message_id",), False)
    assert isinstance(columns, NewColumns)
    assert len(columns.columns) == 15
    assert isinstance(unfinished, NewIndex)
    assert (unfinished.unique, unfinished.partial) == (False, True)
    assert isinstance(recovery, NewColumns)
    assert recovery.columns == ("discarded_by", "republished_at")
    assert isinstance(old_rows, NewIndex)
    assert (old_rows.unique, old_rows.columns, old_rows.partial) == (False, ("message_sid",), True)


def test_only_the_concurrent_builds_run_without_limits() -> None:
    for file in read_migrations(resources.migrations()):
        for statement in file.statements:
            limited = not isinstance(statement.makes, NewIndex)
            assert (statement.limits.lock_timeout == "2s") is limited
            assert (effect_of(statement, table_is_new=False).lock == "ACCESS EXCLUSIVE") is limited


@pytest.mark.parametrize(
    "sql",
    [
        "ALTER TABLE b2b_pilot_user_submissions DROP COLUMN body;",
        "ALTER TABLE b2b_pilot_user_submissions ADD COLUMN IF NOT EXISTS a text, DROP COLUMN body;",
        "CREATE INDEX IF NOT EXISTS plain ON b2b_pilot_user_submissions (body);",
        "SET work_mem = '1GB';",
        "UPDATE b2b_pilot_user_submissions SET status = 'completed';",
    ],
)
def test_a_statement_whose_lock_is_not_known_is_refused(sql: str) -> None:
    with pytest.raises(MigrationFailed, match="unknown kind"):
        read_statements(sql)


def test_a_missing_file_is_an_error(tmp_path: Path) -> None:
    write(tmp_path, "a.sql", "nothing")
    write(tmp_path, "c.sql", "b.sql")
    with pytest.raises(MigrationFailed, match=r"one migration must depend on a\.sql; found none"):
        read_migrations(tmp_path)


def test_two_files_in_one_place_are_an_error(tmp_path: Path) -> None:
    for name in ("b.sql", "c.sql"):
        write(tmp_path, name, "a.sql")
    write(tmp_path, "a.sql", "nothing")
    with pytest.raises(MigrationFailed, match=r"found b\.sql, c\.sql"):
        read_migrations(tmp_path)


def test_an_empty_folder_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(MigrationFailed, match="holds no migrations"):
        read_migrations(tmp_path)


def test_line_ends_do_not_change_the_checksum(tmp_path: Path) -> None:
    (unix,) = read_migrations(write(tmp_path, "a.sql", "nothing"))
    text = (tmp_path / "a.sql").read_bytes()
    (tmp_path / "a.sql").write_bytes(text.replace(b"\n", b"\r\n"))
    (windows,) = read_migrations(tmp_path)
    assert windows.checksum == unix.checksum


@needs("psql")
def test_psql_runs_the_files_and_runs_them_again(empty_database_url: str) -> None:
    for name in FILES * 2:
        file = resources.migrations() / name
        command = ["psql", empty_database_url, "-q", "-v", "ON_ERROR_STOP=1", "-f", str(file)]
        subprocess.run(command, check=True, capture_output=True)
    plan = migrations.plan(empty_database_url)
    assert [migration.state for migration in plan.migrations] == [migrations.MigrationState.ADOPTED] * len(
        FILES
    )
