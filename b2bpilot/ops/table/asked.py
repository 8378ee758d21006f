"""The table that a command asks: opened by the first question to it, so that this can go on beside something else."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime
from types import TracebackType
from typing import Protocol, Self

from b2bpilot.errors import PilotError
from b2bpilot.ops.table.database_proof import DatabaseProof
from b2bpilot.pipeline.database import DatabaseManager
from b2bpilot.pipeline.models import Progress, UserSubmission


class Table(Protocol):
    """What row_state and row_proof ask. Nobody else asks for rows: a row alone proves nothing."""

    @property
    def proof(self) -> DatabaseProof: ...
    def now(self) -> datetime: ...
    def progress_of(self, message_ids: Sequence[str]) -> dict[str, Progress]: ...


class WholeTable(Table, Protocol):
    """A table that gives whole rows, too. `database` is for what is no question about a message."""

    @property
    def database(self) -> DatabaseManager: ...
    def get_submission_by_message_id(self, message_id: str) -> UserSubmission | None: ...


class KnownTable:
    """A table that is open already, with the word on whose it is."""

    def __init__(self, database: DatabaseManager, proof: DatabaseProof) -> None:
        self.database, self.proof = database, proof
        self.now, self.progress_of = database.now, database.progress_of
        self.get_submission_by_message_id = database.get_submission_by_message_id


class AskedTable:
    """`connect` may read a secret and import the driver, `prove` may ask AWS; the block's end closes what was opened.

    Everything raises DatabaseError, and AwsError when nothing names the database.
    """

    def __init__(
        self,
        connect: Callable[[], DatabaseManager],
        prove: Callable[[DatabaseManager], DatabaseProof],
        *,
        proof: DatabaseProof | None = None,
        clock: Callable[[], datetime] | None = None,
    ) -> None:
        """With a `proof` that is known, and a `clock` in the database's place, no question opens it."""
        self._connect, self._prove = connect, prove
        self._opened: DatabaseManager | None = None
        self._proof, self._clock = proof, clock
        self._open = ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._open.close()
        self._opened = None

    @property
    def proof(self) -> DatabaseProof:
        """Whether it is the processor's, asked once."""
        if self._proof is None:
            self._proof = self._prove(self.database)
        return self._proof

    @property
    def database(self) -> DatabaseManager:
        """The table itself, for what is no question about a message."""
        if self._opened is None:
            self._opened = self._open.enter_context(self._connect())
        return self._opened

    def now(self) -> datetime:
        return self._clock() if self._clock else self.database.now()

    def progress_of(self, message_ids: Sequence[str]) -> dict[str, Progress]:
        return self.database.progress_of(message_ids)

    def get_submission_by_message_id(self, message_id: str) -> UserSubmission | None:
        return self.database.get_submission_by_message_id(message_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class Named:
    """A database as a plan names it that can do without it: `error` says why nobody could ask."""

    proof: DatabaseProof | None = None
    error: str | None = None

    def fields(self) -> Mapping[str, object]:
        return self.proof.fields() if self.proof else {"proven": False, "why": self.error}

    def told(self) -> str:
        return self.proof.told() if self.proof else f"database: not asked, {self.error}"


def named(open_table: Callable[[], AskedTable]) -> Named:
    """Open the table for nothing but its name."""
    try:
        with open_table() as table:
            return name_of(table)
    except PilotError as exc:
        return Named(error=str(exc))


def name_of(table: Table) -> Named:
    """Return how a plan names a table that is asked later."""
    try:
        return Named(proof=table.proof)
    except PilotError as exc:
        return Named(error=str(exc))
