"""A check constraint of one column whose values are known, all of them: they are tried, and nothing is written."""

from __future__ import annotations

from collections.abc import Iterable
from typing import LiteralString

import psycopg
from psycopg import sql

from b2bpilot.ops.migrations.table import MigratedTable

READ_ONLY: LiteralString = "SET TRANSACTION READ ONLY"
TRIED: LiteralString = """
    SELECT {column}::text FROM unnest(%(values)s::{type}[]) AS tried ({column}) WHERE NOT ({condition})
"""

Check = tuple[str, str, str, str]
"""Name, condition, the column as SQL spells it, and its name."""


def tried(
    connection: psycopg.Connection, checks: Iterable[Check], table: MigratedTable
) -> dict[str, tuple[str, ...]]:
    """Return the values that each check refuses, by its name; one whose column can get anything is not among them."""
    found: dict[str, tuple[str, ...]] = {}
    for name, condition, column, key in checks:
        values, kind = (table.texts[key], "text") if key in table.texts else (table.counts.get(key), "bigint")
        if values is not None:
            refused = _refused(connection, condition, column, kind, [*values])
            found |= {name: refused} if refused is not None else {}
    return found


def _refused(
    connection: psycopg.Connection, condition: str, column: str, kind: str, values: list[str]
) -> tuple[str, ...] | None:
    """The condition is the catalogue's own text, and may call functions: in a transaction that cannot write."""
    parts: dict[str, sql.SQL] = {
        name: sql.SQL(text) for name, text in {"column": column, "type": kind, "condition": condition}.items()
    }
    try:
        with connection.transaction():
            connection.execute(READ_ONLY)
            rows = connection.execute(sql.SQL(TRIED).format(**parts), {"values": values}).fetchall()
    except psycopg.Error:
        if connection.closed:
            raise
        return None
    return tuple(value for (value,) in rows)
