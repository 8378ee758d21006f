"""The table as a discard and an edit ask it: proven or not, there or not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import NoReturn

from b2bpilot.errors import DatabaseUnreachable
from b2bpilot.ops.table.asked import AskedTable
from b2bpilot.ops.table.database_proof import DatabaseProof
from b2bpilot.pipeline.database import DatabaseManager
from b2bpilot.pipeline.models import Progress


def proof(*, is_proven: bool) -> DatabaseProof:
    why = "host, port and name are those in the stack's secret" if is_proven else "it is another one"
    return DatabaseProof(place="app at db", origin="the stack's secret", is_proven=is_proven, why=why)


def table_of(url: str, *, is_proven: bool = True) -> AskedTable:
    """Return a real table."""
    return AskedTable(lambda: DatabaseManager(url), lambda _: proof(is_proven=is_proven))


def _no_database() -> NoReturn:
    raise DatabaseUnreachable("no connection to app at db")


def unreachable() -> AskedTable:
    return AskedTable(_no_database, lambda _: proof(is_proven=True))


@dataclass
class NoRows:
    """A table without any row: nothing in it is ever marked."""

    proof: DatabaseProof = field(default_factory=lambda: proof(is_proven=True))

    @property
    def database(self) -> DatabaseManager:
        return _no_database()

    def now(self) -> datetime:
        return datetime.now(UTC)

    def progress_of(self, message_ids: Sequence[str]) -> dict[str, Progress]:
        return {}
