"""Where a connection string leads, so that two of them can be compared."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass

import psycopg
from psycopg.conninfo import conninfo_to_dict

DEFAULT_PORT = "5432"
ELSEWHERE = ("hostaddr", "service")
"""With these the host is not what decides where a connection goes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """Hosts with their ports, and the database's name. Equal addresses lead to one database; unequal ones may, too."""

    hosts: tuple[tuple[str, str], ...]
    database: str

    @property
    def is_socket(self) -> bool:
        return any(host.startswith(("/", "@")) for host, _ in self.hosts)

    @property
    def is_loopback(self) -> bool:
        """Whether it names the machine that connects: another one for the functions than for the operator."""
        return any(_is_loopback(host) for host, _ in self.hosts)


def address_of(dsn: str) -> Address | None:
    """Return where `dsn` leads by its own words; None when it leaves that to the machine that connects, or is none."""
    try:
        return _address(conninfo_to_dict(dsn))
    except psycopg.ProgrammingError:
        return None


def address_in_use(connection: psycopg.Connection) -> Address | None:
    """Return where a connection was made to, with what the machine's PG variables filled in."""
    options = connection.pgconn.info
    return _address({each.keyword.decode(): each.val.decode() for each in options if each.val})


def leaves_the_machine(dsn: str) -> bool:
    """Tell whether a connection goes over a network, as far as `dsn` says where to."""
    parts = conninfo_to_dict(dsn)
    hosts = str(parts.get("hostaddr") or parts.get("host") or "").split(",")
    return any(host and not host.startswith(("/", "@")) and not _is_loopback(host.lower()) for host in hosts)


def _address(parts: Mapping[str, object]) -> Address | None:
    if any(parts.get(name) for name in ELSEWHERE):
        return None
    hosts = str(parts.get("host") or "").lower().split(",")
    ports = str(parts.get("port") or DEFAULT_PORT).split(",")
    database = parts.get("dbname") or parts.get("user")
    if not all(hosts) or not database or len(ports) not in (1, len(hosts)):
        return None
    ports = ports * len(hosts) if len(ports) == 1 else ports
    pairs = zip(hosts, (port or DEFAULT_PORT for port in ports), strict=True)
    return Address(hosts=tuple(pairs), database=str(database))


def _is_loopback(host: str) -> bool:
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
