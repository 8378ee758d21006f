"""What a drill does, and when."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from b2bpilot.errors import UsageError

MOST_PER_SECOND = 100
"""The double and both sides share this machine."""


class PairSide(StrEnum):
    """Which one, as Twilio calls it for a number."""

    PRIMARY = "primary"
    FALLBACK = "fallback"


@dataclass(frozen=True, slots=True, kw_only=True)
class DrillPlan:
    """Messages a second; the rest in seconds since the first of them."""

    rate: float
    seconds: float
    side: PairSide
    stop_at: float
    back_at: float

    def require(self) -> None:
        """Raises UsageError."""
        if not 0 < self.rate <= MOST_PER_SECOND:
            raise UsageError(
                f"--rate: {self.rate:g} is not between 0 and {MOST_PER_SECOND} messages a second"
            )
        if not self.stop_at < self.back_at <= self.seconds:
            raise UsageError(
                f"--stop {self.stop_at:g} s, --back {self.back_at:g} s, --seconds {self.seconds:g}: not in this order",
                hint="stop a side before it comes back, and let it come back before the traffic ends",
            )
