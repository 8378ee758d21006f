"""One migrator at a time."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from b2bpilot.errors import TimedOut
from b2bpilot.ops import migrations
from b2bpilot.ops.migrations import lock
from b2bpilot.ops.migrations.connecting import open_connection
from tests.ops.migrations.tables import FILES, Heard, connect

ANA = migrations.Author(operator="ana@laptop")
AT_ONCE = timedelta(milliseconds=1)


def test_the_second_says_who_is_at_work_and_gives_up(old_database_url: str) -> None:
    with (
        open_connection(old_database_url, ANA) as first,
        lock.held(first, wait=AT_ONCE, observer=Heard()),
    ):
        with pytest.raises(TimedOut) as gave_up:
            migrations.apply(old_database_url, lock_wait=AT_ONCE)
        pid = first.info.backend_pid
        assert migrations.plan(old_database_url).migrator is not None
    assert f"pid {pid} (b2bpilot/migrate ana@laptop), connected for 0 s" in str(gave_up.value)
    assert "--lock-wait" in str(gave_up.value.hint)
    assert migrations.plan(old_database_url).migrator is None


def test_the_second_goes_on_when_the_first_has_ended(old_database_url: str) -> None:
    first = open_connection(old_database_url, ANA)
    with lock.held(first, wait=AT_ONCE, observer=Heard()):
        heard = Heard("Another migrator is at work", then=first.close)
        outcome = migrations.apply(old_database_url, heard)
    assert outcome.applied == FILES[1:]
    assert migrations.apply(old_database_url).applied == []


def test_of_two_that_start_together_each_migration_is_run_by_one(old_database_url: str) -> None:
    with ThreadPoolExecutor(2) as threads:
        outcomes = list(threads.map(migrations.apply, [old_database_url] * 2))
    assert sorted(len(outcome.applied) for outcome in outcomes) == [0, len(FILES[1:])]
    assert not migrations.plan(old_database_url).pending


def test_the_lock_is_free_after_a_run(old_database_url: str) -> None:
    migrations.apply(old_database_url)
    with connect(old_database_url) as connection:
        assert lock.holder(connection) is None


def test_another_database_of_the_server_has_its_own_lock(old_database_url: str, database_url: str) -> None:
    with (
        open_connection(old_database_url, ANA) as first,
        lock.held(first, wait=AT_ONCE, observer=Heard()),
        connect(database_url) as other,
    ):
        assert lock.holder(other) is None
        with lock.held(other, wait=AT_ONCE, observer=Heard()):
            pass
