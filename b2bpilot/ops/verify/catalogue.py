"""All checks, in the order in which they are shown."""

from __future__ import annotations

from b2bpilot.ops.verify.check import Check
from b2bpilot.ops.verify.checks import (
    access,
    alarms,
    database,
    dead_letters,
    end_to_end,
    pair,
    processor,
    stack,
    stale,
    subscribers,
    topic,
    twilio,
    webhook,
)

CATEGORIES = (
    access,
    stack,
    webhook,
    topic,
    processor,
    dead_letters,
    stale,
    database,
    alarms,
    subscribers,
    twilio,
    end_to_end,
    pair,
)
"""Later ones stand on earlier ones."""

CHECKS: tuple[Check, ...] = tuple(check for category in CATEGORIES for check in category.CHECKS)
