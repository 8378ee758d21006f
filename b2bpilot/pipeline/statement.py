"""A statement in two spellings: for the table as it is, and for one that the newest migration has yet to reach."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any, LiteralString, TypeVar

from psycopg import Cursor, errors
from psycopg.pq import TransactionStatus

Row = TypeVar("Row")


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """`query` names the columns of add_recovery_columns.sql; `before` does the same without them.

    Code is deployed before its migration, as a rule. A table that has the columns costs nothing; one without them costs
    a second round trip, until they come.
    """

    query: LiteralString
    before: LiteralString

    def run(self, cursor: Cursor[Row], values: Mapping[str, Any]) -> Cursor[Row]:
        """Run it. Inside a transaction it needs a savepoint, or the first spelling's failure would end all of it."""
        is_inside = cursor.connection.info.transaction_status is TransactionStatus.INTRANS
        try:
            with cursor.connection.transaction() if is_inside else nullcontext():
                return cursor.execute(self.query, values)
        except errors.UndefinedColumn:
            return cursor.execute(self.before, values)


def reading(columns: LiteralString, rest: LiteralString) -> Statement:
    """Return a query of `columns` and of those that recovery writes; NULL stands for what is not there yet."""
    return Statement(
        query="SELECT" + columns + ", discarded_by, republished_at" + rest,
        before="SELECT"
        + columns
        + ", NULL::text AS discarded_by, NULL::timestamptz AS republished_at"
        + rest,
    )
