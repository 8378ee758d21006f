"""Python programs as processes that start at once: one process of the run has imported what they need, and forks for each.

What a new process has, these have, too: a process id, signals, limits, pipes and an end of their own, and the variables that
they are given. They do not have a command line of their own (`ps`), and what Python reads from variables when it starts.
"""

from __future__ import annotations

import inspect
import json
import os
import select
import socket
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.once import PROCESS, kept_open, once

ROOT = Path(__file__).parents[1]


PIPES = ("p2cread", "p2cwrite", "c2pread", "c2pwrite", "errread", "errwrite")
_NAMES = inspect.signature(subprocess.Popen._execute_child)  # type: ignore[attr-defined]


class Forked(subprocess.Popen[Any]):
    """subprocess's Popen, for `[sys.executable, "-m", module, ...]`."""

    def _execute_child(self, *given: Any) -> None:  # type: ignore[override]  # by the names that it gives them
        of = _NAMES.bind(self, *given).arguments
        python, _, module, *arguments = of["args"]
        assert (python, of["executable"], of["preexec_fn"], of["shell"]) == (
            sys.executable,
            None,
            None,
            False,
        )
        order = {
            "module": module,
            "arguments": arguments,
            "environ": dict(os.environ if of["env"] is None else of["env"]),
            "folder": str(of["cwd"] or Path.cwd()),
            "is_leader": of["start_new_session"],
            "numbers": [0, 1, 2, *of["pass_fds"]],
        }
        theirs = (of["p2cread"], of["c2pwrite"], of["errwrite"])
        opened = [number if file == -1 else file for number, file in enumerate(theirs)]
        self._connection = connect()
        socket.send_fds(self._connection, [json.dumps(order).encode() + b"\n"], [*opened, *of["pass_fds"]])
        self._close_pipe_fds(*(of[name] for name in PIPES))  # type: ignore[attr-defined]
        self._child_created = True
        self.pid = self._hear()

    def _hear(self) -> int:
        line = b""
        while not line.endswith(b"\n"):
            said = self._connection.recv(1)
            assert said, "the process that forks has ended"
            line += said
        return int(line)

    def _try_wait(self, wait_flags: int) -> tuple[int, int]:
        if wait_flags & os.WNOHANG and not select.select([self._connection], [], [], 0)[0]:
            return 0, 0
        status = self._hear()
        self._connection.close()
        return self.pid, status

    def _internal_poll(self, _deadstate: int | None = None, **_: Any) -> int | None:
        if self.returncode is None and self._waitpid_lock.acquire(False):
            try:
                process, status = self._try_wait(os.WNOHANG)
                if process:
                    self._handle_exitstatus(status)
            finally:
                self._waitpid_lock.release()
        return self.returncode


def connect() -> socket.socket:
    found = socket.socket(socket.AF_UNIX)
    found.connect(address or str(once("forking", _start) / "socket"))
    return found


address = ""
"""Where they are forked, in a forked process."""


def _start(folder: Path) -> None:
    """It ends with all processes of the run, whichever of them started it."""
    folder.mkdir()
    command = [sys.executable, "-m", "tests.forking", str(folder / "socket")]
    environ = {"PATH": os.environ["PATH"], "HOME": str(folder), "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(
        command, stdin=kept_open(), stdout=subprocess.PIPE, env=environ, cwd=ROOT, start_new_session=True
    )
    (folder / PROCESS).write_text(str(process.pid))
    assert process.stdout
    with process.stdout as said:
        assert said.readline() == b"ready\n", "see its error above"
    process.returncode = 0  # it may outlive this process; the run waits for it


PROGRAMS = {"aws": "awscli", "b2bpilot": "b2bpilot"}
LAUNCHER = """#!{python} -IS
import json, os, socket, sys
order = {{"module": {module!r}, "arguments": sys.argv[1:], "environ": dict(os.environ), "folder": os.getcwd()}}
with socket.socket(socket.AF_UNIX) as connection:
    connection.connect({address!r})
    order |= {{"is_leader": False, "numbers": [0, 1, 2]}}
    socket.send_fds(connection, [json.dumps(order).encode() + b"\\n"], [0, 1, 2])
    process, status = connection.makefile()
sys.exit(os.waitstatus_to_exitcode(int(status)))
"""


def path() -> str:
    """A shell's PATH on which the programs are forked. What waits for one may not kill it: it would kill the launcher."""
    return f"{once('programs', _write_launchers)}{os.pathsep}{os.environ['PATH']}"


def _write_launchers(folder: Path) -> None:
    folder.mkdir()
    with connect() as connection:
        address = connection.getpeername()
    for name, module in PROGRAMS.items():
        launcher = folder / name
        launcher.write_text(LAUNCHER.format(python=sys.executable, module=module, address=address))
        launcher.chmod(0o755)


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


def run(*arguments: str, environ: dict[str, str], started: Callable[[int], object] = lambda _: None) -> Ended:
    """Run one of our commands to its end. `started` hears its process id."""
    variables = {"PATH": os.environ["PATH"]} | environ
    with Forked(
        [sys.executable, "-m", "b2bpilot", *arguments],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=variables, cwd=ROOT,
    ) as process:  # fmt: skip
        started(process.pid)
        output, errors = process.communicate()
    return Ended(arguments=arguments, code=process.returncode, output=output, errors=errors)
