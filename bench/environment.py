"""Local environments in processes of their own, so that what is measured shares no interpreter with what measures."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

import psutil

from b2bpilot.aws.session import AwsAccess
from b2bpilot.aws.stack import StackOutputs, describe
from b2bpilot.local.clients import Keys, LocalAws
from b2bpilot.local.state import EnvironmentState, read_state
from b2bpilot.pipeline.database import DatabaseManager
from b2bpilot.pipeline.models import SubmissionStatus
from b2bpilot.pipeline.waiting import wait_until


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """An environment, its stack, and the variables with which a command finds both."""

    state: EnvironmentState
    aws: LocalAws
    stack: StackOutputs
    environ: dict[str, str]

    @property
    def access(self) -> AwsAccess:
        return self.aws.access


class Environments:
    """Starts each kind of environment once, when it is first asked for, and ends them all."""

    def __init__(self) -> None:
        self._running: dict[tuple[str, ...], Running] = {}
        self._open = ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._open.close()

    def one(self, *handlers: str, **parameters: str) -> Running:
        """Return the environment whose template has these parameters, and that may run these handlers beside it."""
        options = (
            *(f"--handler={handler}" for handler in handlers),
            *(f"--parameter={name}={value}" for name, value in sorted(parameters.items())),
        )
        if options not in self._running:
            self._running[options] = self._open.enter_context(environment(options))
        return self._running[options]


@contextmanager
def environment(options: Sequence[str] = ()) -> Iterator[Running]:
    """Start a fresh environment, give it, end it."""
    with tempfile.TemporaryDirectory(prefix="b2bpilot-bench-") as home:
        process = subprocess.Popen(
            [sys.executable, "-m", "b2bpilot.local", "--home", home, "--until-eof", *options],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        try:
            _wait_until_ready(process)
            state = read_state(Path(home))
            assert state is not None
            keys = Keys(access_key_id=state.access_key_id, secret_access_key=state.secret_access_key)
            aws = LocalAws(endpoint_url=state.endpoint_url, keys=keys, region=state.region)
            stack = describe("local", aws.access)
            yield Running(state=state, aws=aws, stack=stack, environ=_environ_of(state, home))
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


def _environ_of(state: EnvironmentState, home: str) -> dict[str, str]:
    return os.environ | {
        "AWS_ACCESS_KEY_ID": state.access_key_id,
        "AWS_SECRET_ACCESS_KEY": state.secret_access_key,
        "AWS_DEFAULT_REGION": state.region,
        "B2BPILOT_DATABASE_URL": state.database_url,
        "B2BPILOT_HOME": home,
    }


def _wait_until_ready(process: subprocess.Popen[str]) -> None:
    assert process.stdout is not None
    for line in process.stdout:
        report = json.loads(line)
        if report["kind"] == "ready":
            return
        if report["kind"] == "error":
            raise RuntimeError(report["text"])
    raise RuntimeError("the environment ended before it was ready")
