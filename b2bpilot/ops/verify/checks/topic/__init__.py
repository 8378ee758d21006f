"""The checks of the category `topic`, in the order in which they are shown."""

from __future__ import annotations

from b2bpilot.ops.verify.checks.topic import deliveries, subscriptions, topic

CHECKS = (*topic.CHECKS, *subscriptions.CHECKS, *deliveries.CHECKS)
