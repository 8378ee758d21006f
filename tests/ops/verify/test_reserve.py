"""The processor's reserve, and a processor without one."""

from __future__ import annotations

from dataclasses import replace

import pytest

from b2bpilot.aws.stack import UNRESERVED
from b2bpilot.ops.verify.check import Status
from tests.ops.verify.deployments import STACK, deployment, seen

PROCESSOR = STACK.processor_function_name


@pytest.mark.parametrize(
    ("wanted", "reserve", "status", "fixed_by"),
    [
        ("10", 10, Status.OK, None),
        ("10", None, Status.WARNING, "put-function-concurrency"),
        ("10", 3, Status.WARNING, "put-function-concurrency"),
        (UNRESERVED, None, Status.OK, None),
        (UNRESERVED, 10, Status.WARNING, "delete-function-concurrency"),
    ],
)
def test_the_reserve_is_compared_with_the_stacks(
    wanted: str, reserve: int | None, status: Status, fixed_by: str | None
) -> None:
    stack = replace(STACK, processor_reserved_concurrency=wanted)
    result = seen("B2B047", deployment(known={"stack": stack, ("reserve", PROCESSOR): reserve}))

    assert result.status is status
    assert (fixed_by or "") in (result.fix or "")


def test_a_stopped_processor_without_a_reserve_of_the_stacks_is_started_by_taking_it_away() -> None:
    stack = replace(STACK, processor_reserved_concurrency=UNRESERVED)

    result = seen("B2B046", deployment(known={"stack": stack, ("reserve", PROCESSOR): 0}))

    assert (result.fix or "").endswith(
        "delete-function-concurrency --function-name " + STACK.processor_function_name
    )
