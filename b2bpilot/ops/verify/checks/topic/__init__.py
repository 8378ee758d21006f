"""The checks of the category `topic`, in the order in which they are shown."""

from __future__ import annotations

from b2bpilot.ops.verify.checks.topic import (
    deliveries,
    express,
    message_queue,
    old_queue,
    subscriptions,
    topic,
)

CHECKS = (
    *topic.CHECKS,
    *subscriptions.CHECKS,
    *express.CHECKS,
    *message_queue.CHECKS,
    *old_queue.CHECKS,
    *deliveries.CHECKS,
)
