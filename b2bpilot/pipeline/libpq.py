"""What libpq takes from PG* variables and a DSN does not say: kept from leading a connection elsewhere, or spelling it anew.

A variable may complete who connects and how the line is protected (user, password, TLS). It may not say where to, with
which options, or in which encoding and spelling of dates: what we read would be from another place, or read wrongly.

Encoding, spelling of dates and time zone go with the start of each connection, where they win over the settings of the
server, the database and the role, over PGOPTIONS and a service file. Every pooler passes these three on, as pgjdbc sends them,
too; a SET would pin a session of RDS Proxy, or be the next client's (decision 24).
"""

from __future__ import annotations

import os
from collections.abc import MutableMapping

from psycopg import pq
from psycopg.conninfo import conninfo_to_dict, make_conninfo

MAY_COMPLETE = frozenset(
    {"user", "password", "passfile", "channel_binding", "require_auth", "gssencmode", "krbsrvname", "gsslib"}
)
TLS = "ssl"
UNTOLD = ("PGSERVICE", "PGGEQO")
"""libpq has no parameter that wins over these."""
SAID_BY_VARIABLE = {"PGDATESTYLE": "ISO", "PGTZ": "UTC"}
"""libpq knows these as variables alone."""
ENCODING = {"client_encoding": "UTF8"}
"""It holds every message; psycopg would give bytes for SQL_ASCII."""

UNWRITTEN = {"sslcertmode": "allow", "min_protocol_version": "3.0", "max_protocol_version": "3.0"}
"""libpq's defaults that it does not tell, where it takes no empty text for them."""


def pinned(dsn: str, environ: MutableMapping[str, str] = os.environ) -> str:
    """Return `dsn` with everything said that a variable would say otherwise. What `dsn` names stays as it is, but for
    the encoding."""
    for name in UNTOLD:
        environ.pop(name, None)
    environ.update(SAID_BY_VARIABLE)
    named = conninfo_to_dict(dsn)
    said = _defaults(environ, is_local=_is_socket(str(named.get("host", ""))))
    return make_conninfo(dsn, **{name: value for name, value in said.items() if name not in named} | ENCODING)


def _defaults(environ: MutableMapping[str, str], *, is_local: bool) -> dict[str, str]:
    """libpq's own default of each parameter that a variable is set for."""
    return {
        _text(option.keyword): _text(option.compiled) or UNWRITTEN.get(_text(option.keyword), "")
        for option in pq.Conninfo.get_defaults()
        if _text(option.envvar) in environ and not _may_complete(_text(option.keyword), is_local=is_local)
    }


def _may_complete(keyword: str, *, is_local: bool) -> bool:
    """A socket of this machine needs no protection, and a server of ours there asks for no password."""
    if is_local:
        return keyword in {"user", "password", "passfile"}
    return keyword in MAY_COMPLETE or keyword.startswith(TLS)


def _is_socket(host: str) -> bool:
    return host.startswith(("/", "@"))


def _text(value: bytes | None) -> str:
    return (value or b"").decode()
