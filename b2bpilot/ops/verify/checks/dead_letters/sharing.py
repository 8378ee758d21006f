"""A check of the category `dead-letters`: whether other subscribers send theirs into this environment's queue."""

from __future__ import annotations

from b2bpilot.ops.owner import endpoint_name
from b2bpilot.ops.subscribers.health import others
from b2bpilot.ops.verify.check import Answer, Category, Check, Severity, fails, holds
from b2bpilot.ops.verify.deployment import Deployment
from b2bpilot.ops.verify.subscribers import OWNERS, asked_of, of_others, readable


def _unshared(deployment: Deployment) -> Answer:
    stack = deployment.stack
    foreign = others(asked_of(deployment), stack)
    sharing = [one for one in foreign if readable(one).redrive_target_arn == stack.dead_letter_queue_arn]
    if not sharing:
        return holds("no other subscription of the topic does")
    told = ", ".join(f"{endpoint_name(one.protocol, one.endpoint)} ({one.arn})" for one in sharing)
    found = fails(
        f"another subscriber sends its dead letters into the queue: {told}; its owner has to give it a queue of its own",
        fix="",
    )
    return of_others(deployment, found)


CHECKS = (
    Check(
        code="B2B105",
        category=Category.DEAD_LETTERS,
        statement="no other subscriber sends its dead letters into the queue",
        why="Nobody redrives them from there, and the owner of those that name no subscription is unknown.",
        probe=_unshared,
        severity=Severity.WARNING,
        actions=OWNERS,
        needs=("B2B030",),
    ),
)
