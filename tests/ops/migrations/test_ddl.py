"""Ordinary DDL under a short lock timeout."""

from __future__ import annotations

from itertools import pairwise

import pytest

from b2bpilot.errors import TimedOut
from b2bpilot.ops.migrations import ddl
from b2bpilot.ops.migrations.ddl import PATIENCE, Patience
from b2bpilot.ops.migrations.statements import MigrationStatement, read_statements
from tests.clock import StillClock
from tests.ops.migrations.tables import Heard, connect, transaction

READ = "SELECT count(*) FROM b2b_pilot_user_submissions"
THREE_TRIES = Patience(tries=3)


@pytest.fixture
def add_a_column() -> MigrationStatement:
    (statement,) = read_statements(
        "SET lock_timeout = '50ms';\n"
        "ALTER TABLE b2b_pilot_user_submissions ADD COLUMN IF NOT EXISTS message_id varchar(255);\n"
    )
    return statement


def test_it_tries_again_until_the_lock_is_free(
    old_database_url: str, add_a_column: MigrationStatement, clock: StillClock
) -> None:
    with connect(old_database_url) as connection, transaction(old_database_url, READ) as reader:
        heard = Heard()
        clock.at[1] = reader.commit
        ddl.run(connection, add_a_column, heard, patience=THREE_TRIES)
        pid = reader.info.backend_pid
    (line,) = heard
    assert line.startswith(
        f"Try 1 of 3: no lock; in its way: pid {pid} (nightly report), idle in transaction"
    )


def test_it_gives_up_and_names_who_is_in_the_way(
    old_database_url: str, add_a_column: MigrationStatement, clock: StillClock
) -> None:
    with connect(old_database_url) as connection, transaction(old_database_url, READ) as reader:
        with pytest.raises(TimedOut) as gave_up:
            ddl.run(connection, add_a_column, Heard(), patience=THREE_TRIES)
        pid = reader.info.backend_pid
    assert f"no lock on the table in 3 tries of 50ms; in its way: pid {pid} (nightly" in str(gave_up.value)
    assert len(clock.pauses) == 2


def test_the_pauses_grow_to_a_limit_and_differ() -> None:
    longest = [max(PATIENCE.pause_seconds(attempt) for _ in range(200)) for attempt in range(1, 11)]
    assert all(earlier < later for earlier, later in pairwise(longest[:4]))
    assert 4 <= min(PATIENCE.pause_seconds(10) for _ in range(200)) <= max(longest) <= 8


def test_the_limits_end_with_the_next_statement(
    old_database_url: str, add_a_column: MigrationStatement
) -> None:
    with connect(old_database_url) as connection:
        ddl.run(connection, add_a_column, Heard())
        assert connection.execute("SHOW lock_timeout").fetchone() == ("50ms",)
        (unlimited,) = read_statements("CREATE INDEX CONCURRENTLY IF NOT EXISTS i ON t (c);")
        ddl.limit(connection, unlimited.limits)
        assert connection.execute("SHOW lock_timeout").fetchone() == ("0",)
