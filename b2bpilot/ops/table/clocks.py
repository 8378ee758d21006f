"""Two clocks compared: ours, by which a request was accepted, and the database's, by which its row was completed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

LOOKS = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Offset:
    """What the database's clock is ahead by, and how far that may be off: half of the fastest question's time."""

    ahead: timedelta
    error: timedelta

    def ours(self, theirs: datetime) -> datetime:
        """Return our time of a moment by the database's clock."""
        return theirs - self.ahead


def compare(database_now: Callable[[], datetime], *, clock: Callable[[], datetime]) -> Offset:
    """Ask a few times and believe the fastest answer. Raises DatabaseError."""
    return min((_look(database_now, clock) for _ in range(LOOKS)), key=lambda offset: offset.error)


def _look(database_now: Callable[[], datetime], clock: Callable[[], datetime]) -> Offset:
    before = clock()
    theirs = database_now()
    took = clock() - before
    return Offset(ahead=theirs - (before + took / 2), error=took / 2)
