"""The tables that migrations make: the pipeline's own, and one for a subscriber's handler, in any database."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import LiteralString

from b2bpilot.advice import Command, our_command
from b2bpilot.ops.migrations.wanted import (
    COUNTS,
    COUNTS_OF_DELIVERIES,
    TEXTS,
    TEXTS_OF_DELIVERIES,
    WANTED,
    WANTED_OF_DELIVERIES,
    ExpectedColumn,
)
from b2bpilot.pipeline import row_security
from b2bpilot.pipeline.queries import ARBITER


@dataclass(frozen=True, slots=True, kw_only=True)
class MigratedTable:
    """One table, and what is needed of it. `option` is its name for `migrate --only`, and its folder in migrations/: empty
    for the pipeline's own.

    `texts` and `counts` are all values that a column can get, where they are known. `alone` are columns that two rows never
    share, `conflict` those of ON CONFLICT: `explain` plans such an INSERT, and the index `arbiter` must decide it.
    """

    name: str
    option: str
    wanted: Mapping[str, ExpectedColumn]
    texts: Mapping[str, Iterable[str]]
    counts: Mapping[str, Iterable[str]]
    primary_key: str
    conflict: str
    alone: tuple[list[str], ...]
    facts: tuple[str, ...]
    explain: LiteralString
    arbiter: str

    def command(self, *words: str) -> Command:
        """Name the command that migrates this table."""
        only = ("--only", self.option) if self.option else ()
        return our_command("migrate", *only, *words)

    def file(self, name: str) -> str:
        """Return a file's name as the ledger has it."""
        return f"{self.option}/{name}" if self.option else name

    def keeps(self, entry: str) -> bool:
        """Whether a line of the ledger is of this table: the ledger of a database is one for all of them."""
        return entry.rpartition("/")[0] == self.option


SUBMISSIONS = MigratedTable(
    name=row_security.SUBMISSIONS,
    option="",
    wanted=WANTED,
    texts=TEXTS,
    counts=COUNTS,
    primary_key="id",
    conflict="message_id",
    alone=(["id"], ["message_id"], ["message_sid"]),
    facts=(
        "column message_id holds text",
        f"index {ARBITER} is valid, unique, and on message_id alone",
    ),
    explain="""
        EXPLAIN (FORMAT JSON)
        INSERT INTO b2b_pilot_user_submissions (message_id) VALUES ('verify') ON CONFLICT (message_id) DO NOTHING
    """,
    arbiter=ARBITER,
)
DELIVERIES = MigratedTable(
    name="b2b_pilot_deliveries",
    option="deliveries",
    wanted=WANTED_OF_DELIVERIES,
    texts=TEXTS_OF_DELIVERIES,
    counts=COUNTS_OF_DELIVERIES,
    primary_key="subscriber, message_id",
    conflict="subscriber, message_id",
    alone=(),
    facts=("its primary key is (subscriber, message_id)",),
    explain="""
        EXPLAIN (FORMAT JSON)
        INSERT INTO b2b_pilot_deliveries (subscriber, message_id, test, status, attempts, lease_expires_at)
        VALUES ('verify', '00000000-0000-0000-0000-000000000000', true, 'processing', 1, now())
        ON CONFLICT (subscriber, message_id) DO NOTHING
    """,
    arbiter="b2b_pilot_deliveries_pkey",
)
TABLES = (SUBMISSIONS, DELIVERIES)


def table_named(name: str) -> MigratedTable:
    """Return the table of a statement in one of our files."""
    return next(table for table in TABLES if table.name == name)
