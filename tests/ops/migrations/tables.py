"""Databases as operators have them before a migration."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import LiteralString

import psycopg

from b2bpilot import resources
from b2bpilot.ops.migrations.files import read_migrations

FILES = [
    "create_user_submissions.sql",
    "add_message_id_column.sql",
    "add_processing_columns.sql",
    "add_recovery_columns.sql",
    "add_old_rows_index.sql",
]
TABLE = "b2b_pilot_user_submissions"
INDEX = "idx_user_submissions_message_id"

FILL: LiteralString = """
    INSERT INTO b2b_pilot_user_submissions (message_sid, body, status)
    SELECT 'SM' || md5(number::text), 'hello', 'completed' FROM generate_series(1, %(rows)s) AS number
"""
INDEX_STATE: LiteralString = """
    SELECT indisvalid FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid
    WHERE relname = 'idx_user_submissions_message_id'
"""
PHASE: LiteralString = "SELECT phase FROM pg_stat_progress_create_index WHERE datname = current_database()"


def create_old_table(dsn: str, *, rows: int = 3) -> None:
    """The table of the SQS version, with rows in it."""
    with connect(dsn) as connection:
        migrate_by_hand(connection, FILES[0])
        connection.execute(FILL, {"rows": rows})


def migrate_by_hand(connection: psycopg.Connection, *names: str) -> None:
    """What `psql -f` does: statement by statement, without a look at what was there."""
    for file in read_migrations(resources.migrations()):
        if file.name in names:
            for statement in file.statements:
                connection.execute(statement.sql.encode())


def leave_an_invalid_index(connection: psycopg.Connection) -> None:
    """A failed CREATE INDEX CONCURRENTLY: two rows shared a message_id, and do no longer."""
    connection.execute(
        "ALTER TABLE b2b_pilot_user_submissions ADD COLUMN IF NOT EXISTS message_id varchar(255)"
    )
    connection.execute("UPDATE b2b_pilot_user_submissions SET message_id = 'same'")
    try:
        connection.execute(
            "CREATE UNIQUE INDEX CONCURRENTLY idx_user_submissions_message_id "
            "ON b2b_pilot_user_submissions (message_id)"
        )
    except psycopg.errors.UniqueViolation:
        connection.execute("UPDATE b2b_pilot_user_submissions SET message_id = 'message ' || id")
    assert not index_is_valid(connection)


def index_is_valid(connection: psycopg.Connection) -> bool | None:
    """None when it is not there."""
    row = connection.execute(INDEX_STATE).fetchone()
    return row[0] if row else None


def connect(dsn: str) -> psycopg.Connection:
    return psycopg.connect(dsn, autocommit=True, application_name="a test")


@contextmanager
def transaction(dsn: str, *statements: LiteralString) -> Iterator[psycopg.Connection]:
    """A session in a transaction that ran the statements."""
    with psycopg.connect(dsn, application_name="nightly report") as connection:
        for statement in statements:
            connection.execute(statement)
        yield connection


class Heard(list[str]):
    """An observer that keeps what it hears, and does something once when it hears `text`."""

    def __init__(self, text: str = "", then: Callable[[], object] | None = None) -> None:
        self._text, self._then = text, then

    def __call__(self, line: str) -> None:
        self.append(line)
        if self._then and self._text in line:
            then, self._then = self._then, None
            then()
