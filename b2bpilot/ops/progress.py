"""How far a command is: the one channel between what works and what shows it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum


class Phase(StrEnum):
    """What is being done, or was just done."""

    LOOKING = "looking"
    """At the queue."""
    SENDING = "sending"
    PART_ENDED = "part ended"
    """Of the sending; `text` says which, and how."""
    PROVING = "proving"
    """By the rows: `done` are decided."""
    NOTICE = "notice"
    """`text` is to be shown, whatever else is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProgressEvent:
    """`done` of `total`; with `has_more` the total grows later. Comes from any thread."""

    phase: Phase
    done: int = 0
    total: int = 0
    failed: int = 0
    has_more: bool = False
    text: str = ""


Report = Callable[[ProgressEvent], None]


def quiet(_: ProgressEvent) -> None:
    """Show nothing."""


class SendCounter:
    """Counts what the workers' threads sent, and reports it."""

    def __init__(self, report: Report = quiet) -> None:
        self._report = report
        self._done = self._failed = self._total = 0
        self._has_more = False
        self._lock = threading.Lock()

    def expect(self, items: int, *, has_more: bool) -> None:
        self._total += items
        self._has_more = has_more

    def sent(self, items: int, *, failed: int) -> None:
        with self._lock:
            self._done += items
            self._failed += failed
            self._tell(Phase.SENDING)

    def part_ended(self, text: str) -> None:
        self._tell(Phase.PART_ENDED, text)

    def stopping(self) -> None:
        """Say why nothing seems to happen after an interruption, before the calls that are under way are waited for."""
        self._tell(Phase.NOTICE, "stopping: nothing more is sent; waiting for the calls that are under way")

    def _tell(self, phase: Phase, text: str = "") -> None:
        self._report(
            ProgressEvent(
                phase=phase,
                done=self._done,
                total=self._total,
                failed=self._failed,
                has_more=self._has_more,
                text=text,
            )
        )
