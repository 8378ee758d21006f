"""`b2bpilot migrate --only deliveries`: the table of a subscriber's handler, in any database."""

from __future__ import annotations

from pathlib import Path

import pytest

from b2bpilot import resources
from b2bpilot.ops import migrations
from tests.cli.conftest import Run
from tests.ops.migrations.tables import FILES, connect

NAME = "deliveries/create_deliveries.sql"
TABLE = "b2b_pilot_deliveries"
ONLY = ("migrate", "--only", "deliveries")


@pytest.fixture
def empty(empty_database_url: str, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("B2BPILOT_DATABASE_URL", empty_database_url)
    return empty_database_url


@pytest.fixture
def made(empty: str) -> str:
    migrations.apply(empty, table=migrations.DELIVERIES)
    return empty


def tables(dsn: str) -> set[str]:
    with connect(dsn) as connection:
        found = connection.execute("SELECT relname FROM pg_class WHERE relkind = 'r' AND relname ~ '^b2b'")
        return {name for (name,) in found}


def test_it_makes_one_table_and_then_has_nothing_to_do(run: Run, empty: str) -> None:
    first, second = run(*ONLY, "--yes", "-o", "json"), run(*ONLY, "--yes")

    assert (first.exit_code, first.document["applied"]) == (0, [NAME])
    assert tables(empty) == {TABLE, "b2bpilot_migrations"}
    assert second.stdout.startswith("Nothing to do: ")
    assert second.stdout.endswith(
        "  its primary key is (subscriber, message_id)\n"
        "  its columns and constraints take every message\n"
        "  role postgres may SELECT, INSERT and UPDATE; whether the functions have that role is not known here\n"
        "  no row security hides a row from role postgres\n"
        "  the database's encoding is UTF8\n"
        "  INSERT ... ON CONFLICT (subscriber, message_id) uses it\n"
    )


def test_the_plan_is_of_that_table(run: Run, empty: str) -> None:
    result = run(*ONLY, "--dry-run", "--exit-code")

    assert result.exit_code == 3
    assert f"Table: {TABLE} is not there yet\n{NAME}: pending\n" in result.stderr
    assert f"CREATE TABLE IF NOT EXISTS {TABLE} (" in result.stdout
    assert tables(empty) == set()


def test_the_pipeline_s_migrations_and_these_know_nothing_of_each_other(run: Run, empty: str) -> None:
    assert run("migrate", "--yes", "-o", "json").document["applied"] == FILES
    assert TABLE not in tables(empty)
    assert run(*ONLY, "--yes", "-o", "json").document["applied"] == [NAME]

    for arguments, names in ((("migrate",), FILES), (ONLY, [NAME])):
        status = run(*arguments, "--status", "--exit-code", "-o", "json")
        assert status.exit_code == 0
        assert [row["name"] for row in status.document["migrations"]] == names


def test_a_table_made_with_psql_is_adopted_and_the_hint_names_the_table(run: Run, empty: str) -> None:
    with connect(empty) as connection:
        connection.execute((resources.migrations() / NAME).read_bytes())

    status = run(*ONLY, "--status")

    assert status.stderr == (
        "Made by hand and not recorded yet: 1; `b2bpilot migrate --only deliveries` records them.\n"
    )
    assert run(*ONLY, "--yes").stdout.startswith("Recorded 1 migration in ")


@pytest.mark.parametrize(
    ("statement", "text"),
    [
        (f"ALTER TABLE {TABLE} ALTER message_id TYPE text", "column message_id is text, not uuid"),
        (f"ALTER TABLE {TABLE} ADD owner text NOT NULL", "column owner is not a column of this pipeline"),
        (f"ALTER TABLE {TABLE} ADD CHECK (status <> 'failed')", "it refuses failed"),
        (f"ALTER TABLE {TABLE} SET UNLOGGED", f"{TABLE} is unlogged"),
        (f"ALTER TABLE {TABLE} DROP attempts", f"table {TABLE} exists, but lacks attempts"),
        (f"ALTER TABLE {TABLE} DROP CONSTRAINT {TABLE}_pkey", "does not use index b2b_pilot_deliveries_pkey"),
    ],
)
def test_a_table_that_would_refuse_a_claim_is_named(run: Run, made: str, statement: str, text: str) -> None:
    with connect(made) as connection:
        connection.execute(statement.encode())

    result = run(*ONLY, "--yes")

    assert result.exit_code == 1
    assert text in result.stderr


def test_what_is_left_of_a_table_that_lost_a_column_is_not_called_sound(run: Run, made: str) -> None:
    with connect(made) as connection:
        connection.execute(f"ALTER TABLE {TABLE} DROP status".encode())

    assert "restore the table from a backup" in run(*ONLY, "--status").stderr
    assert "restore the table from a backup" in run(*ONLY, "--yes").stderr


def test_another_table_is_refused_before_anybody_is_asked(run: Run) -> None:
    result = run("migrate", "--only", "submissions")

    assert (result.exit_code, result.stdout) == (2, "")
    assert "--only submissions is no table; name deliveries, or leave --only out" in result.stderr


def test_the_status_words_are_the_library_s() -> None:
    written = (Path(resources.PACKAGE) / "subscriber" / "once.py").read_text()

    assert all(f"'{word}'" in written for word in migrations.DELIVERIES.texts["status"])
