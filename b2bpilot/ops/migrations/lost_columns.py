"""Columns that the table lacks, and the statement that brings them back: as the migration files define them, without what they held."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from b2bpilot import resources
from b2bpilot.ops.migrations.files import read_migrations
from b2bpilot.ops.migrations.schema import Schema
from b2bpilot.ops.migrations.statements import NewColumns, NewTable
from b2bpilot.ops.migrations.table import SUBMISSIONS

STATUS = "status"
STATUS_AGAIN = (
    (
        "ADD COLUMN status text NOT NULL DEFAULT 'abandoned', ALTER COLUMN status SET DEFAULT 'pending', "
        "ADD COLUMN IF NOT EXISTS completed_at timestamptz"
    ),
    "UPDATE {table} SET status = 'completed' WHERE completed_at IS NOT NULL",
)
"""Old rows must not become pending: each of their messages would be run again. What is abandoned waits for a person."""
WRITTEN_LATER = frozenset({"discarded_by", "republished_at"})
"""Messages are stored without them (pipeline/statement.py)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LostColumns:
    """`names` are those that the functions' statements cannot do without. `statement` brings back what no migration does, None where
    `migrate` alone brings back all."""

    names: tuple[str, ...]
    statement: str | None


def lost_columns(schema: Schema) -> LostColumns:
    """Hold the table's columns against the migration files."""
    names: list[str] = []
    statement = None
    for makes in (one.makes for file in read_migrations(resources.migrations()) for one in file.statements):
        if not isinstance(makes, NewTable | NewColumns):
            continue
        lacking = schema.lacking(makes)
        names += [name for name in lacking if name not in WRITTEN_LATER]
        if lacking and isinstance(makes, NewTable):
            statement = adding(makes, lacking)
    return LostColumns(names=tuple(names), statement=statement)


def bringing_back(makes: NewTable, lacking: Sequence[str]) -> str:
    """Say what an operator may do about columns that a table lacks: SQL, or words."""
    if makes.table == SUBMISSIONS.name:
        return adding(makes, lacking)
    return "restore the table from a backup: without them nobody knows which messages are done"


def adding(makes: NewTable | NewColumns, lacking: Sequence[str]) -> str:
    """Return the SQL that adds some of the columns to a table that may have rows: each may be NULL or has a default."""
    defined = dict(zip(makes.columns, makes.definitions, strict=True))
    actions = [
        STATUS_AGAIN[0] if name == STATUS else f"ADD COLUMN {name} {defined[name]}" for name in lacking
    ]
    added = f"ALTER TABLE {makes.table} {', '.join(actions)}"
    return f"{added}; {STATUS_AGAIN[1].format(table=makes.table)}" if STATUS in lacking else added
