"""How long a run may keep a message to itself."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

RETRY_PAUSES: Final = (timedelta(seconds=60), timedelta(seconds=120))
"""How long after a failed run Lambda starts the next one (docs/aws-facts.md#retries)."""

QUEUE_TRIES: Final = 5
"""How often the message queue hands out a message before it becomes a dead letter: its redrive policy's maxReceiveCount."""

LONGEST_LEASE: Final = timedelta(seconds=50)
"""Over before Lambda's first retry, so that the retry takes over a run that died without a word. A run that lives longer is
fenced off by the row's `attempts` once another has claimed the message."""


def queue_pause(received: int, *, longest: timedelta) -> timedelta:
    """Return for how long a message that was received so often stays out of sight: the first time as long as Lambda's first
    pause, which outlasts a lease, then twice as long each. After the last try nothing is left to wait for."""
    if received >= QUEUE_TRIES:
        return timedelta()
    return longest * (min(RETRY_PAUSES) / LONGEST_LEASE) * (1 << max(0, received - 1))


def lease(*, remaining: timedelta, longest: timedelta) -> timedelta:
    """Return the lease of a run that has so much time left."""
    return min(remaining, longest)
