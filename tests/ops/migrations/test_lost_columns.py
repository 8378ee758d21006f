"""A column that somebody dropped: the statement that brings it back, run on a table with rows in it."""

from __future__ import annotations

from datetime import timedelta

import pytest

from b2bpilot.errors import DatabaseError, MigrationFailed
from b2bpilot.ops import migrations
from b2bpilot.ops.migrations.lost_columns import lost_columns
from b2bpilot.ops.migrations.schema import read_schema
from b2bpilot.ops.migrations.wanted import WANTED
from b2bpilot.pipeline.claim import SubmissionFields
from b2bpilot.pipeline.database import DatabaseManager
from tests.events import message
from tests.ops.migrations.tables import TABLE, connect

LEASE = timedelta(minutes=1)
FIELDS = SubmissionFields(from_number="+15005550006", to_number="+15005550009", body="hello", num_media=0)
ID = "00000000-0000-4000-8000-{:012}"


def store(url: str, number: int, *, is_completed: bool = True) -> None:
    """Take a message from its claim to its end, as the processor does."""
    with DatabaseManager(url) as database:
        claim = database.claim(message(message_id=ID.format(number)), lease=LEASE)
        assert claim
        if is_completed:
            assert database.complete(claim, FIELDS) is not None


def is_stored(url: str, number: int) -> bool:
    try:
        store(url, number)
    except DatabaseError:
        return False
    return True


def test_each_dropped_column_is_named_and_comes_back(database_url: str) -> None:
    """What is not named is not needed: messages are stored without it."""
    store(database_url, 0)
    for number, column in enumerate(WANTED, start=1):
        with connect(database_url) as connection:
            connection.execute(f"ALTER TABLE {TABLE} DROP COLUMN {column} CASCADE".encode())
            lost = lost_columns(read_schema(connection))
            assert lost.names == (column,) or is_stored(database_url, number), column
            if lost.statement:
                with pytest.raises(MigrationFailed) as raised:
                    migrations.survey(database_url)
                assert lost.statement in str(raised.value.hint)
                connection.execute(lost.statement.encode())
            migrations.apply(database_url)
            assert lost_columns(read_schema(connection)).names == ()
        assert migrations.fitness(database_url).findings == ()
        assert is_stored(database_url, number + 100), column


def test_a_status_that_comes_back_lets_no_message_run_again_by_itself(database_url: str) -> None:
    store(database_url, 1)
    store(database_url, 2, is_completed=False)
    with connect(database_url) as connection:
        connection.execute(f"ALTER TABLE {TABLE} DROP COLUMN status".encode())
        connection.execute(str(lost_columns(read_schema(connection)).statement).encode())
        rows = connection.execute(f"SELECT status FROM {TABLE} ORDER BY message_id".encode()).fetchall()

    assert rows == [("completed",), ("abandoned",)]
