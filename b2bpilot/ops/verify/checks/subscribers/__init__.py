"""The checks of the category `subscribers`, in the order in which they are shown: of all subscribers but the processor."""

from __future__ import annotations

from b2bpilot.ops.verify.checks.subscribers import alarms, dead_letters, delivery, endpoints, retries, stacks

CHECKS = (
    *endpoints.CHECKS,
    *delivery.CHECKS,
    *dead_letters.CHECKS,
    *retries.CHECKS,
    *alarms.CHECKS,
    *stacks.CHECKS,
)
