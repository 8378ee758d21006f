"""The checks of the category `processor`, in the order in which they are shown."""

from __future__ import annotations

from b2bpilot.ops.verify.checks.processor import asynchronous, function, last_day

CHECKS = tuple(
    sorted((*function.CHECKS, *asynchronous.CHECKS, *last_day.CHECKS), key=lambda check: check.code)
)
