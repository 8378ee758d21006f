"""Commands as processes that start at once: one process imports the program, and forks for each command line.

What a real process has, these have, too: signals, limits and ends of their own.
"""

from __future__ import annotations

import gc
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from tests.aws_clients import read_models
from tests.local.conftest import ROOT

IMPORTED = ("botocore.parsers", "psycopg", "rich.console")


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """What a command said, and how it ended: minus the signal for one that was killed."""

    arguments: tuple[str, ...]
    code: int
    output: str = field(repr=False)
    errors: str = field(repr=False)

    @property
    def document(self) -> Any:
        return json.loads(self.output)


class Forked:
    """Runs one command at a time. `started` hears the process id of each."""

    def __init__(self, folder: Path, process: subprocess.Popen[str]) -> None:
        self._process = process
        self._pipes = [str(folder / name) for name in ("output", "errors")]
        for path in self._pipes:
            os.mkfifo(path)

    def run(
        self, *arguments: str, environ: dict[str, str], started: Callable[[int], None] = lambda _: None
    ) -> Ended:
        with ThreadPoolExecutor(2) as pool:
            output, errors = (pool.submit(Path(path).read_text) for path in self._pipes)
            self._say({"arguments": arguments, "environ": environ, "pipes": self._pipes})
            started(self._hear()["process"])
            code = self._hear()["code"]
            return Ended(arguments=arguments, code=code, output=output.result(), errors=errors.result())

    def _say(self, order: dict[str, Any]) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()

    def _hear(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line, "the process that forks the commands has ended"
        found: dict[str, Any] = json.loads(line)
        return found


@contextmanager
def forked(folder: Path) -> Iterator[Forked]:
    command = [sys.executable, "-m", "tests.faults.forked"]
    environ = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environ, cwd=ROOT
    ) as process:
        try:
            yield Forked(folder, process)
        finally:
            assert process.stdin is not None
            process.stdin.close()
            process.wait(60)


def serve(orders: IO[str], answers: IO[str]) -> Callable[[], int]:
    """Fork for each order, and return in each child what it is to do; in the parent when there are no more orders."""
    for line in orders:
        order = json.loads(line)
        child = os.fork()
        if child == 0:
            _become(order)
            return lambda arguments=order["arguments"]: _run(arguments)  # type: ignore[misc]  # bound now
        answers.write(json.dumps({"process": child}) + "\n")
        answers.flush()
        _, status = os.waitpid(child, 0)
        answers.write(json.dumps({"code": os.waitstatus_to_exitcode(status)}) + "\n")
        answers.flush()
    return lambda: 0


def _become(order: dict[str, Any]) -> None:
    for number, path in enumerate(order["pipes"], start=1):
        os.dup2(os.open(path, os.O_WRONLY), number)
    sys.stdout, sys.stderr = os.fdopen(1, "w", closefd=False), os.fdopen(2, "w", buffering=1, closefd=False)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.environ.update(order["environ"])


def _run(arguments: Sequence[str]) -> int:
    from b2bpilot.cli.app import main

    return main(arguments)


def _import_everything() -> None:
    import importlib
    import pkgutil

    import b2bpilot.cli
    import b2bpilot.ops

    for name in IMPORTED:
        importlib.import_module(name)
    for package in (b2bpilot.cli, b2bpilot.ops):
        for found in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            importlib.import_module(found.name)


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.default_int_handler)
    _import_everything()
    read_models()
    gc.freeze()
    sys.exit(serve(os.fdopen(os.dup(0)), os.fdopen(os.dup(1), "w"))())
