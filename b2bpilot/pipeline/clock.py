"""Other hosts' clocks, as their answers tell them: what a host dates is compared with its own clock, never with this
machine's."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

Machine = Callable[[], datetime]
"""Tells this machine's time."""

TO_THE_SECOND = timedelta(seconds=1)
"""As exact as the Date of an answer is."""
WORTH_SAYING = timedelta(minutes=1)
NO_TIME = timedelta()


def machine_time() -> datetime:
    """The only place that reads this machine's clock."""
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ahead:
    """By how much a host's clock is ahead of this machine's: at least, and at most."""

    least: timedelta
    most: timedelta

    @property
    def middle(self) -> timedelta:
        return (self.least + self.most) / 2

    def allows(self, correction: timedelta) -> bool:
        return self.least <= correction <= self.most

    def within(self, other: Ahead) -> Ahead | None:
        """Return what both allow; None when they contradict each other, as a clock was set in between."""
        least, most = max(self.least, other.least), min(self.most, other.most)
        return Ahead(least=least, most=most) if least <= most else None


class HostClock:
    """One host's clock; before its first answer, this machine's. Threads share it."""

    def __init__(self, host: str, *, machine: Machine = machine_time) -> None:
        """`host` is its name in a sentence, such as `AWS`."""
        self.host = host
        self.machine = machine
        self._ahead: Ahead | None = None
        self._correction = NO_TIME
        """One that the answers allow, kept as long as they do: none where both clocks may show the same."""
        self._lock = threading.Lock()

    @property
    def is_known(self) -> bool:
        return self._ahead is not None

    def now(self) -> datetime:
        return self.machine() + self._correction

    def steady(self) -> Machine:
        """Return this clock as it is known now, for measuring: what is heard later corrects it by up to a second at once."""
        correction = self._correction
        return lambda: self.machine() + correction

    def latest(self) -> datetime:
        """Return the latest that it may be there: what the host dated before now is before it."""
        return self.machine() + (self._ahead.most if self._ahead else NO_TIME)

    def machine_ahead(self) -> timedelta:
        """Return by how much this machine's clock is ahead of it; none where both may show the same, or nobody knows."""
        return -self._correction

    def ahead_of(self, other: HostClock) -> timedelta:
        """Return by how much this clock is ahead of another host's; none where both may show the same, or nobody knows."""
        if self._ahead is None or other._ahead is None:
            return NO_TIME
        between = Ahead(
            least=self._ahead.least - other._ahead.most, most=self._ahead.most - other._ahead.least
        )
        return NO_TIME if between.allows(NO_TIME) else between.middle

    def hear(self, date: str | None, *, asked_at: datetime) -> None:
        """Take the Date of an answer to what this machine asked at `asked_at`. One that cannot be read says nothing."""
        if (moment := read_date(date)) is not None:
            self.tell(moment, asked_at=asked_at, exact_to=TO_THE_SECOND)

    def tell(self, moment: datetime, *, asked_at: datetime, exact_to: timedelta = NO_TIME) -> None:
        """Take what the host's clock showed between `asked_at` and now."""
        heard_at = self.machine()
        if heard_at < asked_at:
            return
        found = Ahead(least=moment - heard_at, most=moment + exact_to - asked_at)
        with self._lock:
            self._ahead = (found.within(self._ahead) if self._ahead else None) or found
            if not self._ahead.allows(self._correction):
                self._correction = NO_TIME if self._ahead.allows(NO_TIME) else self._ahead.middle


def read_date(date: str | None) -> datetime | None:
    """Return the time of an HTTP Date; None when there is none."""
    from email.utils import parsedate_to_datetime  # a start-up without answers needs none of it

    try:
        return parsedate_to_datetime(date).astimezone(UTC) if date else None
    except (ValueError, OverflowError):
        return None
