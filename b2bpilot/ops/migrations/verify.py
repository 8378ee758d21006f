"""Whether the table is what the pipeline needs, asked of the database after the last statement."""

from __future__ import annotations

import json
from typing import Any, LiteralString

import psycopg
from psycopg import errors as pg

from b2bpilot.advice import Words
from b2bpilot.errors import MigrationFailed
from b2bpilot.ops.migrations.fitness import Fitness
from b2bpilot.ops.migrations.migration import MigrationPlan
from b2bpilot.ops.migrations.table import SUBMISSIONS, MigratedTable

SPELLED_OTHERWISE: LiteralString = """
    SELECT id, message_id, count(*) OVER () FROM b2b_pilot_user_submissions
    WHERE message_id !~ '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$'
    ORDER BY id
    LIMIT %(shown)s
"""
SHOWN = 5


def verify(connection: psycopg.Connection, plan: MigrationPlan, fitness: Fitness) -> list[str]:
    """Return what was found to be right, a line each. Raises MigrationFailed for the first thing that is not."""
    for migration in plan.pending:
        raise MigrationFailed(
            f"{migration.name} ran, but the database still lacks part of what it makes",
            hint="run " + plan.table.command("--status"),
        )
    table = plan.table
    spelled = [spelling(connection)] if table is SUBMISSIONS else []
    facts = [*table.facts, *spelled, *fitness.facts()]
    found = arbiters(connection, table)
    if found is None:
        return facts
    if table.arbiter not in found:
        raise MigrationFailed(
            f"ON CONFLICT ({table.conflict}) does not use index {table.arbiter}: {', '.join(found) or 'it uses none'}",
            hint=_decided_by(table),
        )
    return [*facts, f"INSERT ... ON CONFLICT ({table.conflict}) uses it"]


def _decided_by(table: MigratedTable) -> Words:
    """A migration brings an index back, and no primary key."""
    if table is SUBMISSIONS:
        return "run " + table.command("--status")
    return f"run ALTER TABLE {table.name} ADD PRIMARY KEY ({table.primary_key})"


def spelling(connection: psycopg.Connection) -> str:
    """Say whether each message_id is spelled as a message spells it, and name rows where it is not. Reads the whole table."""
    found = connection.execute(SPELLED_OTHERWISE, {"shown": SHOWN}).fetchall()
    if not found:
        return "every message_id is a UUID in its canonical spelling"
    count = found[0][2]
    named = ", ".join(f"{message_id!r} (id {row_id})" for row_id, message_id, _ in found)
    rows = "1 row has a message_id that is" if count == 1 else f"{count:,} rows have a message_id that is"
    more = f" and {count - SHOWN:,} more" if count > SHOWN else ""
    return (
        f"but {rows} not a UUID in its canonical spelling: {named}{more}. The message's next delivery "
        "corrects a known other spelling, unless the canonical one has a row as well; no message has an id that is no UUID"
    )


def arbiters(connection: psycopg.Connection, table: MigratedTable) -> list[str] | None:
    """Return the indexes that decide such a conflict, from the plan of the insert; nothing is inserted. None
    when this role may not ask."""
    try:
        row = connection.execute(table.explain).fetchone()
    except pg.InvalidColumnReference:
        return []
    except pg.InsufficientPrivilege:
        return None
    explained: Any = row[0] if row else []
    nodes = json.loads(explained) if isinstance(explained, str) else explained
    return [name for node in nodes for name in node["Plan"].get("Conflict Arbiter Indexes", [])]
