"""The whole migration of a table that is written and read meanwhile. bench/migrate_live_table.py measures a larger one."""

from __future__ import annotations

from b2bpilot.ops import migrations
from tests.ops.migrations.tables import FILES, connect, create_old_table, index_is_valid
from tests.ops.migrations.traffic import traffic

ROWS = 100_000


def test_no_statement_of_the_traffic_fails_and_the_index_is_valid(empty_database_url: str) -> None:
    create_old_table(empty_database_url, rows=ROWS)
    with traffic(empty_database_url) as clients:
        outcome = migrations.apply(empty_database_url)
    assert outcome.applied == FILES[1:]
    assert [client.failures for client in clients] == [[], []]
    assert all(client.seconds for client in clients)
    with connect(empty_database_url) as connection:
        assert index_is_valid(connection) is True
