"""What is looked at before anybody is asked."""

from __future__ import annotations

from dataclasses import replace

import pytest

from b2bpilot.errors import MigrationFailed, Refused
from b2bpilot.ops.migrations import Author, connecting
from b2bpilot.ops.migrations.server import read_server, require_able
from tests.ops.migrations.tables import connect


def test_the_server_and_the_table_are_described(old_database_url: str) -> None:
    with connect(old_database_url) as connection:
        before = read_server(connection)
        connection.execute("ANALYZE b2b_pilot_user_submissions")
        server = read_server(connection)
    assert (before.rows, server.rows) == (None, 3)
    assert server.bytes > 0
    assert (server.role, server.owner, server.schema) == ("postgres", "postgres", "public")
    require_able(server)


def test_without_a_table_there_is_no_owner(empty_database_url: str) -> None:
    with connect(empty_database_url) as connection:
        server = read_server(connection)
    assert (server.owner, server.may_alter, server.rows, server.bytes) == (None, None, None, 0)
    require_able(server)


def test_a_server_that_is_too_old_is_refused(old_database_url: str) -> None:
    with connect(old_database_url) as connection:
        server = read_server(connection)
    with pytest.raises(Refused, match=r"PostgreSQL 12\.22 is too old: the migrations need 13"):
        require_able(replace(server, version="12.22", version_number=120_022))


def test_a_schema_in_which_nothing_may_be_created_is_named(old_database_url: str) -> None:
    with connect(old_database_url) as connection:
        server = read_server(connection)
    with pytest.raises(MigrationFailed, match="may not create anything in schema public"):
        require_able(replace(server, may_create=False))


def test_the_application_name_says_who_migrates_and_fits(old_database_url: str) -> None:
    author = Author(operator="andré@" + "laptop" * 20)
    with connecting.open_connection(old_database_url, author) as connection:
        (name,) = connection.execute("SHOW application_name").fetchone() or ("",)
    assert name.startswith("b2bpilot/migrate andr?@laptop")
    assert len(name) == 63


def test_what_a_role_says_of_time_limits_does_not_end_a_build(old_database_url: str) -> None:
    dsn = old_database_url + " options='-c idle_session_timeout=5s -c transaction_timeout=5s'"
    with connecting.open_connection(dsn, None) as connection:
        connecting.prepare(connection)
        assert connection.execute("SHOW idle_session_timeout").fetchone() == ("0",)
        assert connection.execute("SHOW transaction_timeout").fetchone() == ("0",)
        assert connection.execute("SHOW client_connection_check_interval").fetchone() == ("1s",)
