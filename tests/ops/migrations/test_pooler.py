"""Behind a connection pooler."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from b2bpilot.errors import Refused
from b2bpilot.ops import migrations
from b2bpilot.ops.migrations import pooler
from tests.ops.migrations.pooler import pooling
from tests.ops.migrations.tables import FILES, connect


@pytest.fixture
def directory() -> Iterator[Path]:
    """Short: a socket's path has at most 107 characters."""
    with tempfile.TemporaryDirectory() as path:
        yield Path(path)


def socket_of(dsn: str) -> str:
    parts = conninfo_to_dict(dsn)
    return f"{parts['host']}/.s.PGSQL.{parts.get('port', 5432)}"


def test_one_that_lends_sessions_by_the_transaction_is_refused(
    old_database_url: str, directory: Path
) -> None:
    with pooling(socket_of(old_database_url), directory, by_transaction=True) as pooled:
        dsn = make_conninfo(old_database_url, **conninfo_to_dict(pooled))
        for call in (migrations.survey, migrations.apply):
            with pytest.raises(Refused, match="behind a connection pooler that lends sessions") as refused:
                call(dsn)
            assert "--database-url" in str(refused.value.hint)
    assert len(migrations.plan(old_database_url).pending) == len(FILES[1:])


def test_one_that_gives_whole_sessions_is_worked_through(old_database_url: str, directory: Path) -> None:
    with pooling(socket_of(old_database_url), directory, by_transaction=False) as pooled:
        dsn = make_conninfo(old_database_url, **conninfo_to_dict(pooled))
        assert migrations.survey(dsn).pooled is True
        assert migrations.apply(dsn).applied == FILES[1:]


def test_the_status_can_be_read_through_any(old_database_url: str, directory: Path) -> None:
    with pooling(socket_of(old_database_url), directory, by_transaction=True) as pooled:
        dsn = make_conninfo(old_database_url, **conninfo_to_dict(pooled))
        assert len(migrations.plan(dsn).pending) == len(FILES[1:])


def test_no_pooler_is_seen_where_there_is_none(old_database_url: str) -> None:
    assert migrations.survey(old_database_url).pooled is False


def test_two_clients_in_one_session_prove_the_lending(old_database_url: str) -> None:
    """What an idle PgBouncer does: it lends the session that was used last."""
    with connect(old_database_url) as connection, pytest.raises(Refused):
        pooler.require_sessions(connection, connection, old_database_url)
