"""How values come from the server: in PostgreSQL's binary format, which no setting spells differently.

IntervalStyle cannot be said at the start of a connection through every pooler, and another client of the pooler may have set
it; in binary nobody asks for it (decision 24).
"""

from __future__ import annotations

from typing import Any, NoReturn

import psycopg
from psycopg import pq
from psycopg.abc import Buffer
from psycopg.adapt import Loader
from psycopg.rows import Row
from psycopg.types.string import TextBinaryLoader

from b2bpilot.advice import our_command
from b2bpilot.errors import SchemaOutdated

OF_OTHER_TYPES = 0
"""What psycopg knows no type of, such as an enum or citext: in binary that is text, too."""


class BinaryCursor(psycopg.Cursor[Row]):
    """Asks for binary results."""

    def __init__(self, *args: Any, **named: Any) -> None:
        super().__init__(*args, **named)
        self.format = pq.Format.BINARY


class MomentWithoutZone(Loader):
    """Of a `timestamp without time zone` nobody can tell which moment it is."""

    format = pq.Format.BINARY

    def load(self, data: Buffer) -> NoReturn:  # noqa: ARG002  # psycopg's signature
        raise SchemaOutdated(
            "the table holds timestamps without a time zone: it is not known which moments they stand for",
            hint=our_command("migrate", "--status") + " names such columns, and how to change them",
        )


def adapt(connection: psycopg.Connection) -> None:
    """Let a connection read as it is said above."""
    connection.cursor_factory = BinaryCursor
    connection.adapters.register_loader("timestamp", MomentWithoutZone)
    connection.adapters.register_loader(OF_OTHER_TYPES, TextBinaryLoader)
