"""Ending with the process that started this one."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

READ_BYTES = 4096
AGAIN_SECONDS = 0.1


def end_when_input_closes() -> None:
    """Send ourselves SIGTERM when standard input ends: its other end closes when the parent dies, however it dies."""
    threading.Thread(target=_watch, name="parent-watch", daemon=True).start()


def _watch() -> None:
    while os.read(sys.stdin.fileno(), READ_BYTES):
        pass
    os.kill(os.getpid(), signal.SIGTERM)


@contextmanager
def sigterm_interrupts() -> Iterator[None]:
    """Let `kill` end things in order, as Ctrl-C does, also while they start.

    Either may come while a destructor runs, or a callback of the garbage collector's: Python drops what these raise
    (https://docs.python.org/3/library/sys.html#sys.unraisablehook). Then it is raised again a moment later.
    """
    handlers = {
        number: signal.signal(number, signal.default_int_handler)
        for number in (signal.SIGTERM, signal.SIGALRM)
    }
    hook, sys.unraisablehook = sys.unraisablehook, _interrupt_again
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        sys.unraisablehook = hook
        for number, handler in handlers.items():
            signal.signal(number, handler)


def _interrupt_again(dropped: sys.UnraisableHookArgs) -> None:
    if isinstance(dropped.exc_value, KeyboardInterrupt):
        signal.setitimer(signal.ITIMER_REAL, AGAIN_SECONDS)
    else:
        sys.__unraisablehook__(dropped)
