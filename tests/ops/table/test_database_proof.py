"""Whose database it is: by its address, or by what the processor wrote; never by a guess."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from b2bpilot.aws.logs import LogEvent
from b2bpilot.errors import AwsDenied
from b2bpilot.ops.table.address import address_of
from b2bpilot.ops.table.database_proof import DatabaseProof, Given, prove_database
from b2bpilot.ops.table.processor_log import Written, last_written
from b2bpilot.pipeline.connection import Connection
from b2bpilot.pipeline.database import DatabaseManager

NOW = datetime(2026, 11, 30, 12, tzinfo=UTC)
FAR_AWAY = "postgresql://pilot:secret@db.internal:5432/pilot"


@pytest.fixture
def copy_url(database_url: str) -> Iterator[str]:
    """A copy in the same server: everything in it is the same, but for its oid."""
    name = f"copy_{uuid.uuid4().hex}"
    original = conninfo_to_dict(database_url)["dbname"]
    with psycopg.connect(make_conninfo(database_url, dbname="postgres"), autocommit=True) as admin:
        admin.execute(f"CREATE DATABASE {name} TEMPLATE {original}".encode())
        yield make_conninfo(database_url, dbname=name)
        admin.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())


def identity(url: str) -> str:
    with DatabaseManager(url) as database:
        database.now()
        assert database.identity is not None
        return database.identity


def proof(url: str, *, secret: str, written: str | None = None, **changes: bool) -> DatabaseProof:
    given = Given(url=url, origin="--database-url", is_secret_s=changes.pop("is_secret_s", False))
    log = Written(at=NOW, identity=written) if written else None
    with DatabaseManager(url) as database:
        return prove_database(
            database, given, secret=lambda: secret, log=lambda: log, is_here=False, **changes
        )


def test_the_secret_s_own_database_is_proven_without_a_look_into_the_log(database_url: str) -> None:
    def never() -> Written:
        raise AssertionError("the log was read")

    given = Given(url=database_url, origin="the stack's secret", is_secret_s=True)
    with DatabaseManager(database_url) as database:
        found = prove_database(database, given, secret=lambda: database_url, log=never, is_here=False)

    assert found.is_proven


def test_through_a_tunnel_it_is_proven_by_what_the_processor_wrote(database_url: str) -> None:
    found = proof(database_url, secret=FAR_AWAY, written=identity(database_url))

    assert found.is_proven
    assert "2026-11-30T12:00:00" in found.why


def test_a_copy_in_the_same_server_is_not_proven(database_url: str, copy_url: str) -> None:
    found = proof(copy_url, secret=FAR_AWAY, written=identity(database_url))

    assert not found.is_proven
    assert "another one" in found.told()


def test_a_database_of_the_same_oid_that_was_started_at_another_time_is_not_proven(database_url: str) -> None:
    """So looks a restored backup, or a standby that was promoted."""
    oid, started = identity(database_url).split("/")

    assert not proof(database_url, secret=FAR_AWAY, written=f"{oid}/{int(started) - 1}").is_proven


def test_what_neither_address_nor_log_proves_is_said(database_url: str) -> None:
    found = proof(database_url, secret=FAR_AWAY)

    assert not found.is_proven
    assert "pilot at db.internal:5432" in found.why
    assert "names no database" in found.why
    assert "secret@" not in found.told()


def test_a_secret_and_a_log_that_nobody_may_read_prove_nothing(database_url: str) -> None:
    def denied() -> str:
        raise AwsDenied("not allowed")

    def no_log() -> Written:
        raise AwsDenied("not allowed either")

    given = Given(url=database_url, origin="B2BPILOT_DATABASE_URL", is_secret_s=False)
    with DatabaseManager(database_url) as database:
        found = prove_database(database, given, secret=denied, log=no_log, is_here=False)

    assert not found.is_proven
    assert "not allowed)" in found.why
    assert "not allowed either" in found.why


def test_a_socket_that_was_named_by_hand_is_another_machine_s_for_the_functions(database_url: str) -> None:
    assert not proof(database_url, secret=database_url).is_proven
    assert proof(database_url, secret=database_url, is_secret_s=True).is_proven


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("postgresql://a:b@DB.internal/pilot", "postgresql://c@db.internal:5432/pilot?sslmode=require"),
        ("host=db.internal dbname=pilot", "postgresql://db.internal:5432/pilot"),
        ("postgresql://pilot@db.internal", "postgresql://db.internal/pilot"),
        ("postgresql://a,b/pilot", "host=a,b port=5432,5432 dbname=pilot"),
    ],
)
def test_spellings_of_one_address_are_equal(one: str, other: str) -> None:
    assert address_of(one) is not None
    assert address_of(one) == address_of(other)


@pytest.mark.parametrize(
    "other",
    [
        "postgresql://db.internal:6432/pilot",
        "postgresql://db.internal/Pilot",
        "postgresql://db.internal.example/pilot",
        "postgresql://db.internal,db2.internal/pilot",
        "postgresql://db.internal/pilot?hostaddr=10.0.0.9",
        "service=pilot",
        "dbname=pilot",
        "no connection string",
    ],
)
def test_addresses_that_may_lead_elsewhere_are_not_equal(other: str) -> None:
    assert address_of("postgresql://db.internal:5432/pilot") != address_of(other)


def test_the_port_that_the_shell_fills_in_counts(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """PGPORT sends a URL without a port somewhere else than the functions go with it."""
    port = conninfo_to_dict(database_url).get("port") or "5432"
    bare = make_conninfo(**{**conninfo_to_dict(database_url), "port": None})
    monkeypatch.setenv("PGPORT", str(port))

    found = proof(bare, secret=f"{bare} port=5433", is_secret_s=True)

    assert not found.is_proven


class Log:
    """Lines by how long ago they were written; remembers what was asked."""

    def __init__(self, *lines: tuple[timedelta, str]) -> None:
        self.lines, self.asked = lines, []

    def events(
        self, *, since: datetime, until: datetime | None = None, pattern: str | None = None
    ) -> Iterator[LogEvent]:
        self.asked.append(NOW - since)
        for ago, text in sorted(self.lines, reverse=True):
            if NOW - ago >= since:
                yield LogEvent(at=NOW - ago, text=text, event_id=text, stream="s")


def line(identity: object) -> str:
    return json.dumps({"event": "stored", "database_identity": identity})


def test_the_newest_line_of_the_processor_counts() -> None:
    log = Log((timedelta(minutes=9), line("1/1")), (timedelta(minutes=2), line("2/2")))

    assert last_written(log, now=NOW) == Written(at=NOW - timedelta(minutes=2), identity="2/2")
    assert log.asked == [timedelta(minutes=15)]


def test_a_long_time_is_looked_at_only_when_a_short_one_says_nothing() -> None:
    log = Log((timedelta(days=3), line("1/1")))

    assert last_written(log, now=NOW) == Written(at=NOW - timedelta(days=3), identity="1/1")
    assert log.asked == [timedelta(minutes=15), timedelta(days=1), timedelta(days=14)]


def test_lines_that_are_no_word_of_the_processor_prove_nothing() -> None:
    """An error may quote anything."""
    minute = timedelta(minutes=1)
    quoted = json.dumps({"event": "failed", "error": 'NumMedia is {"database_identity": "1/1"}'})
    log = Log(
        (minute, '"database_identity": "1/1"'), (minute, quoted), (minute, line(None)), (minute, line(7))
    )

    assert last_written(log, now=NOW) is None


def test_a_server_that_tells_no_identity_is_used_all_the_same(database_url: str) -> None:
    role = f"nobody_{uuid.uuid4().hex}"
    with psycopg.connect(database_url, autocommit=True) as admin:
        admin.execute("REVOKE EXECUTE ON FUNCTION pg_postmaster_start_time() FROM PUBLIC")
        admin.execute(f"CREATE ROLE {role} LOGIN".encode())
    try:
        connection = Connection(make_conninfo(database_url, user=role), application_name="tests")
        with connection.use() as live:
            assert live.execute("SELECT 1").fetchone() == (1,)
        assert connection.identity is None
        connection.close()
    finally:
        with psycopg.connect(database_url, autocommit=True) as admin:
            admin.execute(f"DROP ROLE {role}".encode())
