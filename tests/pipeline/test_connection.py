"""What is said of a connection string, what is not, and which server is good enough."""

from __future__ import annotations

import socket
import tempfile
import uuid
from pathlib import Path
from traceback import format_exception
from typing import LiteralString

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from b2bpilot.errors import (
    DatabaseError,
    DatabaseRefused,
    DatabaseUnreachable,
    PilotError,
    RowsHidden,
    SettingsInvalid,
)
from b2bpilot.pipeline.connection import Connection
from b2bpilot.pipeline.dsn import check_dsn, place, without_values
from b2bpilot.pipeline.row_security import Need
from tests.ops.migrations.pooler import pooling


def test_an_unescaped_at_in_a_password_is_refused_without_repeating_it() -> None:
    with pytest.raises(SettingsInvalid) as raised:
        check_dsn("postgresql://u:hun@ter2@127.0.0.1:9/x")

    assert "ter2" not in f"{raised.value} {raised.value.hint!s}"
    assert "%40" in str(raised.value.hint)


@pytest.mark.parametrize(
    "dsn",
    [
        "postgresql://u:p%40w@h:5432/d?application_name=a@b",
        "host=h dbname=d password=a@b",
        "postgresql:///d?host=/tmp",
        "postgresql:///d?application_name=a@b",
        "postgresql://h/d?user=a@b",
        "postgresql://app:S3cr?etPassw0rd=1@127.0.0.1:5432/pb?sslmode=require",
        "host=h options='-c timezone=UTC -c search_path=pilot'",
    ],
)
def test_other_spellings_are_taken(dsn: str) -> None:
    check_dsn(dsn)


def test_a_place_names_neither_user_nor_password() -> None:
    assert place("postgresql://pilot:s3cret@db.example.com:5432/orders") == "orders at db.example.com:5432"


@pytest.mark.parametrize(
    ("dsn", "named"),
    [
        (
            "postgresql://u@h:6543/db?pgbouncer=true&connection_limit=1",
            "parameters that libpq does not know: pgbouncer, connection_limit",
        ),
        ("postgresql://u@h/db?sslmode=require&schema=pilot", "a parameter that libpq does not know: schema"),
        ("host=h dbname=d pgbouncer=true", "a parameter that libpq does not know: pgbouncer"),
    ],
)
def test_a_parameter_that_libpq_does_not_know_is_named(dsn: str, named: str) -> None:
    with pytest.raises(SettingsInvalid, match=named):
        check_dsn(dsn)


@pytest.mark.parametrize(
    "dsn",
    [
        "postgresql://app:S3cr/etPassw0rd@127.0.0.1:5432/pb",
        "postgresql://app:S3cr%etPassw0rd@127.0.0.1:5432/pb",
        "postgresql://S3cr:1234/etPassw0rd@127.0.0.1:5432/pb",
        "postgres://S3cr:5/etPassw0rd@h/d?sslmode=verify-full",
        "postgresql://S3cr:/etPassw0rd@h",
        "host=h password=S3cr etPassw0rd=x",
        "postgresql://u:5/S3cr?sslmode=etPassw0rd@h/d",
        "postgresql://u:5/S3cr?etPassw0rd@h/d",
        "mysql://u:S3cretPassw0rd@h/d?ssl=1",
        "host=h ssl%70assword=S3cretPassw0rd",
        "postgresql://h/d?ssl%70assword=S3cretPassw0rd&x=S3cretPassw0rd",
    ],
)
def test_a_password_that_is_not_escaped_is_refused_and_no_piece_of_it_is_printed(dsn: str) -> None:
    with pytest.raises(SettingsInvalid) as raised:
        check_dsn(dsn)

    assert "S3cr" not in f"{raised.value} {raised.value.hint!s}"
    assert "etPassw0rd" not in f"{raised.value} {raised.value.hint!s}"
    assert "etPassw0rd" not in place(dsn)


ROLES = """
    CREATE ROLE {0}_barred; CREATE ROLE {0}_full LOGIN CONNECTION LIMIT 0; CREATE ROLE {0}_plain LOGIN;
    REVOKE CONNECT ON DATABASE {1} FROM PUBLIC
"""


@pytest.mark.parametrize(
    ("changed", "said", "hint"),
    [
        ({"user": "{0}_nobody"}, '_nobody" does not exist', "check the user and the password"),
        ({"user": "{0}_barred"}, "is not permitted to log in", "check the user and the password"),
        ({"user": "{0}_full", "dbname": "postgres"}, "too many connections for role", "limit of connections"),
        ({"user": "{0}_plain"}, "permission denied for database", "GRANT CONNECT"),
        ({"dbname": "{0}_none"}, 'database ".*_none" does not exist', "check the name of the database"),
        ({"options": "-c nonsense=1"}, "unrecognized configuration parameter", "leave that parameter out"),
    ],
)
def test_a_server_that_lets_nobody_in_is_no_missing_connection(
    database_url: str, changed: dict[str, str], said: str, hint: str
) -> None:
    name = str(conninfo_to_dict(database_url)["dbname"])
    with psycopg.connect(database_url, autocommit=True) as admin:
        for statement in ROLES.format(name, name).split(";"):
            admin.execute(statement.encode())
    dsn = make_conninfo(database_url, **{key: value.format(name) for key, value in changed.items()})

    with pytest.raises(DatabaseRefused, match=said) as raised:
        asks(opened(dsn))

    told = f"{raised.value} {raised.value.hint!s}"
    assert hint in told
    assert "no connection" not in told
    assert "security group" not in told


@pytest.mark.parametrize(
    ("changed", "hint"),
    [
        ({"host": "127.0.0.1", "port": "1"}, "nothing listens there"),
        ({"host": "/nowhere"}, "nothing listens there"),
        ({"host": "nowhere.invalid"}, "the DNS here"),
    ],
)
def test_where_nobody_answers_the_hint_is_about_what_was_seen(
    database_url: str, changed: dict[str, str], hint: str
) -> None:
    with pytest.raises(DatabaseUnreachable, match="no connection to") as raised:
        asks(opened(make_conninfo(database_url, **changed)))

    assert hint in str(raised.value.hint)
    assert "security group" not in str(raised.value.hint)


def test_silence_is_what_a_security_group_looks_like(database_url: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        dsn = f"host=127.0.0.1 port={silent.getsockname()[1]} dbname=pilot connect_timeout=2"
        with pytest.raises(DatabaseUnreachable, match="no connection to pilot") as raised:
            asks(opened(dsn))

    assert "security group" in str(raised.value.hint)


def test_a_setting_that_libpq_refuses_is_no_missing_connection(database_url: str) -> None:
    with pytest.raises(SettingsInvalid, match='invalid sslmode value: "always"'):
        asks(opened(make_conninfo(database_url, sslmode="always")))


CONFIDED = (
    "pass%77ord",
    "sslpass%77ord",
    "%73slpassword",
    "sslkey",
    "ssl%63ert",
    "passfile",
    "scram_client_key",
)


@pytest.mark.parametrize("name", CONFIDED)
@pytest.mark.parametrize(
    "other", ["sslmode=always", "keepalives=often", "connect_timeout=soon", "port=1", "hostaddr=here"]
)
def test_what_is_told_in_confidence_is_in_no_error(name: str, other: str) -> None:
    dsn = f"postgresql://u@127.0.0.1:1/d?{name}=S3cretPassw0rd&{other}"
    with pytest.raises(PilotError) as raised:
        asks(opened(dsn))

    assert "S3cret" not in f"{raised.value} {raised.value.hint!s} {''.join(format_exception(raised.value))}"


def test_libpqs_words_lose_whatever_form_a_value_has() -> None:
    dsn = "host=h sslkey='S3cret engine:key' sslpassword='it\\'s S3cret' sslcert=S3cret.pem"

    assert without_values('could not load "S3cret engine", it\'s S3cret, "S3cret.pem"', dsn) == (
        'could not load "***", ***, "***"'
    )


def test_a_connection_that_the_server_ends_was_lost(database_url: str) -> None:
    connection = opened(database_url)
    with pytest.raises(DatabaseUnreachable, match=r"the connection to .* was lost"), connection.use() as live:
        live.execute("SELECT pg_terminate_backend(pg_backend_pid())")
    connection.close()


REFUSED = {
    "no replica identity": (
        "ALTER TABLE b2b_pilot_user_submissions DROP CONSTRAINT b2b_pilot_user_submissions_pkey",
        "CREATE PUBLICATION all_of_it FOR TABLE b2b_pilot_user_submissions",
        "UPDATE b2b_pilot_user_submissions SET body = NULL",
    ),
    "too long": (
        "ALTER TABLE b2b_pilot_user_submissions ALTER body TYPE varchar(3)",
        "INSERT INTO b2b_pilot_user_submissions (body) VALUES ('hello')",
    ),
    "too large for its type": ("SELECT 40000::smallint",),
    "a deferred arbiter": (
        "CREATE TABLE deferred (id int UNIQUE DEFERRABLE)",
        "INSERT INTO deferred VALUES (1) ON CONFLICT (id) DO NOTHING",
    ),
}


@pytest.mark.parametrize("statements", REFUSED.values(), ids=REFUSED)
def test_a_statement_that_is_refused_is_no_missing_connection(
    database_url: str, statements: tuple[LiteralString, ...]
) -> None:
    *before, refused = statements
    with psycopg.connect(database_url, autocommit=True) as admin:
        for statement in before:
            admin.execute(statement)
    connection = opened(database_url)
    with pytest.raises(DatabaseError) as raised, connection.use() as live:
        live.execute(refused)
    connection.close()

    assert not isinstance(raised.value, DatabaseUnreachable)
    assert "connection" not in f"{raised.value} {raised.value.hint!s}"


def test_a_message_that_the_encoding_cannot_hold_is_told_as_that(postgres_server: str) -> None:
    name = f"latin_{uuid.uuid4().hex}"
    with psycopg.connect(postgres_server, autocommit=True) as admin:
        admin.execute(f"CREATE DATABASE {name} ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0".encode())
    connection = opened(make_conninfo(postgres_server, dbname=name))
    with (
        pytest.raises(DatabaseError, match=f"the encoding of {name} at .* cannot hold it"),
        connection.use() as live,
    ):
        live.execute("SELECT %s::text", ["\U0001f600"])
    connection.close()


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


def test_a_function_works_again_as_soon_as_a_policy_lets_it(database_url: str) -> None:
    """Without one it is refused before it does anything; a policy of which nobody knows what it hides does not stop it."""
    role, table = f"app_{uuid.uuid4().hex[:8]}", "b2b_pilot_user_submissions"
    with psycopg.connect(database_url, autocommit=True) as owner:
        owner.execute(f"CREATE ROLE {role} LOGIN".encode())
        owner.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY".encode())
        url = make_conninfo(database_url, user=role)
        function = Connection(url, application_name="tests", needs=Need.ITS_ROWS)
        command = Connection(url, application_name="tests")
        with pytest.raises(RowsHidden, match="no policy lets it SELECT any row; no policy lets it INSERT"):
            asks(function)
        owner.execute(f"CREATE POLICY tenants ON {table} USING (NOT test)".encode())

        assert asks(function) == 1
        with pytest.raises(RowsHidden, match="SELECT reaches the rows that policy tenants allows"):
            asks(command)

        function.close()
        owner.execute(f"DROP OWNED BY {role}".encode())
        owner.execute(f"DROP ROLE {role}".encode())
