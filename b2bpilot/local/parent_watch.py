"""Ending with the process that started this one."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

READ_BYTES = 4096


def end_when_input_closes() -> None:
    """Send ourselves SIGTERM when standard input ends: its other end closes when the parent dies, however it dies."""
    threading.Thread(target=_watch, name="parent-watch", daemon=True).start()


def _watch() -> None:
    while os.read(sys.stdin.fileno(), READ_BYTES):
        pass
    os.kill(os.getpid(), signal.SIGTERM)


@contextmanager
def sigterm_interrupts() -> Iterator[None]:
    """Let `kill` end things in order, as Ctrl-C does, also while they start."""
    previous = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, previous)
