"""Checks of the category `processor`: what the function and Lambda's own queue before it did in the last day."""

from __future__ import annotations

import json
from datetime import timedelta
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING

from b2bpilot.advice import Words, our_command
from b2bpilot.aws.function_settings import FunctionSettings
from b2bpilot.aws.logs import LogGroup
from b2bpilot.ops.verify.check import Answer, Category, Check, Severity, fails, holds, unanswered
from b2bpilot.ops.verify.checks.processor.lanes import called, of_both
from b2bpilot.ops.verify.deployment import Deployment
from b2bpilot.ops.verify.functions import READ, existing
from b2bpilot.ops.verify.log_groups import ACTIONS as LOG_ACTIONS
from b2bpilot.ops.verify.log_groups import are_kept
from b2bpilot.ops.verify.measured import ACTIONS as METRIC_ACTIONS
from b2bpilot.ops.verify.measured import count, event_age, of_function, points
from b2bpilot.plural import many

if TYPE_CHECKING:
    from types_boto3_logs import CloudWatchLogsClient

MOST_REPORTS = 1_000
HOUR = timedelta(hours=1)
MOST_MEMORY = 0.8
ERRORS = our_command("logs", "processor", "--since", "24h", "--level", "error")
ERRORS_OF_EXPRESS = our_command("logs", "express", "--since", "24h", "--level", "error")
LONGEST_WAIT = timedelta(minutes=10)


def _memory(deployment: Deployment, name: str) -> Answer:
    """Lambda reports what each run used at most in its container's life."""
    function = existing(deployment, name)
    client: CloudWatchLogsClient = deployment.client("logs")
    group = LogGroup(client, function.log_group, pauses=())
    events = group.events(since=deployment.now - HOUR, until=deployment.now, pattern='"platform.report"')
    reports = [event.text for event in islice(events, MOST_REPORTS)]
    used = [megabytes for text in reports if (megabytes := _used_megabytes(text))]
    if not reports:
        return holds(f"{function.memory_megabytes} MB; no run in the last hour")
    if not used:
        return unanswered(f"the {len(reports):,} reports of the last hour do not say how much was used")
    told = f"{called(deployment, name)} used at most {max(used)} of {function.memory_megabytes} MB in the last hour"
    return (
        holds(told)
        if max(used) <= MOST_MEMORY * function.memory_megabytes
        else fails(told, fix=_more(function))
    )


def _used_megabytes(text: str) -> int | None:
    try:
        return int(json.loads(text)["record"]["metrics"]["maxMemoryUsedMB"])
    except (KeyError, TypeError, ValueError):
        return None


def _more(function: FunctionSettings) -> str:
    return (
        f"aws lambda update-function-configuration --function-name {function.name} "
        f"--memory-size {min(2 * function.memory_megabytes, 10_240)}"
    )


def _count(deployment: Deployment, name: str, metric: str) -> int:
    return count(deployment, of_function(name, metric))


def _nothing_dropped(deployment: Deployment, name: str) -> Answer:
    dropped = _count(deployment, name, "AsyncEventsDropped")
    return (
        fails(f"Lambda gave up {many(dropped, 'message')}{_for(deployment, name)} in the last day")
        if dropped
        else holds("none in the last day")
    )


def _dead_letters_written(deployment: Deployment, name: str) -> Answer:
    lost = _count(deployment, name, "DeadLetterErrors")
    return (
        fails(f"{many(lost, 'dead letter')}{_for(deployment, name)} of the last day not written, and lost")
        if lost
        else holds("none was lost")
    )


def _no_errors(deployment: Deployment, name: str) -> Answer:
    errors, runs = _count(deployment, name, "Errors"), _count(deployment, name, "Invocations")
    told = f"{errors:,} of {many(runs, 'run')}{_for(deployment, name)} failed in the last day"
    return fails(told, fix=_errors_of(deployment, name)) if errors else holds(told)


def _errors_of(deployment: Deployment, name: str) -> Words:
    return ERRORS_OF_EXPRESS if name == deployment.stack.express_function_name else ERRORS


def _for(deployment: Deployment, name: str) -> str:
    return " of the express processor" if name == deployment.stack.express_function_name else ""


def _no_throttles(deployment: Deployment, name: str) -> Answer:
    throttles = _count(deployment, name, "Throttles")
    return (
        fails(f"{called(deployment, name)} was throttled {many(throttles, 'time')} in the last day")
        if throttles
        else holds("none in the last day")
    )


def _no_queue(deployment: Deployment, name: str) -> Answer:
    ages = [point.value / 1000 for point in points(deployment, event_age(name), within=HOUR)]
    if not ages:
        return holds("nothing came in the last hour")
    told = f"messages waited at most {max(ages):,.0f} s for {called(deployment, name)} in the last hour"
    return holds(told) if max(ages) < LONGEST_WAIT.total_seconds() else fails(told, may_change=True)


check = partial(Check, category=Category.PROCESSOR, actions=METRIC_ACTIONS, needs=("B2B010",))

CHECKS = (
    check(
        code="B2B053",
        statement="the processor uses at most four fifths of its memory",
        why="A run that needs more is killed, and its message becomes a dead letter after three.",
        probe=of_both(_memory),
        severity=Severity.WARNING,
        actions=(*READ, "logs:FilterLogEvents"),
        needs=("B2B040",),
        unless_failed=("B2B054",),
    ),
    check(
        code="B2B054",
        statement="the processor's log is written and kept for a time",
        why="What went wrong with a message, and our metrics, come from it.",
        probe=of_both(lambda deployment, name: are_kept(deployment, existing(deployment, name))),
        severity=Severity.WARNING,
        actions=LOG_ACTIONS,
        needs=("B2B040",),
    ),
    check(
        code="B2B055",
        statement="Lambda gave up on no message in the last day",
        why="After its tries a message becomes a dead letter; B2B056 tells of those that Lambda could not write.",
        fix=our_command("dlq", "list"),
        probe=of_both(_nothing_dropped),
        severity=Severity.WARNING,
    ),
    check(
        code="B2B056",
        statement="Lambda could write every dead letter of the last day",
        why="What it cannot write it drops. Twilio still has it.",
        fix=our_command("twilio", "reconcile", "--since", "24h", "--publish-missing"),
        probe=of_both(_dead_letters_written),
    ),
    check(
        code="B2B057",
        statement="no run of the processor failed in the last day",
        why="Each message has three runs before it becomes a dead letter.",
        fix=ERRORS,
        probe=of_both(_no_errors),
        severity=Severity.WARNING,
    ),
    check(
        code="B2B058",
        statement="the processor was not throttled in the last day",
        why="Messages waited for a free run; what waits six hours becomes a dead letter.",
        fix=our_command("status"),
        probe=of_both(_no_throttles),
        severity=Severity.WARNING,
    ),
    check(
        code="B2B059",
        statement="no message waited ten minutes for the processor in the last hour",
        why="Lambda's own queue grows: messages come faster than they are stored.",
        fix=our_command("status"),
        probe=of_both(_no_queue),
        severity=Severity.WARNING,
    ),
)
