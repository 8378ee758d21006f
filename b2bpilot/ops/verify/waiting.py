"""Looking again until what is not true yet has become true, or cannot any more."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import timedelta

from b2bpilot.ops.verify.check import CheckResult, Status
from b2bpilot.ops.verify.deployment import Deployment
from b2bpilot.ops.verify.runner import Runner
from b2bpilot.pipeline.waiting import monotonic, pause

PAUSE_SECONDS = 2.0

Observe = Callable[[Sequence[CheckResult], float], None]
"""Hears what stands in the way, and how many seconds of waiting are left."""


def run_until(
    runner: Runner,
    deployment: Deployment,
    *,
    wait: timedelta,
    strict: bool = False,
    observe: Observe = lambda _results, _seconds: None,
) -> Iterator[CheckResult]:
    """Yield the results of the last look.

    Only what can still become true is looked at again, as long as nothing else stands in the way and `wait` is not over;
    without any `wait`, results come as they are found.
    """
    if not wait:
        yield from runner.run(deployment)
        return
    deadline = monotonic() + wait.total_seconds()
    results = list(runner.run(deployment))
    while is_worth_waiting(results, strict=strict) and monotonic() + PAUSE_SECONDS < deadline:
        observe([one for one in results if _is_in_the_way(one, strict=strict)], deadline - monotonic())
        pause(PAUSE_SECONDS)
        deployment = deployment.again()
        results = list(runner.run(deployment, _settled(results)))
    yield from results


def is_worth_waiting(results: Sequence[CheckResult], *, strict: bool = False) -> bool:
    """Something is not true yet, and nothing that is not true is hopeless."""
    in_the_way = [one for one in results if _is_in_the_way(one, strict=strict)]
    return bool(in_the_way) and all(one.may_change for one in in_the_way)


def _is_in_the_way(result: CheckResult, *, strict: bool) -> bool:
    return result.status is Status.FAILED or (strict and result.status is Status.WARNING)


def _settled(results: Sequence[CheckResult]) -> Mapping[str, CheckResult]:
    """What another look would find again: a skipped check, too, unless what it needs may change."""
    return {
        result.check.code: result for result in results if result.status is Status.OK or not result.may_change
    }
