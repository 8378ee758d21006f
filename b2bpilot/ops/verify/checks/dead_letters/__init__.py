"""The checks of the category `dead-letters`, in the order in which they are shown."""

from __future__ import annotations

from b2bpilot.ops.verify.checks.dead_letters import archives, queue, redriver, sharing, waiting

CHECKS = tuple(
    sorted(
        (*queue.CHECKS, *waiting.CHECKS, *sharing.CHECKS, *archives.CHECKS, *redriver.CHECKS),
        key=lambda check: check.code,
    )
)
