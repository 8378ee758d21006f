"""Checks of the category `stack`: is there a deployment, is it whole, and is it this version's."""

from __future__ import annotations

from b2bpilot.ops.verify.check import Answer, Category, Check, holds
from b2bpilot.ops.verify.world import World


def _exists(world: World) -> Answer:
    return holds(f"{world.stack.stack_name} with all outputs")


CHECKS = (
    Check(
        code="B2B010",
        category=Category.STACK,
        statement="the stack exists and has the outputs of this version",
        why="Everything else is found through them.",
        mend="sam build && sam deploy --config-env {environment}",
        probe=_exists,
        actions=("cloudformation:DescribeStacks",),
        needs=("B2B001",),
    ),
)
