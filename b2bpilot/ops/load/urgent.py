"""Messages of high priority in a load: how they are sent, how fast they were stored, and whether an express lane made them so."""

from __future__ import annotations

from dataclasses import replace

from b2bpilot.aws.stack import StackOutputs
from b2bpilot.errors import Refused
from b2bpilot.ops.load.plan import LoadPlan
from b2bpilot.ops.load.report import PromiseCheck, PromiseOutcome, Urgency
from b2bpilot.ops.publish.compose import TEST_PARAMS
from b2bpilot.ops.publish.routes import Via
from b2bpilot.pipeline.message import Priority
from b2bpilot.pipeline.priority import numbers_in
from b2bpilot.plural import many

BACKLOG_MS = 2_000
"""Where normal messages are stored faster, nothing waited that an urgent one could pass."""


def checked(plan: LoadPlan, stack: StackOutputs) -> LoadPlan:
    """Return the plan with the number to which its urgent messages are sent, where the webhook tells them by it. Raises
    UsageError, Refused."""
    plan.check()
    is_by_number = plan.high and plan.via is Via.WEBHOOK
    return replace(plan, high_number=high_number(stack)) if is_by_number else plan


def high_number(stack: StackOutputs) -> str:
    """Return a number of HighPriorityNumbers. Raises Refused where there is none, or where all test messages would be urgent."""
    numbers = numbers_in(stack.high_priority_numbers)
    if not numbers:
        raise Refused(
            "--high: the webhook knows what is urgent by its number, and HighPriorityNumbers names none",
            hint="set it, or use --via topic",
            outcome="Nothing was sent",
        )
    if TEST_PARAMS["To"] in numbers:
        raise Refused(
            f"--high: {TEST_PARAMS['To']}, to which a load sends, is in HighPriorityNumbers: every message would be urgent",
            hint="use --via topic",
            outcome="Nothing was sent",
        )
    return min(numbers)


def passes(urgency: Urgency) -> PromiseCheck:
    """Judge whether urgent messages passed a backlog."""
    verdict, detail = _judged(urgency)
    return PromiseCheck(
        promise="messages of high priority pass a backlog",
        verdict=verdict,
        detail=f"{detail}; {urgency.sentence}",
    )


def _judged(urgency: Urgency) -> tuple[PromiseOutcome, str]:
    high, normal = urgency.p95(Priority.HIGH), urgency.p95(Priority.NORMAL)
    if high is None or normal is None:
        return PromiseOutcome.NOTHING, "no message of each priority was stored"
    told = f"p95 from accept to stored {high:,.0f} ms, of the others {normal:,.0f} ms"
    if urgency.marked < urgency.sent:
        lacking = many(urgency.sent - urgency.marked, "row has", "rows have")
        return PromiseOutcome.UNKNOWN, f"{lacking} not the priority high; {told}"
    if not urgency.lane:
        return PromiseOutcome.NOTHING, told
    if normal < BACKLOG_MS:
        return PromiseOutcome.NOTHING, f"there was no backlog: {told}"
    if high * 2 <= normal:
        return PromiseOutcome.PROVED, told
    return (PromiseOutcome.UNKNOWN if high < normal else PromiseOutcome.BROKEN), told
