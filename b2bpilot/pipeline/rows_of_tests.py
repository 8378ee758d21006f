"""Rows of test messages: counted, timed, and removed again. A real message's row is never touched."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, LiteralString

from psycopg.rows import kwargs_row, scalar_row

from b2bpilot.pipeline.database import DatabaseManager

READ: Final[LiteralString] = """
    SELECT message_id, count(*) AS rows, bool_and(status = 'completed') AS is_completed, max(attempts) AS attempts,
        max(completed_at) AS completed_at, max(last_error) AS last_error, max(lease_expires_at) AS lease_expires_at,
        max(priority) AS priority
    FROM b2b_pilot_user_submissions
    WHERE message_id = ANY(%(message_ids)s) AND test
    GROUP BY message_id
"""

DELETE: Final[LiteralString] = """
    DELETE FROM b2b_pilot_user_submissions
    WHERE message_id = ANY(%(message_ids)s) AND test AND source = 'cli'
        AND (status <> 'processing' OR lease_expires_at < now())
    RETURNING message_id
"""
"""Never a row that is no test, whatever ids are given; nor one that a run is at work on."""

COUNT: Final[LiteralString] = (
    "SELECT count(*) FROM b2b_pilot_user_submissions WHERE message_id = %(message_id)s"
)

REMOVE: Final[LiteralString] = """
    DELETE FROM b2b_pilot_user_submissions
    WHERE message_id = %(message_id)s AND test
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class RowOfTest:
    """What the table holds of one message. `rows` is 1, unless the unique index is missing."""

    message_id: str
    rows: int
    is_completed: bool
    attempts: int
    completed_at: datetime | None
    last_error: str | None
    lease_expires_at: datetime | None
    priority: str | None = None


def read_test_rows(database: DatabaseManager, message_ids: Sequence[str]) -> dict[str, RowOfTest]:
    """Return what is there, by message_id. Raises DatabaseError. Meant for a thousand at a time."""
    values = {"message_ids": list(message_ids)}
    with (
        database.connection.use() as connection,
        connection.cursor(row_factory=kwargs_row(RowOfTest)) as cursor,
    ):
        return {row.message_id: row for row in cursor.execute(READ, values)}


def delete_test_rows(database: DatabaseManager, message_ids: Sequence[str]) -> list[str]:
    """Delete rows of test messages and return the message_ids of those that were there. Raises DatabaseError."""
    values = {"message_ids": list(message_ids)}
    with database.connection.use() as connection, connection.cursor(row_factory=scalar_row) as cursor:
        return list(cursor.execute(DELETE, values))


def count_rows(database: DatabaseManager, message_id: str) -> int:
    """Return how many rows a message has; the unique index should let it be one."""
    with database.connection.use() as connection:
        row = connection.execute(COUNT, {"message_id": message_id}).fetchone()
    return int(row[0]) if row else 0


def remove_test_row(database: DatabaseManager, message_id: str) -> int:
    """Delete the row of this test message, and return how many there were. A real message's row is never touched."""
    with database.connection.use() as connection:
        return connection.execute(REMOVE, {"message_id": message_id}).rowcount
