"""Ending with the process that started this one."""

from __future__ import annotations

import os
import signal
import sys
import threading

READ_BYTES = 4096


def end_when_input_closes() -> None:
    """Send ourselves SIGTERM when standard input ends: its other end closes when the parent dies, however it dies."""
    threading.Thread(target=_watch, name="parent-watch", daemon=True).start()


def _watch() -> None:
    while os.read(sys.stdin.fileno(), READ_BYTES):
        pass
    os.kill(os.getpid(), signal.SIGTERM)
