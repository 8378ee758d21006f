"""The files, the ledger and the schema held against each other."""

from __future__ import annotations

from typing import LiteralString

import pytest

from b2bpilot import __version__
from b2bpilot.errors import MigrationDrift, MigrationFailed
from b2bpilot.ops import migrations
from b2bpilot.ops.migrations import MigrationState
from b2bpilot.pipeline.database import DatabaseManager
from tests.ops.migrations.tables import FILES, Heard, connect, index_is_valid, migrate_by_hand

ANA = migrations.Author(operator="ana@laptop", reason="release 7")


def states(dsn: str) -> list[MigrationState]:
    return [migration.state for migration in migrations.plan(dsn).migrations]


def test_the_ledger_says_who_did_what_and_how_long_it_took(old_database_url: str) -> None:
    migrations.apply(old_database_url, author=ANA)
    create, add_message_id, *_ = migrations.plan(old_database_url).migrations
    assert states(old_database_url) == [MigrationState.ADOPTED] + [MigrationState.APPLIED] * len(FILES[1:])
    assert create.entry
    assert create.entry.duration is None
    entry = add_message_id.entry
    assert entry
    assert entry.applied_at
    assert entry.duration
    assert (entry.operator, entry.reason, entry.tool_version) == ("ana@laptop", "release 7", __version__)
    assert add_message_id.file
    assert entry.checksum == add_message_id.file.checksum


def test_a_database_migrated_by_hand_is_adopted_and_nothing_is_run(old_database_url: str) -> None:
    with connect(old_database_url) as connection:
        migrate_by_hand(connection, *FILES[1:])
    assert states(old_database_url) == [MigrationState.ADOPTED] * len(FILES)
    heard = Heard()
    outcome = migrations.apply(old_database_url, heard)
    assert (outcome.applied, outcome.adopted) == ([], FILES)
    assert heard == []
    assert all(migration.is_recorded for migration in migrations.plan(old_database_url).migrations)


def test_reading_the_plan_changes_nothing(old_database_url: str) -> None:
    migrations.plan(old_database_url)
    migrations.survey(old_database_url)
    with connect(old_database_url) as connection:
        assert connection.execute("SELECT to_regclass('b2bpilot_migrations')").fetchone() == (None,)


def test_a_changed_file_is_drift_and_nothing_is_run(old_database_url: str) -> None:
    with connect(old_database_url) as connection:
        migrations.apply(old_database_url)
        connection.execute("UPDATE b2bpilot_migrations SET checksum = 'other' WHERE name LIKE 'add_message%'")
        connection.execute("DROP INDEX idx_user_submissions_unfinished")
        assert states(old_database_url) == [
            MigrationState.ADOPTED,
            MigrationState.DRIFT,
            MigrationState.DAMAGED,
            MigrationState.APPLIED,
            MigrationState.APPLIED,
        ]
        for call in (migrations.survey, migrations.apply):
            with pytest.raises(MigrationDrift, match=r"add_message_id_column\.sql has changed since"):
                call(old_database_url)
    assert states(old_database_url)[2] is MigrationState.DAMAGED


def test_a_migration_of_a_newer_version_is_an_error(database_url: str) -> None:
    with connect(database_url) as connection:
        connection.execute(
            "INSERT INTO b2bpilot_migrations (name, checksum, how, operator, tool_version, applied_at) "
            "VALUES ('add_more.sql', 'x', 'applied', 'ana', '9.9', now())"
        )
    with pytest.raises(MigrationDrift, match=r"the ledger has add_more\.sql, recorded by b2bpilot 9\.9"):
        migrations.apply(database_url)


def test_a_recorded_migration_after_one_that_was_never_made_is_an_error(database_url: str) -> None:
    with connect(database_url) as connection:
        connection.execute("DELETE FROM b2bpilot_migrations WHERE name = 'add_message_id_column.sql'")
        connection.execute("ALTER TABLE b2b_pilot_user_submissions DROP COLUMN message_id")
    with pytest.raises(
        MigrationDrift, match=r"add_message_id_column\.sql, which comes before it, was never made"
    ):
        migrations.apply(database_url)


WRONG: list[tuple[LiteralString, str]] = [
    (
        "CREATE INDEX idx_user_submissions_message_id ON b2b_pilot_user_submissions (message_id)",
        "is not the unique index on message_id alone",
    ),
    (
        "CREATE UNIQUE INDEX idx_user_submissions_message_id ON b2b_pilot_user_submissions (message_id, id)",
        "is not the unique index on message_id alone",
    ),
    (
        "CREATE UNIQUE INDEX idx_user_submissions_message_id ON b2b_pilot_user_submissions (message_id) WHERE id > 0",
        "is not the unique index on message_id alone",
    ),
    (
        "CREATE UNIQUE INDEX idx_user_submissions_message_id ON b2b_pilot_user_submissions (lower(message_id))",
        "is not the unique index on message_id alone",
    ),
    (
        "CREATE UNIQUE INDEX idx_user_submissions_message_id ON b2b_pilot_user_submissions (message_id) NULLS NOT DISTINCT",
        "is not the unique index on message_id alone",
    ),
    ("ALTER TABLE b2b_pilot_user_submissions ALTER message_id TYPE bytea USING NULL", "does not hold text"),
    ("ALTER TABLE b2b_pilot_user_submissions DROP COLUMN updated_at", "but lacks updated_at"),
]


@pytest.mark.parametrize(("statement", "why"), WRONG)
def test_what_has_our_name_and_is_something_else_is_left_to_a_person(
    old_database_url: str, statement: LiteralString, why: str
) -> None:
    """IF NOT EXISTS would take it for ours, and ON CONFLICT (message_id) would fail at the first message."""
    with connect(old_database_url) as connection:
        connection.execute("DELETE FROM b2b_pilot_user_submissions")
        connection.execute("ALTER TABLE b2b_pilot_user_submissions ADD COLUMN message_id varchar(255)")
        connection.execute(statement)
    for call in (migrations.survey, migrations.apply):
        with pytest.raises(MigrationFailed, match=why):
            call(old_database_url)


def test_a_run_that_died_after_its_last_statement_is_concluded(database_url: str) -> None:
    with connect(database_url) as connection:
        connection.execute("UPDATE b2bpilot_migrations SET applied_at = NULL WHERE name LIKE 'add_pro%'")
    assert states(database_url)[2] is MigrationState.INTERRUPTED
    heard = Heard()
    assert migrations.apply(database_url, heard).applied == [FILES[2]]
    assert heard == []
    assert states(database_url)[2] is MigrationState.APPLIED


def test_only_what_is_missing_is_run(old_database_url: str) -> None:
    with connect(old_database_url) as connection:
        migrate_by_hand(connection, *FILES[1:])
        connection.execute("DROP INDEX idx_user_submissions_message_id")
        heard = Heard()
        outcome = migrations.apply(old_database_url, heard)
        assert index_is_valid(connection) is True
    assert (outcome.applied, outcome.adopted) == ([FILES[1]], [FILES[0], *FILES[2:]])
    assert not any("ALTER TABLE" in line for line in heard)


def test_the_outcome_names_rows_whose_message_id_is_spelled_otherwise(database_url: str) -> None:
    """At e623749 a delivery of such a message was stored beside its row, and answered again."""
    canonical = "0d2c7a52-6a2b-5b0f-8f43-0f9b6f1f3c11"
    ids = [canonical, canonical.upper(), canonical.replace("-", ""), "order-7", f" {canonical}", "a", "b"]
    with connect(database_url) as connection:
        for message_id in ids:
            connection.execute(
                "INSERT INTO b2b_pilot_user_submissions (message_id) VALUES (%s)", (message_id,)
            )

    (found,) = (line for line in migrations.apply(database_url).verified if "canonical" in line)

    assert found.startswith("but 6 rows have a message_id that is not a UUID in its canonical spelling: ")
    assert f"{canonical.upper()!r} (id 2), {canonical.replace('-', '')!r} (id 3), 'order-7' (id 4)" in found
    assert "'a' (id 6) and 1 more." in found


def test_the_outcome_says_what_was_verified(database_url: str) -> None:
    assert migrations.apply(database_url).verified == [
        "column message_id holds text",
        "index idx_user_submissions_message_id is valid, unique, and on message_id alone",
        "every message_id is a UUID in its canonical spelling",
        "its columns and constraints take every message",
        "role postgres may SELECT, INSERT and UPDATE; whether the functions have that role is not known here",
        "no row security hides a row from role postgres",
        "the database's encoding is UTF8",
        "INSERT ... ON CONFLICT (message_id) uses it",
    ]


def test_the_script_makes_what_the_run_makes(empty_database_url: str) -> None:
    """`migrate --dry-run | psql`: what it makes is adopted afterwards."""
    script = "\n".join(migrations.script(migrations.plan(empty_database_url)))
    with connect(empty_database_url) as connection:
        for statement in script.split(";\n"):
            connection.execute(statement.encode())
    assert states(empty_database_url) == [MigrationState.ADOPTED] * len(FILES)
    assert migrations.script(migrations.plan(empty_database_url))[-1].startswith(f"-- {FILES[-1]}")


def test_code_of_before_the_migration_works_after_it(old_database_url: str) -> None:
    migrations.apply(old_database_url)
    with connect(old_database_url) as connection:
        connection.execute(
            "INSERT INTO b2b_pilot_user_submissions (message_sid, from_number, to_number, body, num_media) "
            "VALUES ('SM1', '+1', '+2', 'hello', 0), ('SM2', '+1', '+2', 'hello', 0)"
        )
        connection.execute(
            "UPDATE b2b_pilot_user_submissions SET status = 'completed' WHERE message_sid = 'SM1'"
        )
        found = connection.execute(
            "SELECT message_sid, status FROM b2b_pilot_user_submissions WHERE message_sid LIKE 'SM_' ORDER BY id"
        )
        assert found.fetchall() == [("SM1", "completed"), ("SM2", "pending")]


def test_new_code_reads_rows_of_before_the_migration(old_database_url: str) -> None:
    migrations.apply(old_database_url)
    with DatabaseManager(old_database_url) as database:
        rows = list(database.list_submissions(limit=10))
    assert [row.message_id for row in rows] == [None] * 3
