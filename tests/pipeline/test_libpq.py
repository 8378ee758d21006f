"""Variables of libpq's lead no connection of ours elsewhere, and change no spelling; they may say who connects."""

from __future__ import annotations

import tempfile
import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from b2bpilot.errors import SchemaOutdated
from b2bpilot.pipeline.connection import connect
from b2bpilot.pipeline.libpq import pinned
from tests.ops.migrations.pooler import pooling
from tests.poison import POSTGRES

SEEN = "SELECT current_database(), current_setting('client_encoding'), current_setting('DateStyle')"


def test_no_variable_of_libpq_breaks_a_connection_to_a_server_of_this_machine(
    postgres_server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in POSTGRES:
        with monkeypatch.context() as shell:
            shell.setenv("PGDATESTYLE", "poison")
            shell.setenv(name, "poison")
            with connect(postgres_server, application_name="test") as connection:
                found = connection.execute(SEEN).fetchone()
        assert found == ("postgres", "UTF8", "ISO, MDY"), name


SPELLINGS = {
    "datestyle": "German",
    "intervalstyle": "iso_8601",
    "client_encoding": "LATIN1",
    "timezone": "Asia/Kolkata",
}
READ = "SELECT timestamptz '2026-02-01T00:00:00Z', interval '1 day 2 seconds', U&'\\0130\\+01F600'"
WRITTEN = (datetime(2026, 2, 1, tzinfo=UTC), timedelta(days=1, seconds=2), "\u0130\U0001f600")


def by_the_database(url: str, _: pytest.MonkeyPatch) -> str:
    name = str(conninfo_to_dict(url)["dbname"])
    with connect(url, application_name="test") as connection:
        for setting, value in SPELLINGS.items():
            connection.execute(f"ALTER DATABASE {name} SET {setting} = '{value}'".encode())
    return url


def by_variables(url: str, shell: pytest.MonkeyPatch) -> str:
    shell.setenv("PGDATESTYLE", "SQL, DMY")
    shell.setenv("PGCLIENTENCODING", "LATIN1")
    shell.setenv("PGTZ", "Asia/Kolkata")
    shell.setenv("PGOPTIONS", "-c intervalstyle=sql_standard")
    return url


def by_the_connection_string(url: str, _: pytest.MonkeyPatch) -> str:
    return make_conninfo(
        url,
        client_encoding="SQL_ASCII",
        options="-c datestyle=SQL,DMY -c intervalstyle=postgres_verbose -c timezone=Asia/Kolkata",
    )


def by_a_service(url: str, shell: pytest.MonkeyPatch) -> str:
    with tempfile.NamedTemporaryFile("w", suffix=".conf", delete=False) as file:
        file.write(
            "[pilot]\n" + "\n".join(f"{name}={value}" for name, value in conninfo_to_dict(url).items())
        )
        file.write("\nclient_encoding=LATIN1\noptions=-c datestyle=German -c intervalstyle=iso_8601\n")
    shell.setenv("PGSERVICEFILE", file.name)
    return "service=pilot"


def by_the_role(url: str, _: pytest.MonkeyPatch) -> str:
    role = f"spells_{uuid.uuid4().hex}"
    with connect(url, application_name="test") as connection:
        connection.execute(f"CREATE ROLE {role} LOGIN".encode())
        for setting, value in SPELLINGS.items():
            connection.execute(f"ALTER ROLE {role} SET {setting} = '{value}'".encode())
    return make_conninfo(url, user=role)


@pytest.mark.parametrize(
    "spell", [by_the_database, by_variables, by_the_connection_string, by_a_service, by_the_role]
)
def test_what_is_read_does_not_depend_on_who_spells_it_how(
    database_url: str, monkeypatch: pytest.MonkeyPatch, spell: Callable[[str, pytest.MonkeyPatch], str]
) -> None:
    spelled = spell(database_url, monkeypatch)

    with connect(spelled, application_name="test") as connection:
        assert connection.execute(READ).fetchone() == WRITTEN
        connection.execute("SET intervalstyle = 'iso_8601'")
        assert connection.execute(READ).fetchone() == WRITTEN


def test_what_another_client_of_a_pooler_left_in_its_session_changes_nothing(database_url: str) -> None:
    """The path of a socket has 107 characters at most: a test's own folder may be too deep."""
    with psycopg.connect(database_url) as found:
        server = f"{found.info.host}/.s.PGSQL.{found.info.port}"
    with (
        tempfile.TemporaryDirectory(prefix="pooler-") as directory,
        pooling(server, Path(directory), by_transaction=True) as host,
        psycopg.connect(f"{database_url} {host}", autocommit=True) as another,
        connect(f"{database_url} {host}", application_name="test") as connection,
    ):
        for _ in range(4):
            another.execute(
                "SELECT set_config('intervalstyle', 'iso_8601', false), set_config('datestyle', 'German', false)"
            )
            assert connection.execute(READ).fetchone() == WRITTEN


def test_a_column_of_a_type_that_only_this_database_has_is_read_as_text(database_url: str) -> None:
    with connect(database_url, application_name="test") as connection:
        connection.execute("CREATE TYPE stage AS ENUM ('pending', 'done')")
        assert connection.execute("SELECT 'done'::stage").fetchone() == ("done",)


def test_a_moment_without_a_time_zone_is_refused_and_not_guessed(database_url: str) -> None:
    with connect(database_url, application_name="test") as connection:
        cursor = connection.execute("SELECT timestamp '2026-02-01 00:00:00'")
        with pytest.raises(SchemaOutdated, match="it is not known which moments they stand for"):
            cursor.fetchone()


def test_variables_may_say_who_connects_and_how_but_not_where_to(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable, value in {
        "PGUSER": "someone",
        "PGPASSWORD": "secret",
        "PGSSLMODE": "verify-full",
        "PGHOST": "elsewhere",
        "PGPORT": "9",
        "PGDATABASE": "another",
        "PGOPTIONS": "-c search_path=other",
    }.items():
        monkeypatch.setenv(variable, value)
    said = conninfo_to_dict(pinned("postgresql://db.example.com/pilot"))
    assert {
        "host": "db.example.com",
        "dbname": "pilot",
        "port": "5432",
        "options": "",
    }.items() <= said.items()
    assert not {"user", "password", "sslmode"} & said.keys()


def test_what_the_connection_string_says_itself_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGOPTIONS", "-c geqo=off")
    named = "host=db port=6432 dbname=pilot options='-c search_path=pilot' client_encoding=LATIN1"
    assert conninfo_to_dict(pinned(named)) == {**conninfo_to_dict(named), "client_encoding": "UTF8"}


def test_the_service_that_a_variable_names_is_not_asked_for(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PGSERVICE", "production")
    with pytest.raises(psycopg.OperationalError, match="definition of service"):
        psycopg.connect(database_url)
    connect(database_url, application_name="test").close()
