"""What PostgreSQL lets a claim be where the table is partitioned (docs/decisions/0045-one-table.md)."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import LiteralString

import psycopg
import pytest
from psycopg import errors as pg

from b2bpilot.pipeline import queries
from b2bpilot.pipeline.claim import claim_values
from b2bpilot.pipeline.database import DatabaseManager
from tests.events import message

LEASE = timedelta(minutes=1)
COUNT: LiteralString = "SELECT count(*) FROM b2b_pilot_user_submissions"


@pytest.fixture
def connection(database_url: str) -> Iterator[psycopg.Connection]:
    with psycopg.connect(database_url, autocommit=True) as found:
        yield found


def partitioned(connection: psycopg.Connection, by: LiteralString, *parts: LiteralString) -> None:
    connection.execute("ALTER TABLE b2b_pilot_user_submissions RENAME TO whole")
    connection.execute("ALTER INDEX idx_user_submissions_message_id RENAME TO of_the_whole")
    connection.execute(
        "CREATE TABLE b2b_pilot_user_submissions (LIKE whole INCLUDING DEFAULTS INCLUDING IDENTITY) PARTITION BY "
        + by
    )
    for number, part in enumerate(parts):
        connection.execute(
            f"CREATE TABLE part_{number} PARTITION OF b2b_pilot_user_submissions FOR VALUES {part}".encode()
        )


def by_month(connection: psycopg.Connection) -> None:
    partitioned(
        connection,
        "RANGE (created_at)",
        "FROM (MINVALUE) TO ('2026-12-01')",
        "FROM ('2026-12-01') TO (MAXVALUE)",
    )


def test_a_table_partitioned_by_month_has_no_unique_message_id(connection: psycopg.Connection) -> None:
    by_month(connection)

    with pytest.raises(pg.FeatureNotSupported, match="must include all partitioning columns"):
        connection.execute("CREATE UNIQUE INDEX ON b2b_pilot_user_submissions (message_id)")


def test_with_the_month_in_its_index_the_claim_s_statement_is_refused(connection: psycopg.Connection) -> None:
    by_month(connection)
    connection.execute("CREATE UNIQUE INDEX ON b2b_pilot_user_submissions (message_id, created_at)")

    with pytest.raises(pg.InvalidColumnReference, match="no unique or exclusion constraint"):
        connection.execute(queries.CLAIM.query, claim_values(message(), LEASE, adopts=False, answers=True))


def test_with_the_month_in_the_statement_too_a_message_has_two_rows(connection: psycopg.Connection) -> None:
    by_month(connection)
    connection.execute("CREATE UNIQUE INDEX ON b2b_pilot_user_submissions (message_id, created_at)")
    query = queries.CLAIM.query.replace("ON CONFLICT (message_id)", "ON CONFLICT (message_id, created_at)")
    values = claim_values(message(), LEASE, adopts=False, answers=True)

    claims = [connection.execute(query.encode(), values).fetchone() for _ in range(2)]

    assert all(claims)
    assert connection.execute(COUNT).fetchone() == (2,)


def test_in_parts_by_the_message_id_s_hash_one_claim_wins(
    connection: psycopg.Connection, database_url: str
) -> None:
    partitioned(
        connection,
        "HASH (message_id)",
        *("WITH (MODULUS 2, REMAINDER 0)", "WITH (MODULUS 2, REMAINDER 1)"),
    )
    connection.execute("CREATE UNIQUE INDEX ON b2b_pilot_user_submissions (message_id)")
    found = message()

    with DatabaseManager(database_url) as first, DatabaseManager(database_url) as second:
        claims = [first.claim(found, lease=LEASE), second.claim(found, lease=LEASE)]

    assert [claim is None for claim in claims] == [False, True]
    assert connection.execute(COUNT).fetchone() == (1,)
