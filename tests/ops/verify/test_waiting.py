"""Waiting for what can still become true, and for nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest

from b2bpilot.ops.verify.check import Answer, Check, CheckResult, Severity, Status, fails, holds
from b2bpilot.ops.verify.deployment import Deployment
from b2bpilot.ops.verify.runner import Runner
from b2bpilot.ops.verify.waiting import run_until
from tests.clock import StillClock
from tests.ops.verify.deployments import check, deployment


def in_turn(*answers: Answer) -> tuple[list[Deployment], Check]:
    """A check that answers so, the last answer again and again; and the worlds that it was asked in."""
    left: Iterator[Answer] = iter(answers)
    last, worlds = answers[-1], []

    def probe(at: Deployment) -> Answer:
        worlds.append(at)
        return next(left, last)

    return worlds, check("B2B901", probe)


pytestmark = pytest.mark.usefixtures("clock")


def wait(*checks: Check, seconds: float = 60, strict: bool = False) -> list[CheckResult]:
    return list(run_until(Runner(checks), deployment(), wait=timedelta(seconds=seconds), strict=strict))


LATER = fails("not yet", may_change=True)


def test_it_looks_again_until_it_is_true() -> None:
    worlds, becomes_true = in_turn(LATER, LATER, holds("now"))

    assert [one.status for one in wait(becomes_true)] == [Status.OK]
    assert len({id(one.once) for one in worlds}) == 3, "each look asks anew"


def test_what_is_true_is_not_asked_again_while_others_are_waited_for() -> None:
    worlds, steady = in_turn(holds("so"))
    _, becomes_true = in_turn(LATER, LATER, holds("now"))
    steady = check("B2B902", steady.probe)

    assert [one.status for one in wait(steady, becomes_true)] == [Status.OK, Status.OK]
    assert len(worlds) == 1


def test_what_needs_a_waiting_check_is_looked_at_when_that_is_true() -> None:
    _, becomes_true = in_turn(LATER, holds("now"))

    found = wait(becomes_true, check("B2B902", needs=("B2B901",)))

    assert [one.status for one in found] == [Status.OK, Status.OK]


def test_it_ends_at_once_when_something_is_hopeless(clock: StillClock) -> None:
    _, becomes_true = in_turn(LATER, holds("now"))

    found = wait(becomes_true, check("B2B902", lambda _: fails("never")))

    assert [one.status for one in found] == [Status.FAILED, Status.FAILED]
    assert clock.pauses == []


def test_it_ends_when_the_time_is_over(clock: StillClock) -> None:
    _, never = in_turn(LATER)

    assert [one.status for one in wait(never, seconds=9)] == [Status.FAILED]
    assert clock.now < 9


def test_a_warning_is_waited_for_only_when_it_counts() -> None:
    def warning() -> Check:
        _, later = in_turn(LATER, holds("now"))
        return check("B2B901", later.probe, severity=Severity.WARNING)

    assert [one.status for one in wait(warning())] == [Status.WARNING]
    assert [one.status for one in wait(warning(), strict=True)] == [Status.OK]


def test_without_a_wait_results_come_as_they_are_found() -> None:
    asked: list[str] = []

    def second(_: Deployment) -> Answer:
        asked.append("second")
        return holds("so")

    results = run_until(Runner([check("B2B901"), check("B2B902", second)]), deployment(), wait=timedelta())

    assert next(results).check.code == "B2B901"
    assert next(results).check.code == "B2B902"
