"""The other side of an environment that is deployed in two regions: the same account, the same name, another region."""

from __future__ import annotations

from b2bpilot.ops.asking import Inquiry, InquiryAnswer
from b2bpilot.ops.environment import Environment, discover

ANSWER_SECONDS = 25
"""Longer than CloudFormation is waited for, so that a side that says nothing is told of in AWS's words."""


def other_side(environment: Environment) -> InquiryAnswer[Environment] | None:
    """Return the environment's stack in its PairRegion, or why it does not answer; None where it has no pair.

    A side that is down, missing or closed to these credentials is an answer, and stops nobody who asks both.
    """
    region = environment.stack.pair_region
    if not region:
        return None
    access = environment.access.in_region(region)
    return Inquiry(lambda: discover(environment.name, access), seconds=ANSWER_SECONDS).answer()
