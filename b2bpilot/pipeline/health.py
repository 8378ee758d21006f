"""What the table says of messages that did not get through: counted, each row under one problem."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final, LiteralString

from psycopg.rows import dict_row

from b2bpilot.pipeline.database import DatabaseManager
from b2bpilot.pipeline.statement import Statement

LAMBDA_RETRIES = timedelta(minutes=5)
"""Lambda tries a failed run again after one minute and after two more (docs/aws-facts.md#retries); no run lasts longer
either."""
STALE_RUNS_MISSED = timedelta(minutes=5)
"""The stale processor comes every minute; what it has not taken up after five, it does not take up."""

_COUNT: Final[LiteralString] = """
    WITH problems AS (
        SELECT message_id, test, updated_at, last_error,
            CASE
                WHEN status = 'abandoned' THEN 'abandoned'
                WHEN status NOT IN ('pending', 'processing', 'failed', 'completed') THEN 'unreadable'
                WHEN status IN ('pending', 'processing', 'failed')
                    AND updated_at < now() - %(overdue)s
                    AND (lease_expires_at IS NULL OR lease_expires_at < now() - %(overdue)s)
                    AND (next_stale_at IS NULL OR next_stale_at < now() - %(missed)s)
                    THEN 'overdue'
                WHEN status = 'failed' AND updated_at < now() - %(retries)s THEN 'failed'
                WHEN status IN ('pending', 'processing')
                    AND coalesce(lease_expires_at, updated_at) < now() AND updated_at < now() - %(retries)s
                    THEN 'interrupted'
                WHEN reply_state = 'unknown'
                    OR (reply_state = 'sending' AND coalesce(lease_expires_at, updated_at) < now())
                    THEN 'reply_unknown'
            END AS problem
        FROM b2b_pilot_user_submissions
        WHERE (status <> 'completed' OR reply_state IN ('unknown', 'sending'))
"""
_BY_PROBLEM: Final[LiteralString] = """
    )
    SELECT problem,
        count(*) FILTER (WHERE NOT test) AS messages,
        count(*) FILTER (WHERE test) AS tests,
        min(updated_at) FILTER (WHERE NOT test) AS since,
        (array_agg(message_id ORDER BY updated_at) FILTER (WHERE NOT test))[1] AS message_id,
        (array_agg(last_error ORDER BY updated_at) FILTER (WHERE NOT test))[1] AS last_error
    FROM problems
    WHERE problem IS NOT NULL
    GROUP BY problem
"""

COUNT: Final = Statement(
    query=_COUNT + " AND discarded_by IS NULL" + _BY_PROBLEM, before=_COUNT + _BY_PROBLEM
)
"""A message that a person discarded has no problem any more."""


class RowProblem(StrEnum):
    """Why a row did not get through, the worst first."""

    ABANDONED = "abandoned"
    """Nobody tries again."""
    UNREADABLE = "unreadable"
    """Another version wrote a status that this one does not know; no part of it takes such a row up."""
    OVERDUE = "overdue"
    """The stale processor should have taken it up and has not."""
    FAILED = "failed"
    """Lambda's tries are over: it is a dead letter as a rule, and the stale processor takes it up later."""
    INTERRUPTED = "interrupted"
    """Its lease is over, and its run's time as well: it died; the stale processor takes it over."""
    REPLY_UNKNOWN = "reply_unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class ProblemCount:
    """How many messages of customers, and of tests, have a problem; the rest is about the oldest of the customers'."""

    messages: int = 0
    tests: int = 0
    since: datetime | None = None
    message_id: str | None = None
    last_error: str | None = None


def count_problems(database: DatabaseManager, *, stale_after: timedelta) -> dict[RowProblem, ProblemCount]:
    """Return the count of each problem, those that no row has included."""
    values = {
        "overdue": stale_after + STALE_RUNS_MISSED,
        "missed": STALE_RUNS_MISSED,
        "retries": LAMBDA_RETRIES,
    }
    with database.connection.use() as connection, connection.cursor(row_factory=dict_row) as cursor:
        rows = COUNT.run(cursor, values).fetchall()
    found = {RowProblem(row.pop("problem")): ProblemCount(**row) for row in rows}
    return {problem: found.get(problem, ProblemCount()) for problem in RowProblem}


_ERRORS: Final[LiteralString] = """
    SELECT coalesce(left(last_error, 200), 'no error recorded'), count(*)
    FROM b2b_pilot_user_submissions
    WHERE status IN ('failed', 'abandoned')
"""
_MOST_FREQUENT: Final[LiteralString] = " GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT %(most)s"

COUNT_ERRORS: Final = Statement(
    query=_ERRORS + " AND discarded_by IS NULL" + _MOST_FREQUENT, before=_ERRORS + _MOST_FREQUENT
)

COUNT_DOUBLED: Final[LiteralString] = """
    SELECT count(*), min(message_sid)
    FROM (
        SELECT message_sid FROM b2b_pilot_user_submissions
        WHERE message_sid IS NOT NULL
        GROUP BY message_sid
        HAVING count(*) > 1
    ) AS doubled
"""

COUNT_UNIDENTIFIED: Final[LiteralString] = """
    SELECT count(*) FROM b2b_pilot_user_submissions
    WHERE message_id IS NULL AND status IN ('pending', 'processing', 'failed')
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Doubled:
    """How many of Twilio's messages have more than one row, and the MessageSid of one of them."""

    messages: int
    example: str | None


def count_errors(database: DatabaseManager, *, most: int) -> list[tuple[str, int]]:
    """Return the most frequent errors of rows that did not get through, test messages among them."""
    with database.connection.use() as connection, connection.cursor() as cursor:
        return COUNT_ERRORS.run(cursor, {"most": most}).fetchall()


def count_doubled(database: DatabaseManager) -> Doubled:
    """Reads the whole table."""
    with database.connection.use() as connection:
        row = connection.execute(COUNT_DOUBLED).fetchone()
    messages, example = row or (0, None)
    return Doubled(messages=messages, example=example)


def count_unidentified(database: DatabaseManager) -> int:
    """Return how many unfinished rows have no message_id."""
    with database.connection.use() as connection:
        row = connection.execute(COUNT_UNIDENTIFIED).fetchone()
    return int(row[0]) if row else 0
