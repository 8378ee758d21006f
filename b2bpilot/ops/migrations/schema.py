"""What a database has of our schema, read from its catalogue: no permission on the table is needed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import assert_never

import psycopg
from psycopg.rows import class_row

from b2bpilot.ops.migrations.statements import Makes, NewColumns, NewIndex, NewTable
from b2bpilot.ops.migrations.table import SUBMISSIONS, MigratedTable

COLUMNS = """
    SELECT attname, typcategory::text
    FROM pg_attribute JOIN pg_type ON pg_type.oid = atttypid
    WHERE attrelid = to_regclass(%(table)s) AND attnum > 0 AND NOT attisdropped
"""

INDEXES = """
    SELECT
        class.relname AS name,
        indisvalid AS valid,
        indisunique AND coalesce((to_jsonb(pg_index) ->> 'indnullsnotdistinct')::boolean, false) IS FALSE AS unique,
        ARRAY(
            SELECT coalesce(attname::text, '(expression)')
            FROM unnest(indkey::int2[]) WITH ORDINALITY AS key (number, place)
            LEFT JOIN pg_attribute ON attrelid = indrelid AND attnum = number AND number <> 0
            WHERE place <= indnkeyatts
            ORDER BY place
        ) AS columns,
        indpred IS NOT NULL AS partial
    FROM pg_index JOIN pg_class AS class ON class.oid = indexrelid
    WHERE indrelid = to_regclass(%(table)s)
"""


ELSEWHERE = """
    SELECT DISTINCT relnamespace::regnamespace::text
    FROM pg_class
    WHERE relname = %(table)s AND relkind IN ('r', 'p') AND NOT pg_table_is_visible(oid)
    ORDER BY 1
"""


class Presence(StrEnum):
    """Whether what a statement makes is there."""

    THERE = "there"
    MISSING = "missing"
    INVALID = "invalid"
    """An index that an earlier build left behind: it serves no query and may let duplicates in
    (docs/aws-facts.md#invalid-indexes)."""
    DIFFERENT = "different"
    """Something else has the name; IF NOT EXISTS would take it for ours."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Index:
    """`unique` means: with NULLs distinct, so that rows without a message_id are no duplicates."""

    name: str
    valid: bool
    unique: bool
    columns: list[str]
    partial: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Schema:
    """The table's columns with the category of their types (`S` is text), and its indexes. No columns: no table that the role sees;
    `elsewhere` are the schemas that have one."""

    columns: Mapping[str, str]
    indexes: Mapping[str, Index]
    elsewhere: tuple[str, ...] = ()

    def presence(self, makes: Makes) -> Presence:
        match makes:
            case NewTable():
                return self._presence_of_table(makes)
            case NewColumns():
                return self._presence_of_columns(makes)
            case NewIndex():
                return self._presence_of_index(makes)
            case _:
                assert_never(makes)

    def lacking(self, makes: Makes) -> tuple[str, ...]:
        """Return the columns named in the statement that the table has not."""
        return tuple(column for column in makes.columns if column not in self.columns)

    def _presence_of_table(self, makes: NewTable) -> Presence:
        if not self.columns:
            return Presence.MISSING
        return Presence.DIFFERENT if self.lacking(makes) else Presence.THERE

    def _presence_of_columns(self, makes: NewColumns) -> Presence:
        if self.lacking(makes):
            return Presence.MISSING
        is_text = self.columns.get("message_id", "S") == "S"
        return Presence.THERE if "message_id" not in makes.columns or is_text else Presence.DIFFERENT

    def _presence_of_index(self, makes: NewIndex) -> Presence:
        index = self.indexes.get(makes.name)
        if index is None:
            return Presence.MISSING
        if not index.valid:
            return Presence.INVALID
        same = (tuple(index.columns), index.unique, index.partial) == (
            makes.columns,
            makes.unique,
            makes.partial,
        )
        return Presence.THERE if same else Presence.DIFFERENT


def let_see(elsewhere: Sequence[str], role: str) -> str:
    """Say how the role comes to see the table."""
    schema = elsewhere[0]
    return (
        f"as its owner: GRANT USAGE ON SCHEMA {schema} TO {role}, and have {schema} in the role's search_path"
    )


def read_schema(connection: psycopg.Connection, table: MigratedTable = SUBMISSIONS) -> Schema:
    """Ask the catalogue."""
    parameters = {"table": table.name}
    with connection.cursor(row_factory=class_row(Index)) as cursor:
        indexes = cursor.execute(INDEXES, parameters).fetchall()
    return Schema(
        columns=dict(connection.execute(COLUMNS, parameters).fetchall()),
        indexes={index.name: index for index in indexes},
        elsewhere=tuple(str(name) for (name,) in connection.execute(ELSEWHERE, parameters)),
    )
