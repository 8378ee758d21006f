"""What a statement does to those who use the table meanwhile, and what it is called."""

from __future__ import annotations

from dataclasses import dataclass
from typing import assert_never

from b2bpilot.ops.migrations.ddl import PATIENCE
from b2bpilot.ops.migrations.statements import MigrationStatement, NewColumns, NewIndex, NewTable

SHOWN_COLUMNS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Effect:
    """`lock` is PostgreSQL's name for it; `waits` says who waits, and for how long, a line each."""

    lock: str
    blocks_reads: bool
    blocks_writes: bool
    waits: tuple[str, ...]


def effect_of(statement: MigrationStatement, *, table_is_new: bool) -> Effect:
    """Sources: PostgreSQL manual, "Explicit Locking" and "Building Indexes Concurrently";
    docs/aws-facts.md#invalid-indexes, #column-locks, #concurrent-builds."""
    effect = _effect_on_traffic(statement)
    if not table_is_new:
        return effect
    return Effect(
        lock=effect.lock, blocks_reads=False, blocks_writes=False, waits=("nobody waits: the table is new",)
    )


def _effect_on_traffic(statement: MigrationStatement) -> Effect:
    match statement.makes:
        case NewTable() | NewColumns():
            limit = f"{statement.limits.lock_timeout} a try, {PATIENCE.tries} tries with pauses"
            return Effect(
                lock="ACCESS EXCLUSIVE",
                blocks_reads=True,
                blocks_writes=True,
                waits=(
                    "reads and writes wait for milliseconds; no row is rewritten",
                    f"when the lock is not free, they wait with it for at most {limit}",
                ),
            )
        case NewIndex():
            return Effect(
                lock="SHARE UPDATE EXCLUSIVE",
                blocks_reads=False,
                blocks_writes=False,
                waits=("reads and writes go on; VACUUM and other DDL wait until it is built",),
            )
        case _:
            assert_never(statement.makes)


def title(statement: MigrationStatement) -> str:
    """Return the statement on one line, without what is the same in all of them."""
    match makes := statement.makes:
        case NewTable():
            return f"CREATE TABLE {makes.table}"
        case NewColumns():
            return f"ALTER TABLE ADD COLUMN {_columns(makes.columns)}"
        case NewIndex():
            kind = "UNIQUE INDEX" if makes.unique else "INDEX"
            where = " WHERE ..." if makes.partial else ""
            columns = ", ".join(makes.columns)
            return f"CREATE {kind} CONCURRENTLY {makes.name} ({columns}){where}"
        case _:
            assert_never(makes)


def _columns(columns: tuple[str, ...]) -> str:
    shown = ", ".join(columns[:SHOWN_COLUMNS])
    more = len(columns) - SHOWN_COLUMNS
    return f"{shown} and {more} more" if more > 0 else shown
