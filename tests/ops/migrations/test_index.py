"""CREATE UNIQUE INDEX CONCURRENTLY: what is found before it, and what is left behind."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import LiteralString

import pytest

from b2bpilot import resources
from b2bpilot.errors import MigrationFailed, PartlyFailed, TimedOut
from b2bpilot.ops import migrations
from b2bpilot.ops.migrations import index
from b2bpilot.ops.migrations.files import read_migrations
from b2bpilot.ops.migrations.progress import WatchedConnection
from b2bpilot.ops.migrations.schema import read_schema
from b2bpilot.ops.migrations.statements import NewIndex
from tests.ops.migrations.tables import (
    FILES,
    Heard,
    connect,
    index_is_valid,
    leave_an_invalid_index,
    migrate_by_hand,
    transaction,
)

BUILDER: LiteralString = " FROM pg_stat_progress_create_index WHERE datname = current_database()"
AT_ONCE = timedelta(milliseconds=1)


@pytest.fixture
def every_transaction_is_old(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(index, "OLD_AFTER", timedelta())


def test_an_invalid_index_is_dropped_and_built_again(old_database_url: str) -> None:
    heard = Heard()
    with connect(old_database_url) as connection:
        leave_an_invalid_index(connection)
        outcome = migrations.apply(old_database_url, heard)
        assert index_is_valid(connection) is True
    assert outcome.applied == FILES[1:]
    assert any("is invalid, left by a failed build: dropping it" in line for line in heard)


def test_an_invalid_index_after_a_recorded_migration_is_damage_and_fixed(old_database_url: str) -> None:
    migrations.apply(old_database_url)
    with connect(old_database_url) as connection:
        connection.execute("DROP INDEX idx_user_submissions_message_id")
        leave_an_invalid_index(connection)
        (damaged,) = migrations.plan(old_database_url).pending
        assert damaged.state is migrations.MigrationState.DAMAGED
        assert migrations.apply(old_database_url).applied == [FILES[1]]
        assert index_is_valid(connection) is True


def test_duplicates_stop_it_before_anything_is_changed(old_database_url: str) -> None:
    with connect(old_database_url) as connection:
        connection.execute("ALTER TABLE b2b_pilot_user_submissions ADD COLUMN message_id varchar(255)")
        connection.execute("UPDATE b2b_pilot_user_submissions SET message_id = 'same' WHERE id <> 2")
        with pytest.raises(MigrationFailed, match=r"1 message_id stands in .*: same \(id 1, 3\)") as failed:
            migrations.apply(old_database_url)
        assert "DELETE the others" in str(failed.value.hint)
        assert index_is_valid(connection) is None


def test_a_duplicate_that_comes_during_the_build_is_named_and_no_index_is_left(
    old_database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The count before the build found none: it is left out here to stand for the moment between."""
    counts = iter([None])
    require_none = index.duplicates.require_none
    monkeypatch.setattr(
        index.duplicates, "require_none", lambda count: next(counts, 1) and require_none(count)
    )
    with connect(old_database_url) as connection:
        connection.execute("ALTER TABLE b2b_pilot_user_submissions ADD COLUMN message_id varchar(255)")
        connection.execute("UPDATE b2b_pilot_user_submissions SET message_id = 'same'")
        with pytest.raises(MigrationFailed, match=r"same \(id 1, 2, 3\)"):
            migrations.apply(old_database_url)
        assert index_is_valid(connection) is None


def test_an_old_transaction_is_named_and_refused_before_anything_is_changed(
    old_database_url: str, every_transaction_is_old: None
) -> None:
    snapshot = "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ", "SELECT 1"
    with transaction(old_database_url, *snapshot) as report:
        with pytest.raises(TimedOut) as refused:
            migrations.apply(old_database_url, lock_wait=AT_ONCE)
        pid = report.info.backend_pid
    assert f"would wait for pid {pid} (nightly report), idle in transaction" in str(refused.value)
    assert "transaction open for 0 s, last query started 20" in str(refused.value)
    with connect(old_database_url) as connection:
        columns = read_schema(connection).columns
    assert "message_id" not in columns


def test_it_goes_on_when_the_old_transaction_ends(
    old_database_url: str, every_transaction_is_old: None
) -> None:
    with transaction(old_database_url, "UPDATE b2b_pilot_user_submissions SET body = body") as report:
        heard = Heard("Waiting up to 30 s for pid", then=report.commit)
        outcome = migrations.apply(old_database_url, heard)
    assert outcome.applied == FILES[1:]


def test_a_reader_in_an_open_transaction_is_not_in_the_way(
    old_database_url: str, every_transaction_is_old: None
) -> None:
    with connect(old_database_url) as connection:
        migrate_by_hand(connection, FILES[1])
        connection.execute("DROP INDEX idx_user_submissions_message_id")
        with transaction(old_database_url, "SELECT count(*) FROM b2b_pilot_user_submissions"):
            assert index.in_the_way(connection) == []


def test_a_build_that_waits_tells_who_holds_it_up(old_database_url: str) -> None:
    """The transaction is young, so the build begins and waits for it."""
    with transaction(
        old_database_url, "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ", "SELECT 1"
    ) as report:
        heard = Heard("held up by pid", then=report.commit)
        migrations.apply(old_database_url, heard)
        pid = report.info.backend_pid
    (line,) = [line for line in heard if "held up by" in line]
    assert line.startswith("Index idx_user_submissions_message_id: waiting for old snapshots")
    assert line.endswith(f"held up by pid {pid} (nightly report), idle in transaction")


def test_a_build_that_somebody_cancels_leaves_nothing_behind(old_database_url: str) -> None:
    with (
        transaction(
            old_database_url, "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ", "SELECT 1"
        ) as report,
        connect(old_database_url) as connection,
    ):

        def cancel() -> None:
            connection.execute("SELECT pg_cancel_backend(pid)" + BUILDER)
            report.commit()

        with pytest.raises(PartlyFailed, match=r"stopped at .* canceling statement due to user request"):
            migrations.apply(old_database_url, Heard("held up by", then=cancel))
        assert index_is_valid(connection) is None
        assert migrations.apply(old_database_url).applied == FILES[1:]


def test_a_lost_connection_says_so_and_the_next_run_ends_well(old_database_url: str) -> None:
    with (
        transaction(
            old_database_url, "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ", "SELECT 1"
        ) as report,
        connect(old_database_url) as connection,
    ):

        def terminate() -> None:
            connection.execute("SELECT pg_terminate_backend(pid)" + BUILDER)

        with pytest.raises(PartlyFailed, match=r"the connection was lost at `CREATE UNIQUE INDEX"):
            migrations.apply(old_database_url, Heard("held up by", then=terminate))
        assert index_is_valid(connection) is False
        report.commit()
        interrupted, *_ = migrations.plan(old_database_url).pending
        assert interrupted.state is migrations.MigrationState.INTERRUPTED
        migrations.apply(old_database_url)
        assert index_is_valid(connection) is True


def test_the_limits_of_the_statement_before_do_not_end_the_counting(old_database_url: str) -> None:
    (_, statement) = read_migrations(resources.migrations())[1].statements
    makes = statement.makes
    assert isinstance(makes, NewIndex)
    limits: list[object] = []
    with connect(old_database_url) as connection:
        connection.execute("ALTER TABLE b2b_pilot_user_submissions ADD COLUMN message_id varchar(255)")
        connection.execute("SET statement_timeout = '1min'")

        def look() -> None:
            limits.append(connection.execute("SHOW statement_timeout").fetchone())

        heard = Heard("Looking for duplicates", then=look)
        watched = WatchedConnection(
            connection=connection,
            pid=connection.info.backend_pid,
            connect=lambda: connect(old_database_url),
            observer=heard,
        )
        index.Build(
            connection=connection, statement=statement, index=makes, watched=watched, observer=heard
        ).run()
        assert index_is_valid(connection) is True
    assert limits == [("0",)]


def test_an_index_that_somebody_builds_by_hand_is_waited_for(old_database_url: str) -> None:
    """It looks invalid until it is done; to drop it then would drop a good one."""
    with connect(old_database_url) as connection:
        migrate_by_hand(connection, FILES[1])
        connection.execute("DROP INDEX idx_user_submissions_message_id")
    with (
        transaction(
            old_database_url, "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ", "SELECT 1"
        ) as report,
        ThreadPoolExecutor(1) as thread,
    ):
        by_hand = thread.submit(build_by_hand, old_database_url)
        with connect(old_database_url) as connection:
            while index_is_valid(connection) is None:
                assert not by_hand.done()
            heard = Heard("another index build, pid", then=report.commit)
            outcome = migrations.apply(old_database_url, heard)
            by_hand.result()
            assert index_is_valid(connection) is True
    assert outcome.applied == FILES[1:]
    assert not any("dropping it" in line for line in heard)


def build_by_hand(dsn: str) -> None:
    with connect(dsn) as connection:
        migrate_by_hand(connection, FILES[1])
