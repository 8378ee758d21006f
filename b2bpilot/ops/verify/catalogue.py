"""All checks, in the order in which they are shown."""

from __future__ import annotations

from b2bpilot.ops.verify import (
    access,
    alarms,
    asynchronous,
    database,
    dead_letters,
    deliveries,
    end_to_end,
    letters,
    processing,
    processor,
    rows,
    secret,
    stack,
    stale,
    subscription,
    topic,
    twilio,
    webhook,
)
from b2bpilot.ops.verify.check import Check, Severity

ON_THE_WAY: tuple[Check, ...] = (
    *stack.CHECKS,
    *secret.CHECKS,
    *webhook.CHECKS,
    *topic.CHECKS,
    *subscription.CHECKS,
    *processor.CHECKS,
    *asynchronous.CHECKS,
    *database.CHECKS,
)
"""What a message passes: where one of these has failed, a test message would only fail again, or be lost."""


def _by_code(*groups: tuple[Check, ...]) -> list[Check]:
    """A category that several modules share, in one row."""
    return sorted((check for group in groups for check in group), key=lambda check: check.code)


CHECKS: tuple[Check, ...] = (
    *access.CHECKS,
    *stack.CHECKS,
    *secret.CHECKS,
    *webhook.CHECKS,
    *topic.CHECKS,
    *subscription.CHECKS,
    *deliveries.CHECKS,
    *_by_code(processor.CHECKS, asynchronous.CHECKS, processing.CHECKS),
    *_by_code(dead_letters.CHECKS, letters.CHECKS),
    *stale.CHECKS,
    *database.CHECKS,
    *rows.CHECKS,
    *alarms.CHECKS,
    *twilio.CHECKS,
    *end_to_end.checks(tuple(check.code for check in ON_THE_WAY if check.severity is Severity.FATAL)),
)
