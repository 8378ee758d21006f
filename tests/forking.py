"""The process that has imported our programs, the emulator's parts and AWS's command line, and forks for each order.

`python -m tests.forking SOCKET`; tests/forked.py sends the orders. It ends when its standard input does.
"""

from __future__ import annotations

import atexit
import contextlib
import gc
import importlib
import json
import logging
import os
import pkgutil
import runpy
import selectors
import signal
import socket
import subprocess
import sys
import threading
import time
import warnings
from typing import Any, NoReturn

from b2bpilot.local import emulator_process
from tests import forked
from tests.aws_clients import read_models

PACKAGES = (
    "b2bpilot.cli",
    "b2bpilot.ops",
    "b2bpilot.pipeline",
    "b2bpilot.aws",
    "b2bpilot.twilio",
    "b2bpilot.local",
)
MODULES = (
    *(
        "botocore.parsers",
        "psycopg",
        "rich.console",
        "rich.table",
        "twilio.rest",
        "b2bpilot.local.environment",
    ),
    *("b2bpilot.local.demo", "b2bpilot.local.packages"),
    *("samtranslator.translator.transform", "hypercorn.asyncio", "hypercorn.protocol.ws_stream", "docker"),
    *("cryptography.hazmat.primitives.serialization", "defusedxml.ElementTree", "jsonata", "requests"),
    *("awscli.clidriver", "awscli.handlers"),
)
"""What the emulator needs, too; not itself, as it reads variables and starts threads when it is imported."""
SIGNALS = {signal.SIGINT, signal.SIGTERM}
STARTS_THE_EMULATOR = "b2bpilot.local"
SETS_VARIABLES = "awscli"
"""When it is imported."""
READ_BYTES = 1 << 20
FILES = 32
ABOVE_ALL = 500
"""From here on nobody has file descriptors."""


def import_all() -> None:
    for package in map(importlib.import_module, PACKAGES):
        for found in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            if not found.name.endswith("__main__"):
                importlib.import_module(found.name)
    for name in MODULES:
        importlib.import_module(name)
    assert (threading.active_count(), logging.root.handlers) == (1, [])


class _Subprocess:
    """What the emulator is started with: forked as well."""

    Popen = forked.Forked
    PIPE, STDOUT = subprocess.PIPE, subprocess.STDOUT


class Forking:
    def __init__(self, address: str) -> None:
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(address)
        self._listener.listen(64)
        self._running: dict[int, socket.socket] = {}
        self._woken, wakes = socket.socketpair()
        wakes.setblocking(False)
        self._wakes = wakes
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(wakes.fileno(), warn_on_full_buffer=False)

    def serve(self) -> dict[str, Any] | None:
        """Return each child's order in the child, and None here at the end."""
        with selectors.DefaultSelector() as selector:
            for source in (self._listener, self._woken, sys.stdin):
                selector.register(source, selectors.EVENT_READ)
            while True:
                for key, _ in selector.select():
                    if key.fileobj is sys.stdin:
                        return None
                    if key.fileobj is self._woken:
                        self._woken.recv(READ_BYTES)
                        self._reap()
                    elif order := self._fork():
                        return order

    def _fork(self) -> dict[str, Any] | None:
        connection, _ = self._listener.accept()
        text, files, _, _ = socket.recv_fds(connection, READ_BYTES, FILES)
        if not text:  # somebody only looked for the address
            connection.close()
            return None
        while not text.endswith(b"\n"):
            text += connection.recv(READ_BYTES)
        # What a child hears before it is ready to, it hears then: the callbacks of a fork swallow exceptions.
        signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
        process = os.fork()
        if process == 0:
            return dict(json.loads(text), files=files)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
        for number in files:
            os.close(number)
        self._running[process] = connection
        self._say(connection, process)
        self._reap()
        return None

    def _reap(self) -> None:
        with contextlib.suppress(ChildProcessError):
            while (ended := os.waitpid(-1, os.WNOHANG))[0]:
                if ended[0] in self._running:
                    connection = self._running.pop(ended[0])
                    self._say(connection, ended[1])
                    connection.close()

    def _say(self, connection: socket.socket, number: int) -> None:
        with contextlib.suppress(OSError):  # whoever asked may have ended
            connection.sendall(f"{number}\n".encode())

    def forget(self) -> None:
        """Be nothing of it any more, in a child."""
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        for each in (self._listener, self._woken, self._wakes, *self._running.values()):
            each.close()


def become(order: dict[str, Any]) -> None:
    if order["is_leader"]:
        os.setsid()
    os.environ.clear()
    os.environ.update(order["environ"])
    time.tzset()
    os.chdir(order["folder"])
    _take(order["files"], order["numbers"])
    sys.stdin = os.fdopen(0, closefd=False)
    sys.stdout, sys.stderr = os.fdopen(1, "w", closefd=False), os.fdopen(2, "w", buffering=1, closefd=False)
    sys.__stdin__, sys.__stdout__, sys.__stderr__ = sys.stdin, sys.stdout, sys.stderr


def _take(files: list[int], numbers: list[int]) -> None:
    """Each file descriptor that came, under the number that it has where it came from."""
    above = [ABOVE_ALL + place for place in range(len(files))]
    for file, number in zip(files, above, strict=True):
        os.dup2(file, number)
        os.close(file)
    for file, number in zip(above, numbers, strict=True):
        os.dup2(file, number)
        os.close(file)


def run(order: dict[str, Any]) -> NoReturn:
    """As `python -m` does, but that nothing is taken down at the end that ends with the process anyhow."""
    become(order)
    forked.address = sys.argv[1]
    if order["module"] == STARTS_THE_EMULATOR:
        emulator_process.subprocess = _Subprocess()  # type: ignore[assignment]
    if order["module"] == SETS_VARIABLES:
        importlib.reload(sys.modules[SETS_VARIABLES])
    sys.argv = [order["module"], *order["arguments"]]
    code: object = 0
    try:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", r".* found in sys\.modules", RuntimeWarning)
            runpy.run_module(order["module"], run_name="__main__", alter_sys=True)
    except SystemExit as end:
        code = end.code
    if not isinstance(code, int | None):
        sys.stderr.write(f"{code}\n")
        code = 1
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    with contextlib.suppress(OSError, ValueError):  # closed
        sys.stdout.flush()
    os._exit(code or 0)


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.default_int_handler)
    import_all()
    read_models()
    gc.collect()
    gc.freeze()
    forking = Forking(sys.argv[1])
    os.write(1, b"ready\n")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    if found := forking.serve():
        forking.forget()
        run(found)
