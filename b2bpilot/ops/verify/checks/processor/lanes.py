"""A question to the processor, asked of the express one as well, where there is one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from b2bpilot.advice import Words
from b2bpilot.ops.verify.check import Answer, Probe, Severity, fails, holds
from b2bpilot.ops.verify.commands import one_after_another
from b2bpilot.ops.verify.deployment import Deployment
from b2bpilot.ops.verify.functions import found, is_ready

NOTHING_IS_LOST = "the processor has every message, and the stale message processor takes up what a run left"
NO_LANE = "there is no express lane"

LaneProbe = Callable[[Deployment, str], Answer]
"""Asks it of the function of that name."""


def called(deployment: Deployment, name: str) -> str:
    """`the processor`, or `the express processor`."""
    return "the express processor" if name == deployment.stack.express_function_name else "the processor"


def of_both(probe: LaneProbe, fix: Words = "", *, is_fatal: bool = False) -> Probe:
    """Return the probe that asks both. `fix` is the check's own command, for the processor.

    What is wrong with the express one alone is a warning, unless `is_fatal`. One that is not there is B2B193's to tell.
    """

    def asked(deployment: Deployment) -> Answer:
        stack = deployment.stack
        first = probe(deployment, stack.processor_function_name)
        express = stack.express_function_name
        if not express or found(deployment, express) is None:
            return first
        return _together(first, probe(deployment, express), fix, is_fatal=is_fatal)

    return asked


def _together(first: Answer, second: Answer, fix: Words, *, is_fatal: bool) -> Answer:
    if second.is_true is not False:
        is_told = first.is_true and second.seen != first.seen
        return replace(first, seen=f"{first.seen}; express: {second.seen}") if is_told else first
    of_second = _of_express(fix or None if second.fix is None else second.fix)
    if first.is_true is not False:
        if is_fatal:
            return replace(second, fix=of_second)
        told = f"{second.seen}; {NOTHING_IS_LOST}"
        return replace(second, seen=told, fix=of_second, severity=Severity.WARNING)
    fixes = [one for one in (first.fix or fix, of_second) if one]
    return replace(
        first,
        seen=f"{first.seen}; {second.seen}",
        fix=one_after_another(dict.fromkeys(fixes)) if fixes else first.fix,
        may_change=first.may_change and second.may_change,
    )


def _of_express(fix: Words | None) -> Words | None:
    return fix.replace("{processor_", "{express_") if isinstance(fix, str) else fix


def express_is_ready(deployment: Deployment) -> Answer:
    name = deployment.stack.express_function_name
    if not name:
        return holds(NO_LANE)
    if found(deployment, name) is None:
        return fails(
            f"there is no function {name}, which the stack has: {NOTHING_IS_LOST}, urgent ones wait as all do, and SNS makes a "
            "dead letter of each. Deploy with ExpressConcurrency 0, and then with what you want",
            fix="",
        )
    return is_ready(deployment, name)
