"""What a proxy can be told to do."""

from __future__ import annotations

import random
import re
import threading
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class CallFault(StrEnum):
    """What becomes of one HTTP call. BEFORE means that nobody got it, AFTER that it was done and nobody was told."""

    DROPPED_BEFORE = "dropped before"
    DROPPED_AFTER = "dropped after"
    LATE = "late"
    """Nobody is told, and it is done when nobody waits for it any more."""
    ERROR_BEFORE = "500 before"
    ERROR_AFTER = "500 after"
    UNAVAILABLE = "503"
    THROTTLED = "throttled"
    DENIED = "denied"
    DUPLICATED = "duplicated"
    TRUNCATED = "truncated"
    PARTIAL = "partial batch"
    """One entry of a batch is not done, and said to have failed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """Nothing of it is in the way by default. Shares are of calls, or of pieces of a byte stream."""

    refuse: bool = False
    """New connections are closed."""
    hold: bool = False
    """Nothing passes, in either direction, and nobody is told: a black hole."""
    cut: float = 0.0
    """Share of the pieces at which a connection ends."""
    delay_seconds: float = 0.0
    calls: Mapping[CallFault, float] = field(default_factory=dict)
    only: str = ""
    """A pattern: other operations pass."""

    def fault_of(self, operation: str, drawn: float) -> CallFault | None:
        if not re.search(self.only, operation):
            return None
        for fault, share in self.calls.items():
            if drawn < share:
                return fault
            drawn -= share
        return None


NONE = Trouble()


class Control:
    """A proxy's current trouble, its dice, and what came of them. Safe for threads."""

    def __init__(self, seed: str) -> None:
        self._chance = random.Random(seed)
        self._changed = threading.Condition()
        self._trouble = NONE
        self.injected: Counter[str] = Counter()

    @property
    def trouble(self) -> Trouble:
        return self._trouble

    @trouble.setter
    def trouble(self, trouble: Trouble) -> None:
        with self._changed:
            self._trouble = trouble
            self._changed.notify_all()

    def wait_while_held(self) -> None:
        with self._changed:
            self._changed.wait_for(lambda: not self._trouble.hold)

    def draw(self) -> float:
        with self._changed:
            return self._chance.random()

    def count(self, what: str) -> None:
        with self._changed:
            self.injected[what] += 1
