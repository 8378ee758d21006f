"""A process at a terminal of its own, which the test sits at."""

from __future__ import annotations

import os
import pty
import select
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
PATIENCE_SECONDS = 60


@dataclass
class Session:
    """What was shown is in `screen`, line ends as the terminal makes them."""

    process: subprocess.Popen[bytes]
    keyboard: int
    screen: str = ""

    def type(self, text: str) -> None:
        os.write(self.keyboard, text.encode())

    def interrupt(self) -> None:
        self.process.send_signal(signal.SIGINT)

    def wait_for(self, text: str) -> None:
        while text not in self.screen:
            assert self._read(), f"{text!r} was not shown: {self.screen!r}"

    def exit_code(self) -> int:
        while self._read():
            pass
        return self.process.wait(PATIENCE_SECONDS)

    def _read(self) -> bool:
        """Return whether there was more before the end."""
        ready, _, _ = select.select([self.keyboard], [], [], PATIENCE_SECONDS)
        assert ready, f"nothing more was shown: {self.screen!r}"
        try:
            chunk = os.read(self.keyboard, 4096)
        except OSError:  # Linux's way to say that the other end is closed
            return False
        self.screen += chunk.decode()
        return bool(chunk)


@contextmanager
def at_a_terminal(*arguments: str, environment: Mapping[str, str]) -> Iterator[Session]:
    """Start `b2bpilot` with these arguments; stdin, stdout and stderr are the terminal."""
    command = [sys.executable, "-m", "b2bpilot", *arguments]
    settings = {"PYTHONPATH": str(ROOT), "TERM": "dumb", "COLUMNS": "1000", **environment}
    with a_process_at_a_terminal(command, environment=settings) as session:
        yield session


@contextmanager
def a_process_at_a_terminal(command: Sequence[str], *, environment: Mapping[str, str]) -> Iterator[Session]:
    """Start a program that has these variables and no others."""
    ours, theirs = pty.openpty()
    try:
        with subprocess.Popen(
            command, stdin=theirs, stdout=theirs, stderr=theirs, env=environment, start_new_session=True
        ) as process:
            os.close(theirs)
            try:
                yield Session(process, ours)
            finally:
                process.kill()
    finally:
        os.close(ours)
