"""Rows of the table, read into values."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, LiteralString

import psycopg
from psycopg.rows import kwargs_row

from b2bpilot.pipeline.models import Progress, ReplyState, SubmissionStatus, UserSubmission


def fetch_submissions(
    connection: psycopg.Connection, query: LiteralString, values: Mapping[str, Any]
) -> list[UserSubmission]:
    """Run a statement that gives all columns."""
    with connection.cursor(row_factory=kwargs_row(_submission)) as cursor:
        return cursor.execute(query, values).fetchall()


def _submission(**row: Any) -> UserSubmission:
    row["status"] = SubmissionStatus(row["status"])
    row["reply_state"] = ReplyState(row["reply_state"]) if row["reply_state"] else None
    return UserSubmission(**row)


def progress(**row: Any) -> Progress:
    """Make the value from the columns, as psycopg's `kwargs_row` wants it."""
    row["status"] = SubmissionStatus(row["status"])
    return Progress(**row)


def number_pattern(number: str) -> str:
    """Return PostgreSQL's regular expression for a number with any channel before it, or with the one it names."""
    return re.escape(number) if ":" in number else f"([a-z]+:)?{re.escape(number)}"
