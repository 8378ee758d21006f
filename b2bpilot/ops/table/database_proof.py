"""Whether the database that a command asks is the one that the processor writes (decision 13).

A row says something of a message only when the processor wrote it. A restored copy has the same tables, the same rows and
the same system identifier, and a row that is completed in it made a redrive delete the only copy of a message.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from b2bpilot.errors import PilotError, Refused
from b2bpilot.ops.table.address import Address, address_in_use, address_of
from b2bpilot.pipeline.database import DatabaseManager
from b2bpilot.pipeline.dsn import place
from b2bpilot.pipeline.message import format_time

OF_THE_STACK = "the stack's secret"


@dataclass(frozen=True, slots=True, kw_only=True)
class DatabaseProof:
    """Which database is asked. `place` holds no secret, `origin` says where its URL was found, and `why` why it is proven
    to be the processor's, or is not."""

    place: str
    origin: str
    is_proven: bool
    why: str
    is_asked: bool = True
    """False where there is nothing to ask: no row of ours speaks for another subscriber's messages."""

    def fields(self) -> Mapping[str, object]:
        return {"place": self.place, "origin": self.origin, "proven": self.is_proven, "why": self.why}

    def told(self) -> str:
        """Return it in a line, for every plan."""
        if not self.is_asked:
            return f"no row is asked: {self.why}"
        kind = "the processor's" if self.is_proven else "not proven to be the processor's"
        is_plain = self.is_proven and self.origin == OF_THE_STACK
        return f"database {self.place} (from {self.origin}): {kind}{'' if is_plain else f': {self.why}'}"


THE_FUNCTIONS_OWN = DatabaseProof(
    place="the local environment's database",
    origin="the local environment",
    is_proven=True,
    why="it was handed to the functions",
)
"""Of who made functions and database in this process."""


def nothing_to_ask(subscriber: str) -> DatabaseProof:
    """Return what stands in the place of a proof for another subscriber's messages."""
    why = f"none of ours speaks for a message of subscriber {subscriber}"
    return DatabaseProof(place="", origin="", is_proven=False, why=why, is_asked=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """The identity (see queries.IDENTITY) that the processor wrote into its log last, and when."""

    at: datetime
    identity: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """A database's URL, and where it was found. `is_secret_s` when the stack's secret itself names it."""

    url: str = field(repr=False)
    origin: str
    is_secret_s: bool


def prove_database(
    database: DatabaseManager,
    given: Given,
    *,
    secret: Callable[[], str],
    log: Callable[[], Written | None],
    is_here: bool,
) -> DatabaseProof:
    """Prove it by its address, which the URL in the stack's `secret` has, else by the processor's word, the newest in its `log`.
    With `is_here` the functions run on this machine.

    Raises DatabaseError when it does not answer. What AWS does not tell proves nothing, and is said.
    """
    with database.connection.use() as connection:
        asked = address_in_use(connection)
    is_proven, why = _by_address(asked, given, secret, is_here=is_here)
    if not is_proven:
        is_proven, of_log = _by_log(database.identity, log)
        why = of_log if is_proven else f"{why}, and {of_log}"
    return DatabaseProof(place=place(given.url), origin=given.origin, is_proven=is_proven, why=why)


def require_proven(proof: DatabaseProof, refused: str) -> None:
    """Raises Refused, which says what is `refused`, for what makes no sense without the processor's own table."""
    if not proof.is_proven:
        raise Refused(
            f"{refused}: {proof.told()}",
            hint="leave --database-url out, so that the one of the stack's secret is asked; or name one that leads to it",
            outcome="",
        )


def unproven(given: Given, why: str) -> DatabaseProof:
    """Return that nothing is known of a database: nobody named an environment, for one."""
    return DatabaseProof(place=place(given.url), origin=given.origin, is_proven=False, why=why)


def _by_address(
    asked: Address | None, given: Given, secret: Callable[[], str], *, is_here: bool
) -> tuple[bool, str]:
    try:
        url = secret()
    except PilotError as exc:
        return False, f"the stack's secret was not read ({exc})"
    functions = address_of(url)
    if asked is None or functions is None or asked != functions:
        return False, f"the stack's secret names {place(url)}"
    if (asked.is_loopback or (asked.is_socket and not given.is_secret_s)) and not is_here:
        return False, f"{place(url)}, which the stack's secret names, is another machine for its functions"
    return True, "host, port and name are those in the stack's secret"


def _by_log(identity: str | None, log: Callable[[], Written | None]) -> tuple[bool, str]:
    if identity is None:
        return False, "its server does not say which database it is"
    try:
        written = log()
    except PilotError as exc:
        return False, f"the processor's log was not read ({exc})"
    if written is None:
        return False, "the processor's log names no database"
    when = format_time(written.at)
    if written.identity == identity:
        return True, f"oid and server start are those that the processor wrote into its log at {when}"
    return False, f"the processor wrote into its log at {when} that it is connected to another one"
