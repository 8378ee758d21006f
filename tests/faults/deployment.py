"""A local environment with a proxy between each pair, and the direct ways past them that the books need."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from tests.faults.options import Options
from tests.faults.proxies.calls import CallProxy
from tests.faults.proxies.dialect import Aws, Twilio
from tests.faults.proxies.stream import HOST, StreamProxy
from tests.faults.proxies.trouble import NONE, Control
from tests.local.conftest import Machine, machine

DATABASE = "b2bpilot"
COPY = "b2bpilot_copy"
"""Not the one that the processor writes to, on the same server."""
REPLY = "Thank you"
STALE_AFTER_MINUTES = 1
WRITES = "-c default_transaction_read_only=off"
"""A server that takes no writes must be told so by a connection that may write."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Proxies:
    functions_database: StreamProxy
    functions_aws: CallProxy
    functions_twilio: CallProxy
    commands_database: StreamProxy
    commands_aws: CallProxy
    commands_twilio: CallProxy

    @property
    def all(self) -> dict[str, StreamProxy | CallProxy]:
        return {
            "functions <-> PostgreSQL": self.functions_database,
            "functions <-> AWS": self.functions_aws,
            "functions <-> Twilio": self.functions_twilio,
            "commands <-> PostgreSQL": self.commands_database,
            "commands <-> AWS": self.commands_aws,
            "commands <-> Twilio": self.commands_twilio,
        }

    @property
    def controls(self) -> list[Control]:
        return [proxy.control for proxy in self.all.values()]

    def heal(self) -> None:
        for control in self.controls:
            control.trouble = NONE


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployment:
    machine: Machine
    proxies: Proxies

    @property
    def tunnel(self) -> str:
        """The database as a command reaches it that names it: by another host and port than the functions' secret."""
        return database_url(self.proxies.commands_database)

    @property
    def wrong_database(self) -> str:
        return database_url(self.proxies.commands_database, COPY)

    def connect(self, database: str = DATABASE) -> psycopg.Connection:
        """Ask the database itself, past all proxies."""
        url = make_conninfo(self.machine.state.database_url, dbname=database)
        return psycopg.connect(url, autocommit=True, connect_timeout=3, options=WRITES)


@contextmanager
def deployed(home: Path, options: Options) -> Iterator[Deployment]:
    """Start everything; the proxies are harmless. They end with the block."""
    proxies = _proxies(options.seed)
    try:
        with machine(
            home, *_arguments(proxies, options), hear=lambda report: _lead(proxies, report)
        ) as found:
            yield Deployment(machine=found, proxies=proxies)
    finally:
        for proxy in proxies.all.values():
            proxy.close()


def database_url(proxy: StreamProxy, database: str = DATABASE) -> str:
    return f"postgresql://postgres@{HOST}:{proxy.port}/{database}"


def _proxies(seed: int) -> Proxies:
    return Proxies(
        functions_database=StreamProxy(f"{seed} functions database"),
        functions_aws=CallProxy(f"{seed} functions aws", Aws()),
        functions_twilio=CallProxy(f"{seed} functions twilio", Twilio()),
        commands_database=StreamProxy(f"{seed} commands database"),
        commands_aws=CallProxy(f"{seed} commands aws", Aws()),
        commands_twilio=CallProxy(f"{seed} commands twilio", Twilio()),
    )


def _arguments(proxies: Proxies, options: Options) -> list[str]:
    parameters = {
        "DatabaseUrl": database_url(proxies.functions_database),
        "StaleAfterMinutes": str(STALE_AFTER_MINUTES),
    }
    variables = {
        "AWS_ENDPOINT_URL": proxies.functions_aws.url,
        "TWILIO_API_URL": proxies.functions_twilio.url,
    }
    return [
        *("--time-scale", str(options.time_scale), "--reply-text", REPLY),
        *(part for pair in parameters.items() for part in ("--parameter", "=".join(pair))),
        *(part for pair in variables.items() for part in ("--variable", "=".join(pair))),
    ]


def _lead(proxies: Proxies, report: dict[str, Any]) -> None:
    """The functions ask before the environment is ready: that is a part of being ready."""
    if report["kind"] != "neighbours":
        return
    address = socket_of(report["database_url"])
    for database in (proxies.functions_database, proxies.commands_database):
        database.lead_to(lambda: connect_to(address))
    for aws in (proxies.functions_aws, proxies.commands_aws):
        aws.lead_to(report["aws_endpoint_url"])
    for twilio in (proxies.functions_twilio, proxies.commands_twilio):
        twilio.lead_to(report["twilio_api_url"])


def socket_of(url: str) -> str:
    parts = conninfo_to_dict(url)
    return f"{parts['host']}/.s.PGSQL.{parts.get('port') or 5432}"


def connect_to(address: str) -> socket.socket:
    connection = socket.socket(socket.AF_UNIX)
    try:
        connection.connect(address)
    except OSError:
        connection.close()
        raise
    return connection
