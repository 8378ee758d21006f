"""Sending a batch, and again, more slowly, what AWS throttled of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from b2bpilot.ops.ports import Throttleable
from b2bpilot.ops.sending.pace import Pace, PaceEnded

THROTTLE_ATTEMPTS = 8

Item = TypeVar("Item")
Result = TypeVar("Result", bound=Throttleable)


def send_batch(
    items: Sequence[Item], send: Callable[[Sequence[Item]], list[Result]], *, pace: Pace
) -> list[Result]:
    """Send, and send again what was throttled: a full function is no failure of the message (docs/aws-facts.md#throttled-runs).

    `send` returns result N for item N, and so does this. What is still throttled when the attempts are used up or the run is
    interrupted stays so.
    """
    results = send(items)
    for _ in range(THROTTLE_ATTEMPTS):
        throttled = [number for number, result in enumerate(results) if result.is_throttled]
        if not throttled:
            pace.succeeded()
            break
        try:
            pace.throttled()
        except PaceEnded:
            break
        for number, result in zip(throttled, send([items[n] for n in throttled]), strict=True):
            results[number] = result
    return results
