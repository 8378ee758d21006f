"""Columns that the table lacks, and what brings them back: a new name, where one of the same type may be it, or as the migration files define
them, without what they held."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from b2bpilot import resources
from b2bpilot.ops.migrations.files import read_migrations
from b2bpilot.ops.migrations.finding import quoted
from b2bpilot.ops.migrations.schema import Schema
from b2bpilot.ops.migrations.statements import Makes, NewColumns, NewTable
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
FROM_A_BACKUP = "restore the table from a backup: without them nobody knows which messages are done"
CATEGORIES = {
    "text": "S", "varchar": "S", "bigint": "N", "integer": "N", "boolean": "B", "timestamptz": "D", "json": "U"
}  # fmt: skip
"""Of the files' types, as `pg_type.typcategory` has them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LostColumns:
    """`names` are those that the functions' statements cannot do without. `statement` is fit to be pasted, None where there is
    none or a person has to choose; `told` is what to do in words, empty where `migrate` alone brings back all."""

    names: tuple[str, ...]
    statement: str | None
    told: str = ""
    was_renamed: bool = False
    """Whether one of them is there with a new name, as far as its name tells."""

    @property
    def needs_choice(self) -> bool:
        return bool(self.told) and self.statement is None

    @property
    def is_for_a_person(self) -> bool:
        """Whether the SQL alone does not say enough: somebody has to look first."""
        return self.needs_choice or self.was_renamed

    @property
    def remedy(self) -> str:
        """Say what an operator may do: words where a person has to look, SQL else."""
        return self.told if self.is_for_a_person else self.statement or ""


def lost_columns(schema: Schema) -> LostColumns:
    """Hold the table's columns against the migration files."""
    lost = [
        one
        for file in read_migrations(resources.migrations())
        for statement in file.statements
        if (one := _lost_of(schema, statement.makes)) is not None
    ]
    statements = [one.statement for one in lost if one.statement]
    needs_choice = any(one.needs_choice for one in lost)
    return LostColumns(
        names=tuple(name for one in lost for name in one.names if name not in WRITTEN_LATER),
        statement="; ".join(statements) if statements and not needs_choice else None,
        told="; ".join(one.told for one in lost if one.told),
        was_renamed=any(one.was_renamed for one in lost),
    )


def bringing_back(schema: Schema, makes: Makes) -> LostColumns | None:
    """Return what may be done about columns that a table lacks of a statement's; None where it lacks none."""
    if makes.table != SUBMISSIONS.name:
        return LostColumns(names=schema.lacking(makes), statement=None, told=FROM_A_BACKUP)
    return _lost_of(schema, makes)


def _lost_of(schema: Schema, makes: Makes) -> LostColumns | None:
    """Return what a table lacks of one statement's columns. Those of a later migration come back with `migrate`, so that of them only
    a new name is told."""
    if not isinstance(makes, NewTable | NewColumns) or not (lacking := schema.lacking(makes)):
        return None
    renamed = _renamed(schema, makes, lacking)
    sure = {name: found[0] for name, found in renamed.items() if len(found) == 1 and name in found[0]}
    open_ones = {name: found for name, found in renamed.items() if name not in sure}
    gone = [name for name in lacking if name not in renamed]
    if isinstance(makes, NewColumns):
        open_ones, gone = {}, []
    renames = [_renaming(makes, name, new) for name, new in sure.items()]
    added = [adding(makes, gone)] if gone else []
    told = [f"{_perhaps(name, [new])}: {_renaming(makes, name, new)}" for name, new in sure.items()]
    told += [
        f"{_perhaps(name, found)}: if so, {' or '.join(_renaming(makes, name, new) for new in found)}; "
        f"if not, {adding(makes, [name])}, and what was in {name} is in a backup alone"
        for name, found in open_ones.items()
    ]
    told += [f"{statement}; what was in there is in a backup alone" for statement in added]
    statements = [*renames, *added]
    return LostColumns(
        names=lacking,
        statement="; ".join(statements) if statements and not open_ones else None,
        told="; ".join(told),
        was_renamed=bool(sure),
    )


def _renamed(
    schema: Schema, makes: NewTable | NewColumns, lacking: Sequence[str]
) -> dict[str, tuple[str, ...]]:
    """Return, of each column that is gone, those of the same kind of type that are none of the pipeline's: one may be it with a new
    name. One whose name has the old one in it comes alone."""
    found = {}
    for name, definition in zip(makes.columns, makes.definitions, strict=True):
        category = CATEGORIES[re.split(r"\W", definition, maxsplit=1)[0]]
        alike = [
            column
            for column, one in schema.columns.items()
            if one == category and column not in SUBMISSIONS.wanted
        ]
        if name in lacking and alike:
            found[name] = tuple([column for column in alike if name in column] or alike)
    return found


def _perhaps(name: str, found: Sequence[str]) -> str:
    listed = " or ".join(quoted(one) for one in found)
    return f"{name} may have been renamed to {listed}, which is of its type and none of the pipeline's"


def _renaming(makes: NewTable | NewColumns, name: str, new: str) -> str:
    return f"ALTER TABLE {makes.table} RENAME COLUMN {quoted(new)} TO {name}"


def adding(makes: NewTable | NewColumns, lacking: Sequence[str]) -> str:
    """Return the SQL that adds some of the columns to a table that may have rows: each may be NULL or has a default."""
    defined = dict(zip(makes.columns, makes.definitions, strict=True))
    actions = [
        STATUS_AGAIN[0] if name == STATUS else f"ADD COLUMN {name} {defined[name]}" for name in lacking
    ]
    added = f"ALTER TABLE {makes.table} {', '.join(actions)}"
    return f"{added}; {STATUS_AGAIN[1].format(table=makes.table)}" if STATUS in lacking else added
