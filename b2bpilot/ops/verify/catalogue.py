"""All checks, in the order in which they are shown."""

from __future__ import annotations

from b2bpilot.ops.verify import (
    access,
    alarms,
    archives,
    asynchronous,
    certificates,
    database,
    dead_letters,
    deliveries,
    end_to_end,
    fitness,
    processing,
    processor,
    redriver,
    rows,
    secret,
    sharing,
    stack,
    stale,
    subscription,
    topic,
    twilio,
    waiting_dead_letters,
    webhook,
)
from b2bpilot.ops.verify.check import Check


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
    *_by_code(
        dead_letters.CHECKS, waiting_dead_letters.CHECKS, sharing.CHECKS, archives.CHECKS, redriver.CHECKS
    ),
    *stale.CHECKS,
    *database.CHECKS,
    *certificates.CHECKS,
    *fitness.CHECKS,
    *rows.CHECKS,
    *alarms.CHECKS,
    *twilio.CHECKS,
    *end_to_end.CHECKS,
)
