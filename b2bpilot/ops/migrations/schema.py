"""What a database has of our schema, read from its catalogue."""

from __future__ import annotations

from dataclasses import dataclass

import psycopg

COLUMNS = """
    SELECT attname FROM pg_attribute
    WHERE attrelid = to_regclass('b2b_pilot_user_submissions') AND attnum > 0 AND NOT attisdropped
"""

INDEXES = """
    SELECT class.relname FROM pg_index JOIN pg_class AS class ON class.oid = indexrelid
    WHERE indrelid = to_regclass('b2b_pilot_user_submissions') AND indisvalid
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Schema:
    """The table's columns, and its indexes that are valid. No columns: no table."""

    columns: frozenset[str]
    valid_indexes: frozenset[str]

    def has(self, migration: str) -> bool:
        """Tell whether what the migration makes is there. Raises KeyError for a file that is not ours."""
        columns, indexes = MAKES[migration]
        return columns <= self.columns and indexes <= self.valid_indexes


MAKES: dict[str, tuple[frozenset[str], frozenset[str]]] = {
    "create_user_submissions.sql": (frozenset({"id", "message_sid", "status", "created_at"}), frozenset()),
    "add_message_id_column.sql": (
        frozenset({"message_id"}),
        frozenset({"idx_user_submissions_message_id"}),
    ),
    "add_processing_columns.sql": (
        frozenset({"params", "lease_expires_at", "attempts", "reply_state", "next_stale_at"}),
        frozenset({"idx_user_submissions_unfinished"}),
    ),
}


def read_schema(connection: psycopg.Connection) -> Schema:
    """Ask the catalogue."""
    return Schema(
        columns=frozenset(name for (name,) in connection.execute(COLUMNS)),
        valid_indexes=frozenset(name for (name,) in connection.execute(INDEXES)),
    )
