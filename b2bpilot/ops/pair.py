"""The other side of an environment that is deployed in two regions: the same account, the same name, another region."""

from __future__ import annotations

from b2bpilot.errors import AwsError, UsageError
from b2bpilot.ops.asking import Inquiry, InquiryAnswer
from b2bpilot.ops.environment import Environment, discover

PARAMETER = "PairRegion"
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


def require_other(environment: Environment) -> Environment:
    """Return the other side, for what makes no sense without it. Raises UsageError where there is none, and AwsError where it
    does not answer."""
    answer = other_side(environment)
    if answer is None:
        raise no_pair(environment)
    if answer.value is None:
        raise AwsError(f"the other side, {environment.stack.pair_region}, does not answer: {answer.error}")
    return answer.value


def no_pair(environment: Environment) -> UsageError:
    """Return what is to be raised where both sides were asked for, and there is one."""
    stack = environment.stack
    return UsageError(
        f"{stack.stack_name} in {stack.region} names no other side",
        hint=f"deploy it with {PARAMETER}, the region of the other one; or leave out what asks for both",
    )
