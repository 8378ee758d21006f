"""The checks of `b2bpilot verify` that look into a gap: the one place where their codes stand."""

from __future__ import annotations

NOT_SUBSCRIBED = "B2B034"
NOT_CONFIRMED = "B2B035"
FILTERED = "B2B036"
NEVER_DELIVERED = "B2B038"
"""What SNS itself counts as not delivered: nothing else tells why."""
SNS_LOST = "B2B039"
LAMBDA_LOST = "B2B056"
"""What neither SNS nor Lambda could write to the dead-letter queue: no line and no dead letter is left of it."""
DEAD_LETTER_MISSING = "B2B042"
STALE_RUNS = "B2B072"
SIGNATURE = "B2B024"
CREDENTIALS = "B2B090"
WEBHOOK_ANSWERS = "B2B023"
ROUTE = "B2B091"
WEBHOOK_ROLE = "B2B026"
