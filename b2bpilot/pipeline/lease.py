"""How long a run may keep a message to itself."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

RETRY_PAUSES: Final = (timedelta(seconds=60), timedelta(seconds=120))
"""How long after a failed run Lambda starts the next one (docs/aws-facts.md#retries)."""

LONGEST_LEASE: Final = timedelta(seconds=50)
"""Over before Lambda's first retry, so that the retry takes over a run that died without a word. A run that lives longer is
fenced off by the row's `attempts` once another has claimed the message."""


def lease(*, remaining: timedelta, longest: timedelta) -> timedelta:
    """Return the lease of a run that has so much time left."""
    return min(remaining, longest)
