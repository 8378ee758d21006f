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

from b2bpilot.errors import CredentialsRefused, RowsHidden
from b2bpilot.pipeline import queries
from b2bpilot.pipeline.adaptation import adapt
from b2bpilot.pipeline.authorities import require_usable_file, with_ca
from b2bpilot.pipeline.dsn import check_dsn, place, without_values
from b2bpilot.pipeline.failures import not_connected, translated
from b2bpilot.pipeline.libpq import pinned
from b2bpilot.pipeline.row_security import Need, RowSecurity, read_row_security, require_rows

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
    tell. psycopg learns that a connection died with the next statement (docs/aws-facts.md#lost-connections), hence the
    ping before the work.
    With `read_write` a server that takes no writes, such as the old primary after a failover, is no server. A role from
    which row security may hide rows raises RowsHidden with each use, as far as `needs` says that rows are needed.
    After a refused role or password `renewed` is asked for the DSN once: where it is another by now, that one is tried.
    """

    def __init__(
        self,
        dsn: str,
        *,
        application_name: str,
        read_write: bool = False,
        needs: Need = Need.ALL_ROWS,
        renewed: Callable[[], str] | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._dsn = dsn
        self._renewed = renewed
        self._application_name = application_name
        self._read_write = read_write
        self._needs = needs
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
            self._connection = self._connected()
            self.identity = identity_of(self._connection)
            self._require_rows(self._connection)
        return self._connection

    def _connected(self) -> psycopg.Connection:
        try:
            return self._connect()
        except CredentialsRefused:
            renewed = self._renewed() if self._renewed else self._dsn
            if renewed == self._dsn:
                raise
            self._dsn = renewed
        return self._connect()

    def _connect(self) -> psycopg.Connection:
        return connect(self._dsn, application_name=self._application_name, read_write=self._read_write)

    def _require_rows(self, connection: psycopg.Connection) -> None:
        """Asked of each connection once. One that is not enough is not kept: the next use asks again."""
        security = security_of(connection)
        try:
            if security:
                require_rows(security, place(self._dsn), needs=self._needs)
        except RowsHidden:
            self.close()
            raise

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


def security_of(connection: psycopg.Connection) -> RowSecurity | None:
    """Return the row security of the table for this role; None when there is no table, or the server does not tell."""
    try:
        return read_row_security(connection)
    except psycopg.Error:
        if connection.closed:
            raise
        return None


def has_unasked_input(connection: psycopg.Connection) -> bool:
    """Tell whether the server said something although nothing was asked: its farewell, as a rule. Costs no round trip."""
    if connection.closed:
        return False
    with selectors.DefaultSelector() as selector:
        selector.register(connection.fileno(), selectors.EVENT_READ)
        return bool(selector.select(timeout=0))


def connect(dsn: str, *, application_name: str, read_write: bool = False) -> psycopg.Connection:
    """Open a connection in autocommit mode; what the DSN names itself stays as it is. `prepare_threshold=None`: named
    statements break behind poolers and after an ALTER TABLE (docs/aws-facts.md#prepared-statements). Raises
    SettingsInvalid for a DSN that is none, and
    DatabaseUnreachable.
    """
    check_dsn(dsn)
    named = conninfo_to_dict(dsn)
    wanted = {**WAITS, **READ_WRITE} if read_write else WAITS
    try:
        connection = psycopg.connect(
            with_ca(
                pinned(
                    make_conninfo(dsn, **{name: value for name, value in wanted.items() if name not in named})
                )
            ),
            autocommit=True,
            prepare_threshold=None,
            application_name=application_name,
        )
    except psycopg.Error as exc:
        require_usable_file(dsn)
        is_plain = without_values(str(exc), dsn) == str(exc)
        raise not_connected(exc, dsn) from (exc if is_plain else None)
    adapt(connection)
    return connection
