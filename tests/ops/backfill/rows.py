"""Rows as the processor leaves them."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

import psycopg

from b2bpilot.pipeline.message import PilotMessage

THEN = datetime(2001, 1, 1, 12, tzinfo=UTC)
"""When no other test's rows were created."""
COLUMNS = (
    *("message_id", "message_sid", "status", "source", "message_type", "priority", "test", "params"),
    *("attempts", "received_at", "created_at", "completed_at", "discarded_by"),
)
INSERT = (
    f"INSERT INTO b2b_pilot_user_submissions ({', '.join(COLUMNS)}) "  # the names stand above
    f"VALUES ({', '.join(f'%({name})s' for name in COLUMNS)})"
)


def row_of(of: PilotMessage, **columns: Any) -> dict[str, Any]:
    return {
        "message_id": of.message_id,
        "message_sid": of.params.get("MessageSid"),
        "status": "completed",
        "source": of.source.value,
        "message_type": of.message_type.value,
        "priority": of.priority.value,
        "test": of.test,
        "params": json.dumps(dict(of.params)),
        "attempts": 1,
        "received_at": of.received_at,
        "created_at": THEN,
        "completed_at": THEN,
        "discarded_by": None,
        **columns,
    }


def put(connection: psycopg.Connection, rows: Iterable[dict[str, Any]]) -> None:
    """Write them in this order."""
    with connection.cursor() as cursor:
        cursor.executemany(INSERT, rows)  # type: ignore[arg-type]  # psycopg wants a literal


def put_one(connection: psycopg.Connection, of: PilotMessage, **columns: Any) -> PilotMessage:
    put(connection, [row_of(of, **columns)])
    return of
