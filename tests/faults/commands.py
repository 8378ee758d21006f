"""The command line as a process: its calls led through the proxies, sometimes killed, always written down."""

from __future__ import annotations

import itertools
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

from tests.faults.deployment import Deployment
from tests.forked import Forked
from tests.local.conftest import ROOT

LONGEST_SECONDS = 480.0
END_SECONDS = 60.0
PATIENCE_SECONDS = 45.0
"""A redrive in AWS watches poison come back for up to ten minutes; nobody here looks on for so long."""
KILLED = "killed"
STUCK = "stuck"
"""It did not end when it was told to, or ran for too long."""
DOCUMENTED = frozenset({0, 1, 2, 3, 4, 5, 130})


class Database(StrEnum):
    """Which one a command is told to ask."""

    SECRET = "the functions'"
    """It is told nothing, and reads the functions' secret."""
    TUNNEL = "the functions', through a tunnel"
    COPY = "a copy"


@dataclass(frozen=True, slots=True, kw_only=True)
class Kill:
    after_seconds: float
    signal: signal.Signals


@dataclass(frozen=True, slots=True, kw_only=True)
class Ran:
    """One command that ended. `how` is empty when it ended by itself; `signal` is what it was sent."""

    number: int
    arguments: tuple[str, ...]
    database: Database
    code: int
    how: str
    signal: str | None
    began_at: float
    seconds: float
    output: str = field(repr=False)
    errors: str = field(repr=False)

    @property
    def name(self) -> str:
        return " ".join(itertools.takewhile(lambda part: not part.startswith("-"), self.arguments[:2]))

    @property
    def document(self) -> Any:
        """What it said with -o json; None when that is no JSON."""
        try:
            return json.loads(self.output)
        except ValueError:
            return None


class CommandLine:
    """Runs commands as several people on one machine would. Safe for threads."""

    def __init__(self, deployment: Deployment, home: Path) -> None:
        self.ran: list[Ran] = []
        self._deployment = deployment
        self._folder = home / "commands"
        self._folder.mkdir(parents=True, exist_ok=True)
        self._numbers = itertools.count(1)
        self._lock = threading.Lock()
        self._environ = _environment(deployment)

    def run(
        self,
        *arguments: str,
        database: Database = Database.TUNNEL,
        kill: Kill | None = None,
        variables: dict[str, str] | None = None,
    ) -> Ran:
        """Run to the end, or until it is killed."""
        kill = kill or _out_of_patience(arguments)
        ran = self._finished(arguments, database, kill, variables or {})
        self._keep(ran)
        return ran

    def _words(self, arguments: Sequence[str], database: Database) -> list[str]:
        aws = self._deployment.proxies.commands_aws.url
        url = {
            Database.SECRET: None,
            Database.TUNNEL: self._deployment.tunnel,
            Database.COPY: self._deployment.wrong_database,
        }[database]
        named = ["--database-url", url] if url else []
        return [*arguments, "-e", "local", "--endpoint-url", aws, *named, "-o", "json"]

    def _finished(
        self, arguments: tuple[str, ...], database: Database, kill: Kill | None, variables: dict[str, str]
    ) -> Ran:
        began_at, started = time.time(), time.monotonic()
        process = Forked(
            [sys.executable, "-m", "b2bpilot", *self._words(arguments, database)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=self._environ | variables,
        )
        how, output, errors = _communicate(process, kill)
        return Ran(
            number=next(self._numbers),
            arguments=arguments,
            database=database,
            code=process.returncode,
            how=how,
            signal=kill.signal.name if kill and how else None,
            began_at=began_at,
            seconds=time.monotonic() - started,
            output=output,
            errors=errors,
        )

    def _keep(self, ran: Ran) -> None:
        with self._lock:
            self.ran.append(ran)
        (self._folder / f"{ran.number}.json").write_text(json.dumps(asdict(ran), indent=1))


def _out_of_patience(arguments: tuple[str, ...]) -> Kill | None:
    is_in_aws = any("lambda" in word for word in arguments)
    return Kill(after_seconds=PATIENCE_SECONDS, signal=signal.SIGINT) if is_in_aws else None


def _communicate(process: subprocess.Popen[str], kill: Kill | None) -> tuple[str, str, str]:
    try:
        output, errors = process.communicate(timeout=kill.after_seconds if kill else LONGEST_SECONDS)
    except subprocess.TimeoutExpired:
        process.send_signal(kill.signal if kill else signal.SIGTERM)
    else:
        return "", output, errors
    how = KILLED if kill else STUCK
    try:
        output, errors = process.communicate(timeout=END_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        how = STUCK
        output, errors = process.communicate()
    return how, output, errors


@contextmanager
def interruptible() -> Iterator[None]:
    """Let commands hear Ctrl-C also when this process was started in the background, where a shell has it ignored, and what
    is ignored children inherit. For the main thread."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _environment(deployment: Deployment) -> dict[str, str]:
    """Nothing of the shell's but what a program needs to start."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    return kept | {
        "PYTHONPATH": str(ROOT),
        "B2BPILOT_HOME": str(deployment.machine.home),
        "TWILIO_API_URL": deployment.proxies.commands_twilio.url,
        "NO_COLOR": "1",
        "COLUMNS": "100",
    }
