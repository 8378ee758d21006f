"""psycopg's errors, told as what they are: nobody answered, the server let nobody in, the connection was lost, or a
statement was refused."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
from psycopg import errors as pg

from b2bpilot.advice import Words, our_command
from b2bpilot.errors import (
    CredentialsRefused,
    DatabaseError,
    DatabaseRefused,
    DatabaseUnreachable,
    SchemaOutdated,
    SettingsInvalid,
)
from b2bpilot.pipeline.authorities import FIELD, whom
from b2bpilot.pipeline.dsn import place, role_of, without_values

SERVER_SAID = re.compile(r"failed: [^:\n]+:  (?P<said>[^\n]*)")
"""libpq puts two blanks between the severity and the text of an error that the server sent, in every language; behind its own
errors there are none."""
BAD_SETTING = re.compile(
    r"(?P<said>(?:(?<=connection is bad: )(?:invalid|could not match|definition of|weak)"
    r"|invalid integer value|bad value for|could not parse network address) [^\n]*)"
)
BAD_FILE = re.compile(
    r"(?P<said>(?:certificate present, but not |could not (?:load|read|open|stat|initialize) |certificate does not match )?"
    r"(?P<what>private key file|private SSL key|SSL engine|certificate file)[^\n]*)"
)

REFUSALS = (
    (
        r"too many (?:clients|connections)|connection slots|no more connections",
        "its limit of connections is reached: end sessions that nobody needs, raise the limit, or put a pooler in between",
    ),
    (
        r"starting up|shutting down|recovery|not (?:yet )?accepting",
        "it starts, stops or recovers: try again in a while",
    ),
    (
        r"pg_hba\.conf",
        "the server lets this user in from elsewhere, or encrypted, or not at all: try sslmode=verify-full, then ask who runs it",
    ),
    (
        r"authentication|role .* does not exist|not permitted to log in|no such user",
        "check the user and the password in the database URL; was one of them changed since?",
    ),
    (
        r"database .* does not exist|no such database",
        "check the name of the database in the database URL",
    ),
    (
        r"permission denied for database",
        "as the database's owner: GRANT CONNECT ON DATABASE NAME TO ROLE",
    ),
    (
        r"startup parameter|command-line options|configuration parameter",
        "leave that parameter out of the database URL, or allow it in the pooler (PgBouncer: ignore_startup_parameters)",
    ),
)
NOT_OF_THE_ROLE = re.compile(
    r"too many|connection slots|no more connections|starting up|shutting down|recovery|accepting"
    r"|database .* does not exist|no such database|permission denied for database|parameter|command-line options"
)
"""What a role or a password has nothing to do with. A refusal in another language may be of them: there is no SQLSTATE while
connecting (decision 24)."""
REFUSED = "the server answered, so that address and network are right: ask who runs it"

SILENCES = (
    (
        r"does not match host name",
        "write a name that the server's certificate holds into the database URL; sslmode=verify-ca leaves the name out",
    ),
    (
        r"failed to resolve|could not translate host name",
        "check the host's name in the database URL, and that it is known to the DNS here",
    ),
    (
        r"timeout expired|timed out",
        "nothing answered at all: check the address, and whether its security group or a firewall lets this machine in",
    ),
    (
        r"[Nn]o route to host|unreachable",
        "no way leads there from this network: check its routes, and the address",
    ),
    (
        r"Connection refused|No such file or directory",
        "nothing listens there: check that the database runs, the host and the port",
    ),
    (r"no password supplied", "the server wants a password: put one into the database URL"),
    (
        r"SSL|certificate|TLS",
        "no encryption was agreed on: check sslmode and sslrootcert in the database URL",
    ),
    (
        r"read-only|hot standby|standby mode",
        "the server takes no writes, as a standby, or a primary after a failover: name the one that does",
    ),
)
UNKNOWN_SIGNER = "certificate verify failed"
SILENCE = "check that the database runs, and its address"

OUTDATED = (pg.UndefinedColumn, pg.InvalidColumnReference)
UNFIT: tuple[tuple[tuple[type[psycopg.Error], ...], str, Words], ...] = (
    (
        (pg.UntranslatableCharacter, pg.CharacterNotInRepertoire),
        "the encoding of {place} cannot hold it",
        "only a database with the encoding UTF8 holds every message: docs/migrations.md",
    ),
    (
        (pg.StringDataRightTruncation, pg.NumericValueOutOfRange),
        "a column in {place} is too short for it",
        our_command("migrate", "--status") + " names such columns, and how to change them",
    ),
)
"""What a table or a role is not made for."""
LOST = ("08", "57P", "25P03")
"""States of SQL after which there is no session: lost connections, shutdowns, timeouts of idle ones."""


@contextmanager
def translated(dsn: str) -> Iterator[None]:
    """Turn psycopg's errors into ours."""
    try:
        yield
    except psycopg.Error as exc:
        raise _of_statement(exc, dsn) from exc
    except UnicodeDecodeError as exc:
        raise DatabaseError(
            f"a row of {place(dsn)} holds text that is not UTF-8",
            hint="the database's encoding lets any bytes in: find who else writes to the table",
        ) from exc


def not_connected(exc: psycopg.Error, dsn: str) -> DatabaseUnreachable | SettingsInvalid:
    """Return ours for a connection that was not made: because of a setting, by the server's word, or without any."""
    text = without_values(str(exc), dsn)
    if found := BAD_SETTING.search(text):
        return SettingsInvalid(f"the database URL cannot be used: {found['said']}")
    if found := BAD_FILE.search(text):
        name = "sslcert" if found["what"] == "certificate file" else "sslkey"
        return SettingsInvalid(
            f"{name} of the database URL cannot be used: {found['said']}",
            hint="sslcert and sslkey name files of this machine; sslrootcert alone verifies the server",
        )
    if found := SERVER_SAID.search(text):
        kind = DatabaseRefused if NOT_OF_THE_ROLE.search(found["said"]) else CredentialsRefused
        hint = _hint(found["said"], REFUSALS, REFUSED)
        return kind(f"the server of {place(dsn)} refused the connection: {found['said']}", hint=hint)
    hint = _of_certificate(dsn) if UNKNOWN_SIGNER in text else _hint(text, SILENCES, SILENCE)
    return DatabaseUnreachable(f"no connection to {place(dsn)}: {_first_line(text)}", hint=hint)


def _of_certificate(dsn: str) -> str:
    return (
        f"{whom(dsn)} did not sign the server's certificate, or it is expired: put the CA that did (PEM) into the"
        f" secret's field {FIELD}, or name its file with sslrootcert in the database URL"
    )


def first_line(exc: BaseException) -> str:
    """Return the first line of an error's text; psycopg adds the statement and hints below it."""
    return _first_line(str(exc)) or type(exc).__name__


def _first_line(text: str) -> str:
    return next(iter(text.strip().splitlines()), "")


def _of_statement(exc: psycopg.Error, dsn: str) -> DatabaseError:
    if isinstance(exc, pg.UndefinedTable):
        return _no_table(exc, dsn)
    if isinstance(exc, pg.InsufficientPrivilege):
        return DatabaseError(f"PostgreSQL refused a statement: {first_line(exc)}", hint=_needs(dsn))
    if isinstance(exc, OUTDATED):
        return SchemaOutdated(
            f"the table in {place(dsn)} is not what this version needs: {first_line(exc)}",
            hint="run " + our_command("migrate"),
        )
    if isinstance(exc, pg.TooManyConnections):
        hint = _hint("too many connections", REFUSALS, REFUSED)
        return DatabaseRefused(
            f"the server of {place(dsn)} refused the connection: {first_line(exc)}", hint=hint
        )
    if _is_lost(exc):
        return DatabaseUnreachable(
            f"the connection to {place(dsn)} was lost: {first_line(exc)}",
            hint="whether the last statement was carried out is not known from here",
        )
    return _refused(exc, dsn)


def _no_table(exc: psycopg.Error, dsn: str) -> SchemaOutdated:
    """PostgreSQL says the same of a table that is not there and of one in a schema that the role may not look into."""
    who = role_of(dsn) or "the role"
    return SchemaOutdated(
        f"{who} sees no such table in {place(dsn)}: {first_line(exc)}",
        hint="run "
        + our_command("migrate")
        + f"; if the table is there, {who} lacks USAGE on its schema, or has another search_path",
    )


def _needs(dsn: str) -> str:
    """Which privilege it was is in the server's own words, in its own language."""
    return (
        f"the table's owner can GRANT what {role_of(dsn) or 'the role'} needs: USAGE on the schema, SELECT to read, "
        "INSERT and UPDATE to write"
    )


def _refused(exc: psycopg.Error, dsn: str) -> DatabaseError:
    for kinds, what, hint in UNFIT:
        if isinstance(exc, kinds):
            return DatabaseError(f"{what.format(place=place(dsn))}: {first_line(exc)}", hint=hint)
    if exc.sqlstate is None:
        return DatabaseError(f"a statement to {place(dsn)} came to nothing: {first_line(exc)}")
    return DatabaseError(f"PostgreSQL refused a statement: {first_line(exc)}", hint=exc.diag.message_hint)


def _is_lost(exc: psycopg.Error) -> bool:
    """An error of the connection has no state of SQL: there was no server to name one."""
    if exc.sqlstate is None:
        return isinstance(exc, psycopg.OperationalError)
    return exc.sqlstate.startswith(LOST)


def _hint(text: str, known: tuple[tuple[str, str], ...], otherwise: str) -> str:
    return next((hint for pattern, hint in known if re.search(pattern, text)), otherwise)
