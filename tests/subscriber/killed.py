"""A subscriber's function as a process that can be killed: one process imports it, and forks for each event."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import psycopg

from b2bpilot.subscriber.once import Message, once
from tests.subscriber.effects import insert

ROOT = Path(__file__).parents[2]
IN_THE_CODE = "in the code"
ENDED = "ended"
TO_BE_KILLED_IN_SECONDS = 0.01


class Killable:
    """One event at a time."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        self._events, self.answers = process.stdin, process.stdout

    def start(self, event: Mapping[str, Any]) -> int:
        """Return the process id of the one that has the event now."""
        self._events.write(json.dumps(event) + "\n")
        self._events.flush()
        return int(self._line())

    def wait_for(self, text: str) -> None:
        while self._line() != text:
            pass

    def kill(self, pid: int) -> None:
        """By -9, where it has not ended; the parent reaps it only when it is told, so that the id is nobody else's."""
        os.kill(pid, signal.SIGKILL)
        self._events.write("\n")
        self._events.flush()
        self.wait_for(ENDED)

    def _line(self) -> str:
        line = self.answers.readline()
        assert line, "the process that forks has ended"
        return line.strip()


@contextmanager
def killable(database_url: str) -> Iterator[Killable]:
    environ = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "DATABASE_URL": database_url}
    command = [sys.executable, "-m", "tests.subscriber.killed"]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environ, cwd=ROOT
    ) as process:
        try:
            yield Killable(process)
        finally:
            assert process.stdin is not None
            process.stdin.close()
            process.wait(60)


def say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def slow(message: Message, connection: psycopg.Connection) -> None:
    """So long that a kill at a drawn moment meets the code at times."""
    insert(message, connection)
    say(IN_THE_CODE)
    time.sleep(TO_BE_KILLED_IN_SECONDS)


def serve(events: IO[str]) -> None:
    for line in iter(events.readline, ""):
        pid = os.fork()
        if pid == 0:
            once("analytics")(slow)(json.loads(line))
            os._exit(0)
        say(str(pid))
        events.readline()
        os.waitpid(pid, 0)
        say(ENDED)


if __name__ == "__main__":
    serve(sys.stdin)
