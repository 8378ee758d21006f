"""`b2bpilot migrate` of a table that would refuse messages, or break the reading of them."""

from __future__ import annotations

import pytest

from tests.cli.conftest import Run
from tests.ops.migrations.tables import connect
from tests.ops.migrations.test_fitness import LEGACY


@pytest.fixture
def legacy(empty_database_url: str, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("B2BPILOT_DATABASE_URL", empty_database_url)
    with connect(empty_database_url) as connection:
        connection.execute(LEGACY)
    return empty_database_url


def test_an_old_table_that_would_refuse_messages_is_left_as_it_is(run: Run, legacy: str) -> None:
    result = run("migrate", "--yes")

    assert (result.exit_code, result.stdout) == (1, "")
    assert "column created_at is timestamp without time zone, not timestamptz" in result.stderr
    assert "column from_number is character varying(20)" in result.stderr
    assert "Nothing was changed" in result.stderr
    with connect(legacy) as connection:
        assert connection.execute("SELECT to_regclass('b2bpilot_migrations')").fetchone() == (None,)


def test_status_names_each_thing_and_how_to_change_it(run: Run, legacy: str) -> None:
    result = run("migrate", "--status")

    assert result.exit_code == 0
    assert (
        "Refuses messages: column to_number is character varying(20): a message may have 140 characters there. "
        "To change that: ALTER TABLE b2b_pilot_user_submissions ALTER COLUMN to_number TYPE text\n"
    ) in result.stderr


def test_status_names_a_column_that_is_gone_with_the_statement_that_brings_it_back(
    run: Run, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("B2BPILOT_DATABASE_URL", database_url)
    table = "b2b_pilot_user_submissions"
    with connect(database_url) as connection:
        connection.execute(f"ALTER TABLE {table} DROP COLUMN num_media, DROP COLUMN body".encode())
    statement = f"ALTER TABLE {table} ADD COLUMN body text, ADD COLUMN num_media integer NOT NULL DEFAULT 0"

    told, refused = run("migrate", "--status"), run("migrate", "--yes")

    assert f"gone or invalid: body, num_media of {table}. To change that: {statement}.\n" in told.stderr
    assert "but lacks body, num_media. Nothing was run\n" in refused.stderr
    assert f"run {statement}; then `b2bpilot migrate" in refused.stderr


def test_what_cannot_be_judged_is_in_the_plan_and_in_the_outcome(run: Run, legacy: str) -> None:
    with connect(legacy) as connection:
        connection.execute("DROP TABLE b2b_pilot_user_submissions")
        assert run("migrate", "--yes").exit_code == 0
        connection.execute(
            "ALTER TABLE b2b_pilot_user_submissions ADD CONSTRAINT tight CHECK (length(body) < 9000)"
        )
    text, document = run("migrate", "--yes"), run("migrate", "--yes", "-o", "json").document

    assert text.exit_code == 0
    assert "Not proven to take every message: check tight on body" in text.stdout
    assert "its columns and constraints take every message" not in text.stdout
    assert document["fitness"]["doubts"][0]["text"].startswith("check tight on body")


def test_rows_of_naive_times_are_not_read_as_if_they_were_known(run: Run, legacy: str) -> None:
    """A table that an earlier version adopted."""
    with connect(legacy) as connection:
        connection.execute("DROP TABLE b2b_pilot_user_submissions")
        assert run("migrate", "--yes").exit_code == 0
        connection.execute("INSERT INTO b2b_pilot_user_submissions (body) VALUES ('hello')")
        connection.execute("ALTER TABLE b2b_pilot_user_submissions ALTER created_at TYPE timestamp")

    result = run("submissions", "list")

    assert result.exit_code == 1
    assert "error: the table holds timestamps without a time zone" in result.stderr


def test_a_schema_whose_name_is_quoted_is_migrated(run: Run, legacy: str) -> None:
    with connect(legacy) as connection:
        connection.execute("DROP TABLE b2b_pilot_user_submissions")
        connection.execute('CREATE SCHEMA "My Schema"')
        name = connection.info.dbname
        connection.execute(f'ALTER DATABASE {name} SET search_path = "My Schema"'.encode())

    result = run("migrate", "--yes")

    assert result.exit_code == 0, result.stderr
    with connect(legacy) as connection:
        found = connection.execute(
            """SELECT to_regclass('"My Schema".b2b_pilot_user_submissions')::text"""
        ).fetchone()
    assert found == ("b2b_pilot_user_submissions",)
