"""One environment per home directory: a lock that lasts until the last process of the environment is gone."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

import psutil

from b2bpilot.advice import our_command
from b2bpilot.errors import LocalEnvironmentError
from b2bpilot.pipeline.waiting import wait_until

LOCK_FILE = "lock"
POLL_SECONDS = 0.05
LEFTOVER_SECONDS = 60


class HomeLock:
    """Children that must be gone before the next `up` inherit `fileno`; a lock that the kernel keeps cannot be stale."""

    def __init__(self, home: Path) -> None:
        self._descriptor = os.open(home / LOCK_FILE, os.O_RDWR | os.O_CREAT, 0o600)

    def fileno(self) -> int:
        return self._descriptor

    def acquire(self) -> None:
        """Take the lock and write our process id into it. Waits for what a killed environment left behind to end: asking again
        and again, because flock waits for ever or not at all, and a live owner is to be named at once."""
        if not wait_until(self._try_or_name, seconds=LEFTOVER_SECONDS, pause_seconds=POLL_SECONDS):
            raise LocalEnvironmentError("processes of an earlier local environment do not end")
        os.truncate(self._descriptor, 0)
        os.pwrite(self._descriptor, str(os.getpid()).encode(), 0)

    def owner(self) -> int | None:
        """The process id of the environment that holds the lock; None when nobody does."""
        if self._try():
            fcntl.flock(self._descriptor, fcntl.LOCK_UN)
            return None
        return self._owner()

    def wait_until_free(self, *, timeout_seconds: float) -> bool:
        """Try until it is free: flock waits for ever or not at all."""
        return wait_until(lambda: self.owner() is None, seconds=timeout_seconds, pause_seconds=POLL_SECONDS)

    def close(self) -> None:
        os.close(self._descriptor)

    def _try_or_name(self) -> bool:
        """Raises LocalEnvironmentError that names a live owner."""
        if self._try():
            return True
        pid = self._owner()
        if pid is not None and psutil.pid_exists(pid):
            raise LocalEnvironmentError(
                f"a local environment already runs here (process {pid})",
                hint="use it, or end it with " + our_command("local", "down"),
            )
        return False

    def _try(self) -> bool:
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def _owner(self) -> int | None:
        text = os.pread(self._descriptor, 32, 0).decode()
        return int(text) if text.isdigit() else None
