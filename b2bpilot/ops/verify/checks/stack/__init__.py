"""The checks of the category `stack`, in the order in which they are shown."""

from __future__ import annotations

from b2bpilot.ops.verify.checks.stack import secrets, stack

CHECKS = (*stack.CHECKS, *secrets.CHECKS)
