"""A local environment in a process of its own, so that what is measured shares no interpreter with what measures."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

from b2bpilot.local.state import EnvironmentState, read_state
from b2bpilot.pipeline.database import DatabaseManager
from b2bpilot.pipeline.models import SubmissionStatus
from b2bpilot.pipeline.waiting import wait_until


@contextmanager
def environment() -> Iterator[EnvironmentState]:
    """Start a fresh environment, give its state, end it. Commands find its keys by B2BPILOT_HOME, which stays set."""
    with tempfile.TemporaryDirectory(prefix="b2bpilot-bench-") as home:
        process = subprocess.Popen(
            [sys.executable, "-m", "b2bpilot.local", "--home", home, "--until-eof"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        try:
            _wait_until_ready(process)
            state = read_state(Path(home))
            assert state is not None
            os.environ["B2BPILOT_HOME"] = home
            yield state
        finally:
            process.terminate()
            process.wait(timeout=30)


def wait_for_rows(database: DatabaseManager, count: int, *, seconds: float) -> None:
    """Return once so many messages are completed."""
    completed = wait_until(
        lambda: database.count_by_status().get(SubmissionStatus.COMPLETED, 0),
        enough=lambda rows: rows >= count,
        seconds=seconds,
        pause_seconds=0.1,
    )
    assert completed >= count, "not all messages were stored"


def processes(state: EnvironmentState) -> list[psutil.Process]:
    """Return all processes of the environment: ours, the emulator, PostgreSQL and its backends."""
    roots = [psutil.Process(pid) for pid in (state.pid, state.emulator_pid, state.postgres_pid)]
    found = {process.pid: process for root in roots for process in [root, *root.children(recursive=True)]}
    return list(found.values())


def _wait_until_ready(process: subprocess.Popen[str]) -> None:
    assert process.stdout is not None
    for line in process.stdout:
        report = json.loads(line)
        if report["kind"] == "ready":
            return
        if report["kind"] == "error":
            raise RuntimeError(report["text"])
    raise RuntimeError("the environment ended before it was ready")
