"""Rows of the table, read into values."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import psycopg
from psycopg.rows import kwargs_row

from b2bpilot.pipeline.models import Progress, UserSubmission, known_reply_state, known_status
from b2bpilot.pipeline.statement import Statement


def fetch_submissions(
    connection: psycopg.Connection, statement: Statement, values: Mapping[str, Any]
) -> list[UserSubmission]:
    """Run a statement that gives all columns."""
    with connection.cursor(row_factory=kwargs_row(_submission)) as cursor:
        return statement.run(cursor, values).fetchall()


def _submission(**row: Any) -> UserSubmission:
    row["status"] = known_status(row["status"])
    row["reply_state"] = known_reply_state(row["reply_state"])
    return UserSubmission(**row)


def progress(**row: Any) -> Progress:
    """Make the value from the columns, as psycopg's `kwargs_row` wants it."""
    row["status"] = known_status(row["status"])
    return Progress(**row)


def number_pattern(number: str) -> str:
    """Return PostgreSQL's regular expression for a number with any channel before it, or with the one it names."""
    return re.escape(number) if ":" in number else f"([a-z]+:)?{re.escape(number)}"
