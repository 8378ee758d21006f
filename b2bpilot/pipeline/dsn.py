"""Connection strings: which are none, and where one leads. Never repeats a password, nor a piece of one."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from urllib.parse import unquote

import psycopg
from psycopg import pq
from psycopg.conninfo import conninfo_to_dict

from b2bpilot.errors import SettingsInvalid

SCHEMES = ("postgresql://", "postgres://")
OF_OTHER_CLIENTS = frozenset(
    {
        *(
            "pgbouncer",
            "connection_limit",
            "pool_timeout",
            "schema",
            "socket_timeout",
            "statement_cache_size",
        ),
        *("sslaccept", "sslidentity", "sslpassword", "prepareThreshold", "currentSchema", "uselibpqcompat"),
        *("pool_size", "max_overflow", "pool_mode", "prepared_statements", "preparedStatementCacheQueries"),
        *("reWriteBatchedInserts", "search_path", "timezone", "supa", "workaround", "driver"),
    }
)
"""Parameters that Prisma, JDBC, Rails and others put into a URL. No password looks like one."""
SCHEMA_OF_OTHERS = frozenset({"schema", "currentSchema", "search_path"})
A_URL = re.compile(r"[\w+.-]+://")
NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.]*")
QUOTED = re.compile(r"'(?:[^'\\]|\\.)*'")
PORTS = re.compile(r"[0-9]*(,[0-9]*)*")

IN_CONFIDENCE = ("password", "sslpassword", "oauth_client_secret", "scram_client_key", "scram_server_key")
NAMES_OF_FILES = ("sslcert", "sslkey", "sslcrl", "sslcrldir", "sslrootcert", "passfile")
"""libpq repeats these where it cannot use them, and somebody may have written the key itself there."""

AS_A_URL = "write it as postgresql://USER:PASSWORD@HOST:5432/DATABASE"
ESCAPED = "in the user and the password write @ as %40, / as %2F, ? as %3F, # as %23, and % as %25"


def check_dsn(dsn: str) -> None:
    """Raise SettingsInvalid when `dsn` is no connection string, or one in which a password ended too soon."""
    if A_URL.match(dsn) and dsn.partition("://")[2].partition("?")[0].count("@") > 1:
        raise SettingsInvalid(
            "the database URL has more than one @", hint="write an @ in the user or the password as %40"
        )
    if _has_at_in_its_path(dsn):
        raise SettingsInvalid("the database URL has an @ where the database's name belongs", hint=ESCAPED)
    if _may_have_an_at_in_its_query(dsn):
        raise SettingsInvalid("the database URL has an @ after its ?, and none before it", hint=ESCAPED)
    _require_known_parameters(dsn)
    try:
        parts = conninfo_to_dict(dsn)
    except psycopg.ProgrammingError:
        hint = ESCAPED if dsn.startswith(SCHEMES) else AS_A_URL
        raise SettingsInvalid("the database URL is not a PostgreSQL connection string", hint=hint) from None
    if dsn.startswith(SCHEMES) and _is_torn(parts):
        raise SettingsInvalid("the database URL cannot be parsed: its port is not a number", hint=ESCAPED)


def place(dsn: str) -> str:
    """Return where `dsn` points, for messages: database and host, never user or password."""
    if _has_at_in_its_path(dsn) or _may_have_an_at_in_its_query(dsn):
        return "the database"
    try:
        parts = conninfo_to_dict(dsn)
    except psycopg.ProgrammingError:
        return "the database"
    if parts.get("service"):
        return f"the database of service {parts['service']}"
    host = parts.get("host") or parts.get("hostaddr") or "the default socket"
    port = f":{parts['port']}" if parts.get("port") else ""
    return f"{parts.get('dbname') or 'the default database'} at {host}{port}"


def role_of(dsn: str) -> str | None:
    """Return who connects with it, as far as it says so itself."""
    try:
        user = conninfo_to_dict(dsn).get("user")
    except psycopg.ProgrammingError:
        return None
    return str(user) if user else None


def without_values(text: str, dsn: str) -> str:
    """Return what libpq says of `dsn` without what stands there in confidence, or may by mistake. Its parser decodes the
    parameters' names, too."""
    try:
        parts = conninfo_to_dict(dsn)
    except psycopg.ProgrammingError:
        return text
    values = {str(parts[name]) for name in (*IN_CONFIDENCE, *NAMES_OF_FILES) if parts.get(name)}
    values |= {
        engine for engine, is_one, _ in [str(parts.get("sslkey", "")).partition(":")] if is_one and engine
    }
    for value in sorted(values, key=len, reverse=True):
        text = re.sub(rf"(?<!\w){re.escape(value)}(?!\w)", "***", text)
    return text


def _has_at_in_its_path(dsn: str) -> bool:
    """Then a password's own / ended the host, and digits before it pass for the port: what follows is no database."""
    return dsn.startswith(SCHEMES) and "@" in dsn.partition("://")[2].partition("?")[0].partition("/")[2]


def _may_have_an_at_in_its_query(dsn: str) -> bool:
    """Then user and password may reach to that @: nobody can tell."""
    before, _, query = dsn.partition("?")
    return dsn.startswith(SCHEMES) and "@" in query and re.search(r"://[^@/]*:\d*/[^@]*$", before) is not None


def _is_torn(parts: Mapping[str, object]) -> bool:
    """A password's own / or ? ends the host early: the rest of it stands where port and database should."""
    return PORTS.fullmatch(str(parts.get("port") or "")) is None


def _require_known_parameters(dsn: str) -> None:
    unknown = list(dict.fromkeys(_unknown_parameters(dsn)))
    if not unknown:
        return
    names = ", ".join(unknown)
    what = "a parameter" if len(unknown) == 1 else "parameters"
    hint = f"leave out {names}: as a rule, another client's own"
    if SCHEMA_OF_OTHERS.intersection(unknown):
        hint += "; for a schema, ALTER ROLE ... SET search_path says it to every client"
    raise SettingsInvalid(f"the database URL has {what} that libpq does not know: {names}", hint=hint)


def _unknown_parameters(dsn: str) -> Iterator[str]:
    """Behind a @ in the query it may be a password that the ? is of: then only what no password can be is named."""
    known = {(option.keyword or b"").decode() for option in pq.Conninfo.get_defaults()} | {"ssl"}
    if dsn.startswith(SCHEMES):
        query = dsn.partition("?")[2]
        for item in query.split("&") if query else ():
            name = unquote(item.partition("=")[0])
            is_plain = NAME.fullmatch(name) is not None and "@" not in query
            if name not in known and (is_plain or name in OF_OTHER_CLIENTS):
                yield name
    elif not _can_be_read(dsn):
        unquoted = QUOTED.sub("", dsn)
        yield from (
            word for word in re.findall(r"\b(\w++)\s*+=", unquoted) if word in OF_OTHER_CLIENTS - known
        )


def _can_be_read(dsn: str) -> bool:
    """libpq takes no parameter that it does not know: a word in what it does take is a value's."""
    try:
        conninfo_to_dict(dsn)
    except psycopg.ProgrammingError:
        return False
    return True
