"""How many calls at once the processor can take from a redrive."""

from __future__ import annotations

from b2bpilot.advice import Words, our_command
from b2bpilot.errors import Refused
from b2bpilot.ops.ports import Reserved
from b2bpilot.ops.redrive.routes import Route

SHARE_OF_RESERVE = 0.8
"""New messages keep coming while a redrive runs: a fifth of the function is left to them."""


TURN_ON = our_command("verify", "--only", "processor") + " gives the command that turns it on again"


def reserve_of(function: Reserved, *, hint: Words = TURN_ON) -> int | None:
    """Return how many runs at once the function is given, as AWS says now: somebody may have paused it since the deploy.

    Raises Refused when it is paused, and AwsError.
    """
    reserve = function.reserved_concurrency()
    if reserve == 0:
        raise Refused(
            f"{function.name} has a reserved concurrency of 0: it takes no event",
            hint=hint,
        )
    return reserve


def concurrency_for(
    route: type[Route], function: Reserved, *, asked: int | None, hint: Words = TURN_ON
) -> int:
    """Return how many calls may be under way: runs that are waited for stay under the function's reserve, whatever was asked for.

    Raises Refused when the function is paused, and AwsError.
    """
    reserve, most = reserve_of(function, hint=hint), asked or route.concurrency
    if route.answers and reserve is not None:
        return min(most, max(1, int(reserve * SHARE_OF_RESERVE)))
    return most
