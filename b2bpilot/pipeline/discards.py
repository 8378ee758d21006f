"""The marks of what a person took out of the queue: a discarded message is not stored by a later delivery, and nobody
publishes it again; one whose dead letter was edited is published by nobody but a person, and as it was edited (decision 15)."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, LiteralString

from psycopg.rows import scalar_row

from b2bpilot.pipeline.database import DatabaseManager
from b2bpilot.pipeline.message import PilotMessage, spellings

_DISCARD: Final[LiteralString] = """
    UPDATE b2b_pilot_user_submissions AS submission
    SET status = 'abandoned', discarded_by = %(run_id)s, lease_expires_at = NULL, updated_at = now()
"""
_REPLACE: Final[LiteralString] = """
    UPDATE b2b_pilot_user_submissions AS submission
    SET status = 'abandoned', params = %(params)s::json, message_type = %(message_type)s, priority = %(priority)s,
        from_number = NULL, to_number = NULL, body = NULL, lease_expires_at = NULL, updated_at = now()
"""
_GIVE_BACK: Final[LiteralString] = """
    UPDATE b2b_pilot_user_submissions AS submission
    SET status = seen.status, discarded_by = NULL, updated_at = now()
"""
_SEEN: Final[LiteralString] = """
    FROM unnest(%(message_ids)s::text[], %(spellings)s::text[], %(tests)s::boolean[], %(statuses)s::text[])
        AS seen (message_id, spelling, test, status)
    WHERE submission.message_id = seen.spelling AND submission.test = seen.test
"""
_UNCHANGED: Final[LiteralString] = """
        AND submission.status = seen.status AND submission.status <> 'completed'
        AND submission.discarded_by IS NULL
        AND (submission.lease_expires_at IS NULL OR submission.lease_expires_at < now())
"""
_MARKED_BY_RUN: Final[LiteralString] = """
        AND submission.status = 'abandoned' AND submission.discarded_by = %(run_id)s
"""
_CHANGED: Final[LiteralString] = " RETURNING seen.message_id"

MARK: Final = _DISCARD + _SEEN + _UNCHANGED + _CHANGED
"""A row that changed since it was seen is left: what its status was is in a journal before it is written over."""
REPLACE_SEEN: Final = _REPLACE + _SEEN + _UNCHANGED + _CHANGED
"""A row that is not completed says what its `params` say; columns that the system before this one filled would say the
original beside them."""
TAKE_BACK: Final = _GIVE_BACK + _SEEN + _MARKED_BY_RUN + _CHANGED


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenRow:
    """A message's own row as it was seen: only that row, however it spells the message_id, and only while it is still so, is
    changed."""

    message_id: str
    test: bool
    status: str
    """As the table has it, also one that only another version knows."""


def mark_discarded(database: DatabaseManager, rows: Sequence[SeenRow], *, run_id: str) -> set[str]:
    """Mark rows as discarded in a run and return the message_ids of those that are. Raises DatabaseError."""
    return _run(database, MARK, rows, run_id=run_id)


def replace_seen(database: DatabaseManager, row: SeenRow, message: PilotMessage) -> set[str]:
    """Let the row say what the edited message says, and abandon it, so that nobody publishes it but a person; return its
    message_id. Raises DatabaseError."""
    return _run(
        database,
        REPLACE_SEEN,
        [row],
        params=json.dumps(dict(message.params)),
        message_type=message.message_type.value,
        priority=message.priority.value,
    )


def take_back_marks(database: DatabaseManager, rows: Sequence[SeenRow], *, run_id: str) -> set[str]:
    """Give rows that this run marked the status named; return the message_ids of those that had its mark.

    Raises DatabaseError.
    """
    return _run(database, TAKE_BACK, rows, run_id=run_id)


def _run(database: DatabaseManager, query: LiteralString, rows: Sequence[SeenRow], **values: Any) -> set[str]:
    if not rows:
        return set()
    spelled = [(row, spelling) for row in rows for spelling in spellings(row.message_id)]
    arrays: Mapping[str, list[Any]] = {
        "message_ids": [row.message_id for row, _ in spelled],
        "spellings": [spelling for _, spelling in spelled],
        "tests": [row.test for row, _ in spelled],
        "statuses": [row.status for row, _ in spelled],
    }
    with database.connection.use() as connection, connection.cursor(row_factory=scalar_row) as cursor:
        return set(cursor.execute(query, {**arrays, **values}))
