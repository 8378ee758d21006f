"""The migrator's connections: whose they are can be seen in pg_stat_activity, and no idle time or role setting ends them."""

from __future__ import annotations

from contextlib import suppress
from typing import LiteralString

import psycopg
from psycopg import errors as pg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from b2bpilot.ops.migrations.ledger import Author
from b2bpilot.pipeline.connection import connect
from b2bpilot.pipeline.dsn import check_dsn

APPLICATION_NAME = "b2bpilot/migrate"
LONGEST_APPLICATION_NAME = 63

KEEPALIVE = {"keepalives_idle": "60", "keepalives_interval": "10", "keepalives_count": "6"}
"""A build may say nothing for an hour; networks forget a connection after some minutes of that."""

SETTINGS = {
    "client_connection_check_interval": "1s",
    "idle_session_timeout": "0",
    "lock_timeout": "0",
    "statement_timeout": "0",
    "transaction_timeout": "0",
    "timezone": "UTC",
}
"""Limits come from the files alone, whatever the role has. The first lets the server end the statement of a migrator that was killed, and with it its lock (PostgreSQL 14+)."""

SET: LiteralString = "SELECT set_config(name, %(value)s, false) FROM pg_settings WHERE name = %(name)s"


def open_connection(dsn: str, author: Author | None) -> psycopg.Connection:
    """Open one in autocommit mode. Nothing is set on it yet: behind a pooler it may be somebody else's next."""
    check_dsn(dsn)
    return connect(
        make_conninfo("", **{**KEEPALIVE, **_parts(dsn)}),
        application_name=_application_name(author),
    )


def prepare(connection: psycopg.Connection) -> None:
    """Set what the server knows of our settings; on some systems it knows the first and cannot do it."""
    for name, value in SETTINGS.items():
        with suppress(pg.InvalidParameterValue):
            connection.execute(SET, {"name": name, "value": value})


def _parts(dsn: str) -> dict[str, str]:
    return {name: str(value) for name, value in conninfo_to_dict(dsn).items() if value is not None}


def _application_name(author: Author | None) -> str:
    name = f"{APPLICATION_NAME} {author.operator}" if author else APPLICATION_NAME
    printable = "".join(character if " " <= character <= "~" else "?" for character in name)
    return printable[:LONGEST_APPLICATION_NAME]
