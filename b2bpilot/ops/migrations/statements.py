"""The statements of a migration file: what each makes, which lock it takes, and the limits it runs under."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from b2bpilot.errors import MigrationFailed

SETTING = re.compile(r"SET (?P<name>lock_timeout|statement_timeout) = (?P<value>'[^']+'|0)")
TABLE = re.compile(r"CREATE TABLE IF NOT EXISTS (?P<table>\w+) \((?P<body>.*)\)", re.DOTALL)
TABLE_COLUMN = re.compile(r"^ {4}([a-z]\w*) (.+?),?$", re.MULTILINE)
"""A line that begins with a capital is a constraint of the table."""
COLUMNS = re.compile(r"ALTER TABLE (?P<table>\w+)(?P<actions>(?:\s+ADD COLUMN IF NOT EXISTS [^,]+,?)+)")
COLUMN = re.compile(r"ADD COLUMN IF NOT EXISTS (\w+) ([^,]+)")
INDEX = re.compile(
    r"CREATE (?P<unique>UNIQUE )?INDEX CONCURRENTLY IF NOT EXISTS (?P<name>\w+)\s+"
    r"ON (?P<table>\w+) \((?P<columns>[\w, ]+)\)(?P<predicate>\s+WHERE .+)?",
    re.DOTALL,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class NewTable:
    """A table. Nobody knows it yet, so nobody waits. `definitions` are the columns' types and rules, in the same order."""

    table: str
    columns: tuple[str, ...]
    definitions: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class NewColumns:
    """Columns that are nullable or have a constant default: the catalogue changes, no row is rewritten
    (docs/aws-facts.md#column-locks)."""

    table: str
    columns: tuple[str, ...]
    definitions: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class NewIndex:
    """An index, built concurrently."""

    table: str
    name: str
    columns: tuple[str, ...]
    unique: bool
    partial: bool


Makes = NewTable | NewColumns | NewIndex


@dataclass(frozen=True, slots=True, kw_only=True)
class StatementLimits:
    """What the file's SET lines say, as psql obeys them; the runner sets the same before each statement."""

    lock_timeout: str = "0"
    statement_timeout: str = "0"

    @property
    def sql(self) -> tuple[str, ...]:
        return tuple(
            f"SET {name} = {value if value == '0' else repr(value)}"
            for name, value in (
                ("lock_timeout", self.lock_timeout),
                ("statement_timeout", self.statement_timeout),
            )
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class MigrationStatement:
    """One statement, to be run alone: CONCURRENTLY refuses company (docs/aws-facts.md#concurrent-builds)."""

    sql: str
    limits: StatementLimits
    makes: Makes


def read_statements(text: str) -> tuple[MigrationStatement, ...]:
    """Return the statements of a file. Raises MigrationFailed for one of a kind whose lock is not known here."""
    return tuple(_statements(split(text)))


def split(text: str) -> tuple[str, ...]:
    """Return the statements without comments. One ends with `;` at the end of a line; function bodies and literals over
    several lines are not used in our files, and `read_statements` refuses them."""
    lines = [line for line in text.splitlines() if not line.lstrip().startswith("--")]
    parts = re.split(r";[ \t]*$", "\n".join(lines), flags=re.MULTILINE)
    return tuple(part.strip() for part in parts if part.strip())


def _statements(parts: tuple[str, ...]) -> Iterator[MigrationStatement]:
    limits: dict[str, str] = {}
    for part in parts:
        setting = SETTING.fullmatch(part)
        if setting:
            limits[setting["name"]] = setting["value"].strip("'")
        else:
            yield MigrationStatement(sql=part, limits=StatementLimits(**limits), makes=_makes(part))


def _makes(sql: str) -> Makes:
    if table := TABLE.fullmatch(sql):
        names, definitions = zip(*TABLE_COLUMN.findall(table["body"]), strict=True)
        return NewTable(table=table["table"], columns=names, definitions=definitions)
    if columns := COLUMNS.fullmatch(sql):
        names, definitions = zip(*COLUMN.findall(columns["actions"]), strict=True)
        return NewColumns(table=columns["table"], columns=names, definitions=definitions)
    if index := INDEX.fullmatch(sql):
        return NewIndex(
            table=index["table"],
            name=index["name"],
            columns=tuple(column.strip() for column in index["columns"].split(",")),
            unique=index["unique"] is not None,
            partial=index["predicate"] is not None,
        )
    (start, *_) = sql.splitlines()
    raise MigrationFailed(f"a migration file holds a statement of an unknown kind: `{start}`")
