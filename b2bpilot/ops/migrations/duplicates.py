"""What would stop a unique index on message_id: rows that share one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import LiteralString

import psycopg

from b2bpilot.errors import MigrationFailed

SHOWN = 5

COUNT: LiteralString = """
    SELECT count(*), count(*) FILTER (WHERE message_id IS NULL) FROM b2b_pilot_user_submissions
"""

FIND: LiteralString = """
    SELECT message_id, count(*), (array_agg(id ORDER BY id))[:5], count(*) OVER ()
    FROM b2b_pilot_user_submissions
    WHERE message_id IS NOT NULL
    GROUP BY message_id
    HAVING count(*) > 1
    ORDER BY count(*) DESC, message_id
    LIMIT %(shown)s
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Duplicate:
    """One message_id that several rows have. `row_ids` are the first five of them."""

    message_id: str
    rows: int
    row_ids: list[int]

    def __str__(self) -> str:
        more = ", ..." if self.rows > len(self.row_ids) else ""
        return f"{self.message_id} (id {', '.join(map(str, self.row_ids))}{more})"


@dataclass(frozen=True, slots=True, kw_only=True)
class DuplicateCount:
    """What the column holds. `duplicates` are the worst; `duplicated` is how many message_ids there are in all."""

    rows: int
    nulls: int
    duplicated: int
    duplicates: list[Duplicate]


def count(connection: psycopg.Connection) -> DuplicateCount:
    """Read the table. It takes as long as a scan of it, and blocks nobody."""
    row = connection.execute(COUNT).fetchone()
    rows, nulls = row or (0, 0)
    found = connection.execute(FIND, {"shown": SHOWN}).fetchall() if nulls < rows else []
    return DuplicateCount(
        rows=rows,
        nulls=nulls,
        duplicated=found[0][3] if found else 0,
        duplicates=[Duplicate(message_id=id_, rows=rows_, row_ids=ids) for id_, rows_, ids, _ in found],
    )


def require_none(count: DuplicateCount) -> None:
    """Raise MigrationFailed that names the duplicates and what to do."""
    if not count.duplicated:
        return
    shown = "; ".join(map(str, count.duplicates))
    more = f"; and {count.duplicated - SHOWN} more" if count.duplicated > SHOWN else ""
    number = "1 message_id stands" if count.duplicated == 1 else f"{count.duplicated} message_ids stand"
    raise MigrationFailed(
        f"{number} in more than one row, so the unique index cannot be built: {shown}{more}",
        hint="keep one row of each: DELETE the others by id, or set their message_id to NULL; then run it again",
    )
