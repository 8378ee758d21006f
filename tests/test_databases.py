"""A test gets its database as the template is, whatever the one before did to it."""

from __future__ import annotations

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

from tests.databases import Databases

ROW = "INSERT INTO b2b_pilot_user_submissions (message_id) VALUES (gen_random_uuid()) RETURNING id"


def used(databases: Databases, *statements: str) -> tuple[str, int]:
    """The name that a test's database had, and its oid: that stays through a renaming."""
    with databases.fresh() as dsn:
        name = str(conninfo_to_dict(dsn)["dbname"])
        with psycopg.connect(dsn, autocommit=True) as connection:
            for statement in statements:
                connection.execute(statement.replace("DATABASE this", f"DATABASE {name}").encode())
            row = connection.execute(
                "SELECT oid FROM pg_database WHERE datname = current_database()"
            ).fetchone()
    assert row is not None
    return name, int(row[0])


def test_a_database_that_only_got_rows_is_emptied_and_used_again_under_another_name(
    databases: Databases,
) -> None:
    before = used(databases, ROW, ROW, "DELETE FROM b2b_pilot_user_submissions WHERE id = 1")
    with databases.fresh() as dsn, psycopg.connect(dsn) as connection:
        assert connection.execute("SELECT count(*) FROM b2b_pilot_user_submissions").fetchone() == (0,)
        assert connection.execute(ROW).fetchone() == (1,)
    after = used(databases)
    assert before[1] == after[1]
    assert before[0] != after[0]


@pytest.mark.parametrize(
    "change",
    [
        "ALTER TABLE b2b_pilot_user_submissions ADD CHECK (id > 0)",
        "DROP INDEX idx_user_submissions_unfinished",
        "CREATE TABLE another (id int)",
        "CREATE FUNCTION f() RETURNS int LANGUAGE sql RETURN 1",
        "GRANT SELECT ON b2b_pilot_user_submissions TO public",
        "ALTER DATABASE this SET default_transaction_read_only = on",
        "ALTER DATABASE this CONNECTION LIMIT 50",
        "UPDATE b2bpilot_migrations SET checksum = 'x'",
        "DELETE FROM b2bpilot_migrations WHERE name = (SELECT max(name) FROM b2bpilot_migrations)",
        "ANALYZE",
    ],
)
def test_a_database_whose_shape_a_test_changed_is_dropped(databases: Databases, change: str) -> None:
    before = used(databases, ROW, change)
    assert before[1] != used(databases)[1]


def test_a_connection_that_a_test_left_open_ends_with_it(databases: Databases) -> None:
    with databases.fresh() as dsn:
        left = psycopg.connect(dsn)
        left.execute("SELECT * FROM b2b_pilot_user_submissions")
    with pytest.raises(psycopg.OperationalError):
        left.execute("SELECT 1")
    left.close()
