"""Reading the table in the order in which it was written, oldest first, a page at a time, beside the pipeline's own work.

Every statement goes by the primary key, in a transaction of its own that only reads and gives up soon: none holds up a
claim, a vacuum or a migration.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, LiteralString

import psycopg

from b2bpilot.pipeline.arrivals import OUT_OF_ORDER
from b2bpilot.pipeline.database import DatabaseManager
from b2bpilot.pipeline.models import UserSubmission
from b2bpilot.pipeline.queries import COLUMNS
from b2bpilot.pipeline.rows import fetch_submissions
from b2bpilot.pipeline.statement import reading

PAGE = 200
"""A message may have a quarter of a megabyte."""
ENDS_PAGE = 10_000
LONGEST: Final = timedelta(seconds=30)

BRIEFLY: Final[LiteralString] = """
    SELECT set_config('transaction_read_only', 'on', true), set_config('statement_timeout', %(milliseconds)s, true)
"""

ENDS: Final[LiteralString] = """
    SELECT min(id), max(created_at), min(id) FILTER (WHERE is_wanted), max(id) FILTER (WHERE is_wanted)
    FROM (
        SELECT id, created_at,
            created_at >= %(since)s AND (%(until)s::timestamptz IS NULL OR created_at < %(until)s) AS is_wanted
        FROM b2b_pilot_user_submissions
        WHERE %(before_id)s::bigint IS NULL OR id < %(before_id)s
        ORDER BY id DESC
        LIMIT %(limit)s
    ) AS page
"""
"""No index has the time: ids grow with it, so the newest pages are looked at until one is older."""

OLDEST: Final = reading(
    COLUMNS,
    """
    FROM b2b_pilot_user_submissions
    WHERE id >= %(first_id)s AND id <= %(last_id)s
        AND created_at >= %(since)s
        AND (%(until)s::timestamptz IS NULL OR created_at < %(until)s)
    ORDER BY id
    LIMIT %(limit)s
    """,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Stretch:
    """Rows that were created since a moment and, with `until`, before another: between two ids, both included."""

    since: datetime
    until: datetime | None
    first_id: int
    last_id: int


def stretch(database: DatabaseManager, *, since: datetime, until: datetime | None) -> Stretch | None:
    """Return where the rows of a period lie; None when there are none. Rows that are written later are not in it."""
    first_id: int | None = None
    last_id: int | None = None
    before_id: int | None = None
    while True:
        values = {"since": since, "until": until, "before_id": before_id, "limit": ENDS_PAGE}
        with _briefly(database) as connection:
            found = connection.execute(ENDS, values).fetchone()
        before_id, newest, first, last = found or (None, None, None, None)
        first_id = first_id if first is None else first
        last_id = last if last_id is None else last_id
        if before_id is None or newest < since - OUT_OF_ORDER:
            break
    if first_id is None or last_id is None:
        return None
    return Stretch(since=since, until=until, first_id=first_id, last_id=last_id)


def oldest_first(database: DatabaseManager, where: Stretch) -> Iterator[UserSubmission]:
    """Yield the rows, one page of them in memory at a time."""
    first_id = where.first_id
    while True:
        values = {
            "first_id": first_id,
            "last_id": where.last_id,
            "since": where.since,
            "until": where.until,
            "limit": PAGE,
        }
        with _briefly(database) as connection:
            page = fetch_submissions(connection, OLDEST, values)
        yield from page
        if len(page) < PAGE:
            return
        first_id = page[-1].id + 1


@contextmanager
def _briefly(database: DatabaseManager) -> Iterator[psycopg.Connection]:
    milliseconds = str(LONGEST // timedelta(milliseconds=1))
    with database.connection.use() as connection, connection.transaction():
        connection.execute(BRIEFLY, {"milliseconds": milliseconds})
        yield connection
