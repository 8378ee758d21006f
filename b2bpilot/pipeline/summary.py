"""The table in a few numbers: rows by status, those that nobody works on, and how fast the newest were stored."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final, LiteralString

from psycopg.rows import dict_row

from b2bpilot.pipeline.connection import Connection
from b2bpilot.pipeline.models import SubmissionStatus, known_status
from b2bpilot.pipeline.statement import Statement

NEWEST: Final = 1_000

_COUNTS: Final[LiteralString] = """
    SELECT status,
        count(*) AS rows,
        count(*) FILTER (
            WHERE status IN ('pending', 'processing') AND (lease_expires_at IS NULL OR lease_expires_at < now())
        ) AS stuck,
        count(*) FILTER (
            WHERE status IN ('pending', 'processing', 'failed')
                AND updated_at < now() - %(stale_after)s
                AND (lease_expires_at IS NULL OR lease_expires_at < now() - %(stale_after)s)
        ) AS stale,
        count(*) FILTER (WHERE reply_state = 'unknown') AS replies_unknown,
        max(updated_at) FILTER (
            WHERE status IN ('pending', 'processing') AND (lease_expires_at IS NULL OR lease_expires_at < now())
        ) AS last_stuck,
        max(updated_at) FILTER (WHERE reply_state = 'unknown') AS last_reply_unknown,
"""
_BY_STATUS: Final[LiteralString] = """
    FROM b2b_pilot_user_submissions
    GROUP BY status
"""

COUNTS: Final = Statement(
    query=_COUNTS
    + "count(*) FILTER (WHERE discarded_by IS NOT NULL) AS discarded,"
    + " max(updated_at) FILTER (WHERE discarded_by IS NULL) AS last"
    + _BY_STATUS,
    before=_COUNTS + "0 AS discarded, max(updated_at) AS last" + _BY_STATUS,
)

_LATENCY: Final[LiteralString] = """
    SELECT priority, grouping(priority) = 1 AS is_all, count(*) AS rows, now() AS now,
        percentile_cont(0.5) WITHIN GROUP (ORDER BY seconds) AS p50,
        percentile_cont(0.95) WITHIN GROUP (ORDER BY seconds) AS p95
    FROM (
        SELECT coalesce(priority, 'normal') AS priority,
            extract(epoch FROM completed_at - received_at)::float AS seconds
        FROM (
            SELECT status, priority, created_at, received_at, completed_at
            FROM b2b_pilot_user_submissions
            ORDER BY id DESC
            LIMIT %(newest)s
        ) AS newest
        WHERE status = 'completed' AND created_at >= %(since)s AND completed_at >= received_at
    ) AS stored
    GROUP BY GROUPING SETS ((), (priority))
"""
LATENCY: Final = Statement(query=_LATENCY, before=_LATENCY)


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredLatency:
    """From received to completed, of `rows` messages."""

    rows: int
    p50_ms: float
    p95_ms: float


@dataclass(frozen=True, slots=True, kw_only=True)
class TableSummary:
    """In rows. `stuck` ones have no lease that holds: their run died, or takes long. `stale` ones have been so for so long
    that the stale processor takes them; failed ones are among those. `discarded` ones are abandoned because a person wanted it.
    `latency` is None when nothing was completed."""

    by_status: Mapping[SubmissionStatus | str, int]
    stuck: int
    stale: int
    replies_unknown: int
    discarded: int = 0
    latency: StoredLatency | None
    by_priority: Mapping[str, StoredLatency] = field(default_factory=dict)
    """The same, of the rows of each priority that there is."""
    last_by_status: Mapping[SubmissionStatus | str, datetime] = field(default_factory=dict)
    """When a row of the status was changed last, discarded ones left out."""
    now: datetime | None = None
    """The database's clock, by which those are."""
    last_stuck: datetime | None = None
    last_reply_unknown: datetime | None = None


def summarize(connection: Connection, *, stale_after: timedelta, since: datetime) -> TableSummary:
    """Count all rows once; the latency is that of the newest thousand, as far as they were created since.

    Raises DatabaseError.
    """
    counts = _rows(connection, COUNTS, {"stale_after": stale_after})
    latencies = _rows(connection, LATENCY, {"newest": NEWEST, "since": since})
    newest = next(row for row in latencies if row["is_all"])
    return TableSummary(
        by_status={known_status(row["status"]): row["rows"] for row in counts},
        stuck=sum(row["stuck"] for row in counts),
        stale=sum(row["stale"] for row in counts),
        replies_unknown=sum(row["replies_unknown"] for row in counts),
        discarded=sum(row["discarded"] for row in counts if row["status"] == SubmissionStatus.ABANDONED),
        latency=_latency(newest),
        by_priority={
            row["priority"]: found for row in latencies if not row["is_all"] and (found := _latency(row))
        },
        now=newest["now"],
        last_by_status={known_status(row["status"]): row["last"] for row in counts if row["last"]},
        last_stuck=max((row["last_stuck"] for row in counts if row["last_stuck"]), default=None),
        last_reply_unknown=max(
            (row["last_reply_unknown"] for row in counts if row["last_reply_unknown"]), default=None
        ),
    )


def _latency(row: Mapping[str, Any]) -> StoredLatency | None:
    if not row["rows"]:
        return None
    return StoredLatency(rows=row["rows"], p50_ms=row["p50"] * 1_000, p95_ms=row["p95"] * 1_000)


def _rows(connection: Connection, statement: Statement, values: Mapping[str, Any]) -> list[dict[str, Any]]:
    with connection.use() as live, live.cursor(row_factory=dict_row) as cursor:
        return statement.run(cursor, values).fetchall()
