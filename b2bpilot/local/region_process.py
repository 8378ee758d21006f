"""A process that runs the functions of one region of a pair, and comes back when it dies."""

from __future__ import annotations

import dataclasses
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

import psutil

from b2bpilot.errors import LocalEnvironmentError
from b2bpilot.local.runtime.server import RuntimeServer
from b2bpilot.local.shell import for_a_child
from b2bpilot.pipeline.waiting import pause

MODULE = "b2bpilot.local.region_main"
"""What it runs; after it comes the region's name."""
LOOK_SECONDS = 0.1
AGAIN_SECONDS = 0.5
STOP_SECONDS = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class RegionOrder:
    """What the process is told, as a JSON document on its standard input. `folders`: a subscriber's folder for each
    function that it has."""

    region: str
    endpoint_url: str
    access_key_id: str
    secret_access_key: str = field(repr=False)
    outputs: Mapping[str, str]
    events: str
    socket: int
    runtime_key: str = field(repr=False)
    handlers: Sequence[str]
    variables: Mapping[str, str] = field(repr=False)
    folders: Mapping[str, str]
    replies: bool
    time_scale: float


class RegionProcess:
    """Begins at once. Killed, it begins anew, as Lambda does; not while the region's emulator is stopped: a region that is
    down comes back as a whole."""

    def __init__(self, order: RegionOrder, server: RuntimeServer, *, emulator_pid: int, lock: int) -> None:
        """`server` has the port, and is answered from the process."""
        self._order = order
        self._server = server
        self._emulator_pid = emulator_pid
        self._lock = lock
        self._ending = threading.Event()
        self._changing = threading.Lock()
        self._process = self._begun()
        self._watch = threading.Thread(target=self._look_after, name=f"region {order.region}", daemon=True)

    def wait_until_ready(self) -> None:
        """Return when its webhook answers. Raises LocalEnvironmentError."""
        if not _says_ready(self._process):
            raise LocalEnvironmentError(
                f"the functions of {self._order.region} did not start", hint="see what it printed above"
            )
        self._watch.start()

    def stop(self) -> None:
        """Close its standard input, which is the same signal as our death, and wait for its end."""
        self._ending.set()
        with self._changing:
            process = self._process
        _close(process)
        process.send_signal(signal.SIGCONT)
        process.wait(STOP_SECONDS)
        if self._watch.is_alive():
            self._watch.join(STOP_SECONDS)

    def _look_after(self) -> None:
        while True:
            self._process.wait()
            self._server.refuse()
            while _is_stopped(self._emulator_pid) and not self._ending.is_set():
                pause(LOOK_SECONDS, woken_by=self._ending)
            with self._changing:
                if self._ending.is_set():
                    return
                _close(self._process)
                self._process = self._begun()
            if not _says_ready(self._process):
                pause(AGAIN_SECONDS, woken_by=self._ending)

    def _begun(self) -> subprocess.Popen[bytes]:
        process = subprocess.Popen(  # noqa: S603  # nosec B603  # our own module
            [sys.executable, "-m", MODULE, self._order.region],
            env=for_a_child(os.environ),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            pass_fds=(self._order.socket, self._lock),
            start_new_session=True,
        )
        assert process.stdin is not None  # noqa: S101  # nosec B101  # for the type checker: it was asked for
        with suppress(BrokenPipeError):
            process.stdin.write(json.dumps(dataclasses.asdict(self._order)).encode() + b"\n")
            process.stdin.flush()
        return process


def _says_ready(process: subprocess.Popen[bytes]) -> bool:
    """Wait for its one line; without it, it has ended."""
    assert process.stdout is not None  # noqa: S101  # nosec B101  # for the type checker: it was asked for
    with process.stdout as said:
        return bool(said.readline())


def _close(process: subprocess.Popen[bytes]) -> None:
    assert process.stdin is not None  # noqa: S101  # nosec B101  # for the type checker: it was asked for
    with suppress(BrokenPipeError):
        process.stdin.close()


def _is_stopped(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() == psutil.STATUS_STOPPED
    except psutil.NoSuchProcess:
        return False
