"""All checks, in the order in which they are shown."""

from __future__ import annotations

from b2bpilot.ops.verify import access, end_to_end, stack
from b2bpilot.ops.verify.check import Check

CHECKS: tuple[Check, ...] = (*access.CHECKS, *stack.CHECKS, *end_to_end.checks(()))
