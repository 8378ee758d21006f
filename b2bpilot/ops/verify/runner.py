"""Running checks side by side, each with its own time limit, and again while they can still become true."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import replace
from datetime import timedelta

from b2bpilot.errors import AwsDenied, AwsThrottled, AwsUnreachable, DatabaseUnreachable, PilotError
from b2bpilot.ops.verify.check import Answer, Check, Result, Severity, Status, fails, unanswered
from b2bpilot.ops.verify.mending import command
from b2bpilot.ops.verify.world import World

CHECK_SECONDS = 20.0
SIDE_BY_SIDE = 12
PAUSE_SECONDS = 2.0
MAY_PASS = (AwsThrottled, AwsUnreachable, DatabaseUnreachable)
"""What another try may not meet again."""

Observe = Callable[[Result], None]


class Runner:
    """Runs checks over a world. A check begins when those that it needs have ended."""

    def __init__(
        self,
        checks: Sequence[Check],
        *,
        check_seconds: float = CHECK_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._checks = checks
        self._check_seconds = check_seconds
        self._clock = clock

    def run(self, world: World) -> Iterator[Result]:
        """Yield each result in the order of the checks, as soon as it and those before it are there."""
        turns = threading.Semaphore(SIDE_BY_SIDE)
        results: dict[str, Future[Result]] = {check.code: Future() for check in self._checks}
        for check in self._checks:
            # A daemon: a probe that hangs must not keep the program from ending.
            threading.Thread(
                target=self._settle, args=(check, world, results, turns), daemon=True, name=check.code
            ).start()
        for check in self._checks:
            yield results[check.code].result()

    def _settle(
        self, check: Check, world: World, results: Mapping[str, Future[Result]], turns: threading.Semaphore
    ) -> None:
        try:
            needed = [results[code].result() for code in check.needs if code in results]
            if missing := [one.check.code for one in needed if one.status in (Status.FAILED, Status.SKIPPED)]:
                reason = f"needs {', '.join(missing)}"
                may_change = any(one.may_change for one in needed)
                result = Result(check=check, status=Status.SKIPPED, seen=reason, may_change=may_change)
            else:
                with turns:
                    result = self._probed(check, world)
            results[check.code].set_result(result)
        except BaseException as exc:  # noqa: BLE001  # whoever waits for the result gets it
            results[check.code].set_exception(exc)

    def _probed(self, check: Check, world: World) -> Result:
        started = self._clock()
        answer: Future[Answer] = Future()
        threading.Thread(target=_probe, args=(check, world, answer), daemon=True).start()
        try:
            found = answer.result(self._check_seconds)
        except TimeoutError:
            found = fails(f"no answer within {self._check_seconds:g} s", may_change=True)
        return replace(_judged(check, found, world), seconds=self._clock() - started)


def run_until(
    runner: Runner,
    world: World,
    *,
    wait: timedelta,
    observe: Observe = lambda _: None,
    refreshed: Callable[[], World],
    pause: Callable[[float], object] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> list[Result]:
    """Run once; then again, until `wait` is over, while nothing but what can still become true stands in the way."""
    deadline = clock() + wait.total_seconds()
    results = [_told(result, observe) for result in runner.run(world)]
    while is_worth_waiting(results) and clock() + PAUSE_SECONDS < deadline:
        pause(PAUSE_SECONDS)
        results = [_told(result, observe) for result in runner.run(refreshed())]
    return results


def is_worth_waiting(results: Sequence[Result]) -> bool:
    """Something is not true yet, and nothing that is not true is hopeless."""
    failed = [result for result in results if result.status is Status.FAILED]
    return bool(failed) and all(result.may_change for result in failed)


def _told(result: Result, observe: Observe) -> Result:
    observe(result)
    return result


def _probe(check: Check, world: World, answer: Future[Answer]) -> None:
    try:
        found = check.probe(world)
    except AwsDenied as exc:
        found = unanswered(f"the caller may not {exc.action or ', '.join(check.actions)}")
    except PilotError as exc:
        found = fails(str(exc), may_change=isinstance(exc, MAY_PASS))
    except Exception as exc:  # noqa: BLE001  # a probe that breaks is one failed check, not the end of all
        found = fails(f"the check itself broke: {type(exc).__name__}: {exc}")
    answer.set_result(found)


def _judged(check: Check, answer: Answer, world: World) -> Result:
    status = _status(check, answer)
    mend = None if status in (Status.OK, Status.SKIPPED) else command(answer.mend or check.mend, world)
    return Result(check=check, status=status, seen=answer.seen, mend=mend, may_change=answer.may_change)


def _status(check: Check, answer: Answer) -> Status:
    if answer.is_true is None:
        return Status.SKIPPED
    if answer.is_true:
        return Status.OK
    return Status.WARNING if check.severity is Severity.WARNING else Status.FAILED
