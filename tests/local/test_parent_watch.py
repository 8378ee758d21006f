"""An environment ends in order when it is told to, whatever it is doing at that moment."""

from __future__ import annotations

import os
import signal
import sys
import threading

import pytest

from b2bpilot.local.parent_watch import sigterm_interrupts

WITHIN_SECONDS = 30


class EndedInItsDestructor:
    """It gets a signal there, and the exception of the handler is dropped."""

    def __init__(self, number: signal.Signals) -> None:
        self._number = number

    def __del__(self) -> None:
        os.kill(os.getpid(), self._number)
        for _ in range(10_000):
            pass


def _get_and_wait(number: signal.Signals) -> None:
    EndedInItsDestructor(number)
    threading.Event().wait(WITHIN_SECONDS)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_what_a_destructor_drops_interrupts_a_moment_later(number: signal.Signals) -> None:
    with sigterm_interrupts(), pytest.raises(KeyboardInterrupt):
        _get_and_wait(number)


def test_afterwards_everything_is_as_before() -> None:
    numbers = (signal.SIGTERM, signal.SIGALRM, signal.SIGINT)
    before = sys.unraisablehook, *map(signal.getsignal, numbers)
    with sigterm_interrupts():
        pass

    assert (sys.unraisablehook, *map(signal.getsignal, numbers)) == before
