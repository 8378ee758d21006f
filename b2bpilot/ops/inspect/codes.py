"""The checks of `b2bpilot verify` that look into a gap: the one place where their codes stand."""

from __future__ import annotations

NOT_SUBSCRIBED = "B2B034"
NOT_CONFIRMED = "B2B035"
FILTERED = "B2B036"
NEVER_DELIVERED = "B2B038"
"""What SNS itself counts as not delivered: nothing else tells why."""
LETTER_MISSING = "B2B042"
STALE_RUNS = "B2B072"
SIGNATURE = "B2B024"
