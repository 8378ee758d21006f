"""The row of a test message that was sent to try the pipeline: how many there are, and its removal."""

from __future__ import annotations

from typing import Final, LiteralString

from b2bpilot.pipeline.database import DatabaseManager

COUNT: Final[LiteralString] = (
    "SELECT count(*) FROM b2b_pilot_user_submissions WHERE message_id = %(message_id)s"
)

REMOVE: Final[LiteralString] = """
    DELETE FROM b2b_pilot_user_submissions
    WHERE message_id = %(message_id)s AND test
"""


def count_rows(database: DatabaseManager, message_id: str) -> int:
    """Return how many rows a message has; the unique index should let it be one."""
    with database.connection.use() as connection:
        row = connection.execute(COUNT, {"message_id": message_id}).fetchone()
    return int(row[0]) if row else 0


def remove_test_row(database: DatabaseManager, message_id: str) -> int:
    """Delete the row of this test message, and return how many there were. A real message's row is never touched."""
    with database.connection.use() as connection:
        return connection.execute(REMOVE, {"message_id": message_id}).rowcount
