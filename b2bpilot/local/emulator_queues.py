"""The AWS/SQS metrics of ministack's queues, by AWS's definitions: once a minute, and at once when a count changes."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

REPORT_SECONDS = 60.0
ACTIVE_SECONDS = 6 * 3_600.0
"""A queue that is empty and that nobody touches has no points after that."""
MOST_RECEIVES = 3
"""Received so often and not deleted, a message does not count for the age of the oldest
(docs/aws-facts.md#age-of-the-oldest)."""

Record = Callable[[str, str, float, str, dict[str, str]], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    visible: int
    hidden: int
    delayed: int

    @property
    def total(self) -> int:
        return self.visible + self.hidden + self.delayed


def counts(messages: Sequence[Mapping[str, Any]], *, now: float) -> Counts:
    waiting = [one for one in messages if one.get("visible_at", 0.0) > now]
    delayed = sum(not one.get("receive_count") for one in waiting)
    return Counts(visible=len(messages) - len(waiting), hidden=len(waiting) - delayed, delayed=delayed)


def age_of_oldest(messages: Sequence[Mapping[str, Any]], *, now: float) -> float:
    counted = (
        now - one.get("sent_at", now) for one in messages if one.get("receive_count", 0) < MOST_RECEIVES
    )
    return max(counted, default=0.0)


class QueueMetrics:
    """Remembers what it reported of each queue last."""

    def __init__(self, record: Record) -> None:
        self._record = record
        self._last: dict[str, tuple[float, Counts]] = {}
        self._changed_at: dict[str, float] = {}

    def measure(self, name: str, messages: Sequence[Mapping[str, Any]], *, now: float | None = None) -> bool:
        """Report a queue where it is time to, and tell whether it was."""
        now = time.time() if now is None else now
        found = counts(messages, now=now)
        reported_at, last = self._last.get(name, (0.0, Counts(visible=0, hidden=0, delayed=0)))
        if found != last:
            self._changed_at[name] = now
        elif now - reported_at < REPORT_SECONDS or not self._is_active(name, found, now):
            return False
        self._last[name] = (now, found)
        queue = {"QueueName": name}
        self._record("AWS/SQS", "ApproximateNumberOfMessagesVisible", found.visible, "Count", queue)
        self._record("AWS/SQS", "ApproximateNumberOfMessagesNotVisible", found.hidden, "Count", queue)
        self._record("AWS/SQS", "ApproximateNumberOfMessagesDelayed", found.delayed, "Count", queue)
        self._record(
            "AWS/SQS", "ApproximateAgeOfOldestMessage", age_of_oldest(messages, now=now), "Seconds", queue
        )
        return True

    def _is_active(self, name: str, found: Counts, now: float) -> bool:
        return bool(found.total) or now - self._changed_at.get(name, -math.inf) < ACTIVE_SECONDS
