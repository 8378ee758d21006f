"""What is said of a connection string, what is not, and which server is good enough."""

from __future__ import annotations

import tempfile
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from b2bpilot.errors import DatabaseError, DatabaseUnreachable, SettingsInvalid
from b2bpilot.pipeline.connection import Connection, check_dsn, place
from tests.ops.migrations.pooler import pooling


def test_an_unescaped_at_in_a_password_is_refused_without_repeating_it() -> None:
    with pytest.raises(SettingsInvalid) as raised:
        check_dsn("postgresql://u:hun@ter2@127.0.0.1:9/x")

    assert "ter2" not in f"{raised.value} {raised.value.hint}"
    assert "%40" in str(raised.value.hint)


@pytest.mark.parametrize(
    "dsn",
    [
        "postgresql://u:p%40w@h:5432/d?application_name=a@b",
        "host=h dbname=d password=a@b",
        "postgresql:///d?host=/tmp",
    ],
)
def test_other_spellings_are_taken(dsn: str) -> None:
    check_dsn(dsn)


def test_a_place_names_neither_user_nor_password() -> None:
    assert place("postgresql://pilot:s3cret@db.example.com:5432/orders") == "orders at db.example.com:5432"


def opened(dsn: str, *, read_write: bool = False) -> Connection:
    return Connection(dsn, application_name="tests", read_write=read_write)


def asks(connection: Connection) -> int:
    with connection.use() as live:
        (answer,) = live.execute("SELECT 1").fetchone() or (0,)
    return int(answer)


@pytest.fixture
def standby_url(database_url: str) -> str:
    """A database that refuses writes, as a standby does."""
    with psycopg.connect(database_url, autocommit=True) as admin:
        name = admin.info.dbname
        admin.execute(f"ALTER DATABASE {name} SET default_transaction_read_only = on".encode())
    return database_url


def test_who_writes_does_not_stay_with_a_server_that_only_reads(standby_url: str) -> None:
    with pytest.raises(DatabaseUnreachable, match="read-only"):
        asks(opened(standby_url, read_write=True))


@pytest.mark.parametrize("named", [{}, {"target_session_attrs": "any"}])
def test_a_server_that_only_reads_will_do_for_a_reader_and_for_a_dsn_that_says_so(
    standby_url: str, named: dict[str, str]
) -> None:
    connection = opened(make_conninfo(standby_url, **named), read_write=bool(named))

    assert asks(connection) == 1
    connection.close()


def test_a_connection_whose_server_became_a_standby_is_not_kept(database_url: str) -> None:
    connection = opened(database_url, read_write=True)
    with connection.use() as first:
        first.execute("SET default_transaction_read_only = on")

    with pytest.raises(DatabaseError, match="read-only transaction"), connection.use() as live:
        live.execute("CREATE TABLE anything (id int)")

    assert first.closed
    with connection.use() as second:
        second.execute("CREATE TABLE anything (id int)")
    connection.close()


@pytest.mark.parametrize("by_transaction", [True, False])
def test_who_writes_gets_through_a_pooler(database_url: str, *, by_transaction: bool) -> None:
    """The path of a socket has 107 characters at most: a test's own folder may be too deep."""
    with psycopg.connect(database_url) as found:
        server = f"{found.info.host}/.s.PGSQL.{found.info.port}"
    with (
        tempfile.TemporaryDirectory(prefix="pooler-") as directory,
        pooling(server, Path(directory), by_transaction=by_transaction) as host,
    ):
        connection = opened(f"{database_url} {host}", read_write=True)
        assert asks(connection) == 1
        connection.close()


VANISHED = {
    "connect_timeout": "5",
    "tcp_user_timeout": "10000",
    "keepalives_idle": "5",
    "keepalives_interval": "2",
    "keepalives_count": "3",
}


@pytest.mark.parametrize("own", [{}, {"keepalives_idle": "60", "tcp_user_timeout": "30000"}])
def test_a_server_that_vanishes_is_noticed_within_seconds_unless_the_dsn_says_otherwise(
    database_url: str, own: dict[str, str]
) -> None:
    connection = opened(make_conninfo(database_url, **own))
    with connection.use() as live:
        options = {option.keyword.decode(): option.val for option in live.pgconn.info}
    connection.close()

    assert {name: (options[name] or b"").decode() for name in VANISHED} == {**VANISHED, **own}
