"""Variables of libpq's lead no connection of ours elsewhere, and change no spelling; they may say who connects."""

from __future__ import annotations

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

from b2bpilot.pipeline.connection import connect
from b2bpilot.pipeline.libpq import pinned
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


def test_dates_are_read_whatever_the_database_is_set_to(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PGDATESTYLE", "SQL, DMY")
    name = str(conninfo_to_dict(database_url)["dbname"])
    with connect(database_url, application_name="test") as connection:
        connection.execute(f"ALTER DATABASE {name} SET DateStyle = 'SQL, DMY'")
    with connect(database_url, application_name="test") as connection:
        found = connection.execute("SELECT timestamptz '2026-02-01T00:00:00Z'").fetchone()
    assert found is not None
    assert found[0].isoformat().startswith("2026-0")


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
    assert conninfo_to_dict(pinned(named)) == conninfo_to_dict(named)


def test_the_service_that_a_variable_names_is_not_asked_for(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PGSERVICE", "production")
    with pytest.raises(psycopg.OperationalError, match="definition of service"):
        psycopg.connect(database_url)
    connect(database_url, application_name="test").close()
