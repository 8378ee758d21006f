"""The checks of `b2bpilot verify` that look into a gap: the one place where their codes stand."""

from __future__ import annotations

NEVER_DELIVERED = "B2B031"
"""The subscription of the processor: there, confirmed, with a policy that lets messages through, allowed to invoke."""
FILTERED = "B2B031"
LETTER_MISSING = "B2B040"
"""The dead-letter queue: both ways into it."""
STALE_RUNS = "B2B050"
"""The schedule of the stale processor."""
SIGNATURE = "B2B060"
"""The webhook's URL and token, as Twilio and the functions have them."""
