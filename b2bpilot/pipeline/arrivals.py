"""Reading the table for a comparison with what Twilio has: the statements, and one function for each."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final, LiteralString

from psycopg.rows import DictRow, dict_row, scalar_row

from b2bpilot.pipeline.database import DatabaseManager
from b2bpilot.pipeline.status_callback import reported_state

PAGE = 1_000
OUT_OF_ORDER = timedelta(days=1)
"""Ids grow with time, but for transactions that overlap; a page of rows older than this is the end."""

WITHOUT_MESSAGE_ID: Final[LiteralString] = """
    SELECT message_sid FROM b2b_pilot_user_submissions
    WHERE message_id IS NULL AND message_sid = ANY(%(message_sids)s) AND NOT test
"""

NEWEST: Final[LiteralString] = """
    SELECT id, message_id, message_sid, test, coalesce(received_at, created_at) AS received_at, created_at,
        to_number, params
    FROM b2b_pilot_user_submissions
    WHERE %(before_id)s::bigint IS NULL OR id < %(before_id)s
    ORDER BY id DESC
    LIMIT %(limit)s
"""
"""The parameters are taken apart here: to take a field out of json fails on what a message may hold (\\u0000)."""


PERIOD_TO: Final[LiteralString] = """
    SELECT to_number, min(coalesce(received_at, created_at)), max(coalesce(received_at, created_at))
    FROM b2b_pilot_user_submissions
    WHERE to_number = ANY(%(numbers)s) AND NOT test AND coalesce(source, 'twilio') IN ('twilio', 'stale')
    GROUP BY to_number
"""
"""What a reconciliation or a person published proves nothing of where Twilio delivered."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """A row: which message of which account came when; `reported_state` of a status callback that was stored as one."""

    id: int
    message_id: str | None
    message_sid: str | None
    test: bool
    received_at: datetime
    created_at: datetime
    account_sid: str | None
    to_number: str | None = field(repr=False)
    reported_state: str | None = None


def stored_without_message_id(database: DatabaseManager, message_sids: Sequence[str]) -> set[str]:
    """Return which messages have a row from before the migration. Meant for a thousand at a time."""
    with (
        database.connection.use() as connection,
        connection.cursor(row_factory=scalar_row) as cursor,
    ):
        values = {"message_sids": list(message_sids)}
        return {str(sid) for sid in cursor.execute(WITHOUT_MESSAGE_ID, values)}


def periods_by_number(
    database: DatabaseManager, numbers: Sequence[str]
) -> dict[str, tuple[datetime, datetime]]:
    """Return when the first and the last message to each number came in through the webhook. Reads the whole table."""
    with database.connection.use() as connection:
        rows = connection.execute(PERIOD_TO, {"numbers": list(numbers)}).fetchall()
    return {number: (first, last) for number, first, last in rows}


def arrivals_since(database: DatabaseManager, since: datetime) -> Iterator[list[Arrival]]:
    """Yield the rows that came since, newest first, a page at a time; older ones may be among them."""
    before_id: int | None = None
    while True:
        page = _newest(database, before_id)
        if not page:
            return
        yield page
        if all(row.created_at < since - OUT_OF_ORDER for row in page):
            return
        before_id = page[-1].id


def _newest(database: DatabaseManager, before_id: int | None) -> list[Arrival]:
    """A row at a time, so that the parameters of a page are never in memory together."""
    with (
        database.connection.use() as connection,
        connection.cursor(row_factory=dict_row) as cursor,
    ):
        values = {"before_id": before_id, "limit": PAGE}
        return [_arrival(row) for row in cursor.stream(NEWEST, values)]


def _arrival(row: DictRow) -> Arrival:
    """The column of the number is filled with the completion, the parameters with the claim."""
    params = row["params"] if isinstance(row["params"], dict) else {}
    return Arrival(
        id=row["id"],
        message_id=row["message_id"],
        message_sid=row["message_sid"],
        test=row["test"],
        received_at=row["received_at"],
        created_at=row["created_at"],
        account_sid=params.get("AccountSid"),
        to_number=row["to_number"] or params.get("To"),
        reported_state=reported_state(params),
    )
