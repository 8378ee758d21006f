"""`b2bpilot migrate`, interrupted in the middle of CREATE INDEX CONCURRENTLY, and run again."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

import psycopg
import pytest

from b2bpilot.ops.migrations import lock
from tests.cli.conftest import Run
from tests.forked import Forked
from tests.ops.migrations.tables import (
    FILES,
    Heard,
    connect,
    create_old_table,
    index_is_valid,
    transaction,
)

SNAPSHOT = "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ", "SELECT 1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Migrator:
    """The program in a process of its own, waiting for an old snapshot in the middle of the build."""

    process: subprocess.Popen[str]
    report: psycopg.Connection

    def end(self, number: signal.Signals) -> tuple[int, str]:
        self.process.send_signal(number)
        assert self.process.stderr
        rest = self.process.stderr.read()
        return self.process.wait(30), rest


@contextmanager
def migrating(dsn: str) -> Iterator[Migrator]:
    """Hold it at the lock first, so that the snapshot is taken after its start and is young when the build begins."""
    with connect(dsn) as gate:
        gate.execute(f"SELECT pg_advisory_lock({lock.KEY})".encode())
        process = Forked(
            [sys.executable, "-m", "b2bpilot", "migrate", "--database-url", dsn, "--yes"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
        )
        giving_up = threading.Timer(60, process.kill)
        giving_up.start()
        try:
            read_until(process, "Another migrator is at work")
            with transaction(dsn, *SNAPSHOT) as report:
                gate.close()
                read_until(process, "waiting for old snapshots; held up by pid")
                yield Migrator(process=process, report=report)
        finally:
            giving_up.cancel()
            process.kill()
            process.wait()
            if process.stderr:
                process.stderr.close()


def read_until(process: subprocess.Popen[str], text: str) -> None:
    assert process.stderr
    lines = []
    for line in process.stderr:
        lines.append(line)
        if text in line:
            return
    raise AssertionError(f"it ended without {text!r}: {''.join(lines)}")


@pytest.fixture
def old(empty_database_url: str, monkeypatch: pytest.MonkeyPatch) -> str:
    create_old_table(empty_database_url)
    monkeypatch.setenv("B2BPILOT_DATABASE_URL", empty_database_url)
    return empty_database_url


def ends_well(run: Run, dsn: str) -> None:
    result = run("migrate", "--yes", "--lock-wait", "20s")
    assert result.exit_code == 0, result.stderr
    with connect(dsn) as connection:
        assert index_is_valid(connection) is True
    assert run("migrate", "--status", "--exit-code").exit_code == 0


def test_kill_9_frees_the_lock_and_the_next_run_ends_well(run: Run, old: str) -> None:
    """The server notices that its client is gone and ends the build, though that still waits for the snapshot."""
    with migrating(old) as migrator, connect(old) as connection:
        assert migrator.end(signal.SIGKILL)[0] == -signal.SIGKILL
        assert index_is_valid(connection) is False
        with lock.held(connection, wait=timedelta(seconds=30), observer=Heard()):
            _, interrupted, *_ = run("migrate", "--status", "-o", "json").document["migrations"]
        assert interrupted["state"] == "interrupted"
    ends_well(run, old)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_it_says_what_stays_and_the_next_run_ends_well(
    run: Run, old: str, number: signal.Signals
) -> None:
    with migrating(old) as migrator:
        exit_code, said = migrator.end(number)
    assert exit_code == 130
    again = 'b2bpilot migrate --database-url "${B2BPILOT_DATABASE_URL:?export it first}"'
    assert f"What was done is kept; run `{again}` again to continue from there.\n" in said
    assert said.endswith("error: interrupted\n")
    assert "Traceback" not in said
    ends_well(run, old)


@pytest.mark.parametrize("cancel", ["pg_terminate_backend", "pg_cancel_backend"])
def test_ended_by_the_server_it_fails_and_the_next_run_ends_well(run: Run, old: str, cancel: str) -> None:
    with migrating(old) as migrator, connect(old) as connection:
        builder = "FROM pg_stat_progress_create_index WHERE datname = current_database()"
        connection.execute(f"SELECT {cancel}(pid) {builder}".encode())
        migrator.report.commit()
        assert migrator.process.stderr
        said = migrator.process.stderr.read()
        assert migrator.process.wait(30) == 4
        assert "error: add_message_id_column.sql" in said
        assert "What ran before it stays\n" in said
    ends_well(run, old)


def test_two_that_are_started_together_both_end_well(run: Run, old: str) -> None:
    command = [sys.executable, "-m", "b2bpilot", "migrate", "--database-url", old, "--yes", "-o", "json"]
    with (
        Forked(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as first,
        Forked(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as second,
    ):
        documents = [json.loads(process.communicate(timeout=60)[0]) for process in (first, second)]
    assert first.returncode == second.returncode == 0
    assert sorted(len(document["applied"]) for document in documents) == [0, len(FILES[1:])]
    assert run("migrate", "--status", "--exit-code").exit_code == 0
