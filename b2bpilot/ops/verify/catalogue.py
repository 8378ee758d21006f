"""All checks, in the order in which they are shown."""

from __future__ import annotations

from b2bpilot.ops.verify import access, database, end_to_end, rows, stack
from b2bpilot.ops.verify.check import Check, Severity

ON_THE_WAY: tuple[Check, ...] = (*stack.CHECKS, *database.CHECKS)
"""What a message passes: where one of these has failed, a test message would only fail again, or be lost."""

CHECKS: tuple[Check, ...] = (
    *access.CHECKS,
    *stack.CHECKS,
    *database.CHECKS,
    *rows.CHECKS,
    *end_to_end.checks(tuple(check.code for check in ON_THE_WAY if check.severity is Severity.FATAL)),
)
