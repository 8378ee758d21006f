"""One PostgreSQL connection that survives what Lambda does to it: freezes, failovers, lost networks."""

from __future__ import annotations

import selectors
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta

import psycopg
from psycopg import errors as pg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from b2bpilot.errors import DatabaseError, DatabaseUnreachable, SchemaOutdated, SettingsInvalid
from b2bpilot.pipeline import queries
from b2bpilot.pipeline.libpq import pinned

WAITS: Mapping[str, str | int] = {
    "connect_timeout": 5,
    "tcp_user_timeout": 10_000,
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 3,
}
"""A server that vanished is noticed within some ten seconds, also while it owes an answer."""
READ_WRITE: Mapping[str, str | int] = {"target_session_attrs": "read-write"}
PING_AFTER = timedelta(seconds=5)


class Connection:
    """Connects at first use, pings when it was idle or heard something, connects again when the ping fails.

    A statement that fails is never run again here: whether a lost connection committed it, only the caller's keys can
    tell. psycopg learns that a connection died with the next statement (facts E8), hence the ping before the work.
    With `read_write` a server that takes no writes, such as the old primary after a failover, is no server.
    """

    def __init__(
        self,
        dsn: str,
        *,
        application_name: str,
        read_write: bool = False,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._dsn = dsn
        self._application_name = application_name
        self._read_write = read_write
        self._monotonic = monotonic
        self._connection: psycopg.Connection | None = None
        self._used_at = 0.0
        self.identity: str | None = None
        """Which database was connected to last, as the server itself says; None before the first time."""

    @contextmanager
    def use(self) -> Iterator[psycopg.Connection]:
        """Give a live connection in autocommit mode. psycopg's errors leave as ours."""
        with translated(self._dsn):
            connection = self._live()
            try:
                yield connection
            except pg.ReadOnlySqlTransaction:
                connection.close()
                raise
            finally:
                self._used_at = self._monotonic()

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
        self._connection = None

    def _live(self) -> psycopg.Connection:
        if self._connection is not None and (self._is_idle() or has_unasked_input(self._connection)):
            self._ping(self._connection)
        if self._connection is None or self._connection.closed:
            self._connection = connect(
                self._dsn, application_name=self._application_name, read_write=self._read_write
            )
            self.identity = identity_of(self._connection)
        return self._connection

    def _is_idle(self) -> bool:
        return self._monotonic() - self._used_at > PING_AFTER.total_seconds()

    @staticmethod
    def _ping(connection: psycopg.Connection) -> None:
        try:
            connection.execute("SELECT 1")
        except psycopg.OperationalError:
            connection.close()


def identity_of(connection: psycopg.Connection) -> str | None:
    """Return which database this is; None when the server does not tell, which is no reason not to use it.

    Raises psycopg's errors for a connection that is lost.
    """
    try:
        row = connection.execute(queries.IDENTITY).fetchone()
    except psycopg.Error:
        if connection.closed:
            raise
        return None
    return str(row[0]) if row and row[0] else None


def has_unasked_input(connection: psycopg.Connection) -> bool:
    """Tell whether the server said something although nothing was asked: its farewell, as a rule. Costs no round trip."""
    if connection.closed:
        return False
    with selectors.DefaultSelector() as selector:
        selector.register(connection.fileno(), selectors.EVENT_READ)
        return bool(selector.select(timeout=0))


def connect(dsn: str, *, application_name: str, read_write: bool = False) -> psycopg.Connection:
    """Open a connection in autocommit mode; what the DSN names itself stays as it is. `prepare_threshold=None`: named
    statements break behind poolers and after an ALTER TABLE (facts E7, E9). Raises SettingsInvalid for a DSN that is none.
    """
    check_dsn(dsn)
    named = conninfo_to_dict(dsn)
    wanted = {**WAITS, **READ_WRITE} if read_write else WAITS
    return psycopg.connect(
        pinned(make_conninfo(dsn, **{name: value for name, value in wanted.items() if name not in named})),
        autocommit=True,
        prepare_threshold=None,
        application_name=application_name,
    )


def check_dsn(dsn: str) -> None:
    """Raise SettingsInvalid when `dsn` is not a connection string; without repeating it, for its password."""
    if dsn.partition("://")[2].partition("?")[0].count("@") > 1:
        raise SettingsInvalid(
            "the database URL has more than one @", hint="write an @ in the user or the password as %40"
        )
    try:
        conninfo_to_dict(dsn)
    except psycopg.ProgrammingError:
        raise SettingsInvalid(
            "the database URL is not a PostgreSQL connection string",
            hint="write it as postgresql://user:password@host:5432/database",
        ) from None


def place(dsn: str) -> str:
    """Return where `dsn` points, for messages: database and host, never user or password."""
    try:
        parts = conninfo_to_dict(dsn)
    except psycopg.ProgrammingError:
        return "the database"
    host = parts.get("host") or parts.get("hostaddr") or "the default socket"
    port = f":{parts['port']}" if parts.get("port") else ""
    return f"{parts.get('dbname') or 'the default database'} at {host}{port}"


@contextmanager
def translated(dsn: str) -> Iterator[None]:
    """Turn psycopg's errors into ours."""
    try:
        yield
    except (pg.UndefinedTable, pg.UndefinedColumn, pg.InvalidColumnReference) as exc:
        raise SchemaOutdated(
            f"the table in {place(dsn)} is not what this version needs: {first_line(exc)}",
            hint="run `b2bpilot migrate`",
        ) from exc
    except (pg.QueryCanceled, pg.LockNotAvailable, pg.DeadlockDetected, pg.SerializationFailure) as exc:
        raise _refused(exc) from exc
    except psycopg.OperationalError as exc:
        raise DatabaseUnreachable(
            f"no connection to {place(dsn)}: {first_line(exc)}",
            hint="check that the database runs, its address, and the security group",
        ) from exc
    except psycopg.Error as exc:
        raise _refused(exc) from exc


def _refused(exc: psycopg.Error) -> DatabaseError:
    return DatabaseError(f"PostgreSQL refused a statement: {first_line(exc)}")


def first_line(exc: BaseException) -> str:
    """Return the first line of an error's text; psycopg adds the statement and hints below it."""
    return (str(exc).strip() or type(exc).__name__).splitlines()[0]
