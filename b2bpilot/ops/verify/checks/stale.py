"""Checks of the category `stale`: what nobody completed is taken up again, every minute."""

from __future__ import annotations

import json
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING

from b2bpilot.advice import our_command
from b2bpilot.aws import schedules
from b2bpilot.aws.function_settings import FunctionSettings
from b2bpilot.aws.logs import LogGroup, LogLine
from b2bpilot.aws.metrics import total
from b2bpilot.aws.schedules import Schedule
from b2bpilot.ops.verify.check import Answer, Category, Check, fails, holds, unanswered
from b2bpilot.ops.verify.commands import aws, document, one_after_another
from b2bpilot.ops.verify.deployment import Deployment
from b2bpilot.ops.verify.functions import (
    READ,
    SIMULATE,
    Grant,
    Reads,
    existing,
    has_timeout,
    is_allowed,
    is_ready,
    is_told,
)
from b2bpilot.ops.verify.measured import ACTIONS as METRIC_ACTIONS
from b2bpilot.ops.verify.measured import of_function, points
from b2bpilot.plural import many

if TYPE_CHECKING:
    from types_boto3_logs import CloudWatchLogsClient
    from types_boto3_scheduler import EventBridgeSchedulerClient

TIMEOUT_SECONDS = 60
READS = Reads(database=True)
EXPRESSION = "rate(1 minute)"
LATELY = timedelta(minutes=10)
FIRST_RUN = timedelta(minutes=3)
"""After a deploy the first run comes within a minute, and its line a little later."""
MOST_LINES = 100
READ_SCHEDULE = ("scheduler:GetSchedule",)


def _function(deployment: Deployment) -> FunctionSettings:
    return existing(deployment, deployment.stack.stale_function_name)


def _ready(deployment: Deployment) -> Answer:
    return is_ready(deployment, deployment.stack.stale_function_name)


def found_schedule(deployment: Deployment) -> Schedule | None:
    client: EventBridgeSchedulerClient = deployment.client("scheduler")
    found: Schedule | None = deployment.ask(
        "schedule", lambda: schedules.schedule(client, deployment.stack.schedule_name)
    )
    return found


def _scheduled(deployment: Deployment) -> Answer:
    schedule, function = found_schedule(deployment), _function(deployment)
    if schedule is None:
        return fails(f"there is no schedule {deployment.stack.schedule_name}")
    wrong = []
    if not schedule.is_enabled:
        wrong.append("the schedule is disabled")
    if schedule.expression != EXPRESSION:
        wrong.append(f"the schedule is {schedule.expression}")
    if schedule.target_arn != function.arn:
        wrong.append(f"the schedule calls {schedule.target_arn}")
    if not wrong:
        return holds(f"{schedule.name}: {schedule.expression}")
    return fails("; ".join(wrong), fix=_schedule_command(schedule, function))


def _schedule_command(schedule: Schedule, function: FunctionSettings) -> str:
    return aws(
        "scheduler", "update-schedule", "--name", schedule.name, "--schedule-expression", EXPRESSION,
        "--flexible-time-window", "Mode=OFF", "--state", "ENABLED",
        "--target", document({**schedule.target, "Arn": function.arn}),
        *(("--description", schedule.description) if schedule.description else ()),
    )  # fmt: skip


def _ran_lately(deployment: Deployment) -> Answer:
    function = _function(deployment)
    line = _last_run(deployment, function)
    if line is not None:
        ago = (deployment.now - line.at).total_seconds()
        return holds(f"{max(ago, 0):,.0f} s ago{_report(line)}")
    if runs := _runs(deployment, function):
        return fails(
            f"{many(runs, 'run')} of the stale processor in the last 10 minutes, none of which came to its end",
            may_change=True,
        )
    schedule = found_schedule(deployment)
    if schedule is not None and deployment.now - schedule.created_at < FIRST_RUN:
        age = (deployment.now - schedule.created_at).total_seconds()
        return unanswered(f"the schedule is {max(age, 0):,.0f} s old; its first run is still to come")
    return fails("no run of the stale processor in the last 10 minutes", may_change=True)


def _last_run(deployment: Deployment, function: FunctionSettings) -> LogLine | None:
    client: CloudWatchLogsClient = deployment.client("logs")
    group = LogGroup(client, function.log_group, pauses=())
    lines = group.lines_with(
        "stale_run", since=deployment.now - LATELY, until=deployment.now, limit=MOST_LINES
    )
    return max(lines, key=lambda line: line.at) if lines else None


def _runs(deployment: Deployment, function: FunctionSettings) -> int:
    return round(total(points(deployment, of_function(function.name, "Invocations"), within=LATELY)))


def _report(line: LogLine) -> str:
    try:
        report = json.loads(line.text)
        return f": {report['published']} published again, {report['backlog']} left"
    except (KeyError, TypeError, ValueError):
        return ""


def _set_up(deployment: Deployment) -> Answer:
    function, stack = _function(deployment), deployment.stack
    answers = [
        has_timeout(function, TIMEOUT_SECONDS),
        is_told(
            function,
            {
                "SNS_TOPIC_ARN": stack.topic_arn,
                **READS.variables(stack),
                "PROCESSOR_FUNCTION_NAME": stack.processor_function_name,
                "STALE_AFTER_MINUTES": stack.stale_after_minutes,
            },
        ),
    ]
    wrong = [answer for answer in answers if not answer.is_true]
    if not wrong:
        return holds(f"{TIMEOUT_SECONDS} s; topic, secret, processor and {stack.stale_after_minutes} minutes")
    told = "; ".join(answer.seen for answer in wrong)
    timeout = aws(
        "lambda", "update-function-configuration", "--function-name", function.name,
        "--timeout", str(TIMEOUT_SECONDS),
    )  # fmt: skip
    commands = [timeout if answer.fix is None else answer.fix for answer in wrong]
    return fails(told, fix=one_after_another(commands) if all(commands) else "")


def _allowed(deployment: Deployment) -> Answer:
    """The function's own role, and the schedule's to call it."""
    function, schedule = _function(deployment), found_schedule(deployment)
    own = [
        Grant(action="sns:Publish", resource=deployment.stack.topic_arn),
        *READS.grants(deployment.stack),
        Grant(action="cloudwatch:GetMetricData", resource="*"),
    ]
    answer = is_allowed(deployment, function.role_arn, own, policy="b2bpilot-stale")
    if schedule is None or not answer.is_true:
        return answer
    call = [Grant(action="lambda:InvokeFunction", resource=function.arn)]
    scheduled = is_allowed(deployment, schedule.role_arn, call, policy="b2bpilot-schedule")
    return holds(f"{answer.seen}; {scheduled.seen}") if scheduled.is_true else scheduled


check = partial(Check, category=Category.STALE, actions=READ, needs=("B2B070",))

CHECKS = (
    check(
        code="B2B070",
        statement="the stale processor is there and ready",
        why="Nothing retries messages whose run was killed.",
        probe=_ready,
        needs=("B2B010",),
    ),
    check(
        code="B2B071",
        statement="a schedule runs the stale processor every minute",
        why="Nothing else calls it.",
        probe=_scheduled,
        actions=(*READ, *READ_SCHEDULE),
    ),
    check(
        code="B2B072",
        statement="the stale processor ran to its end in the last ten minutes",
        why="Then schedule, role, database and topic work together.",
        fix=our_command("logs", "stale", "--since", "1h"),
        probe=_ran_lately,
        actions=(*READ, *READ_SCHEDULE, "logs:FilterLogEvents", *METRIC_ACTIONS),
        unless_failed=("B2B071", "B2B073", "B2B074"),
    ),
    check(
        code="B2B073",
        statement="the stale processor has this stack's settings",
        why="It would publish elsewhere, read another database, or be cut off.",
        probe=_set_up,
    ),
    check(
        code="B2B074",
        statement="the stale processor's role may publish, read the secret and the metrics, and the schedule's may call it",
        why="Else each of its runs fails, or none begins; without the metrics it leaves a message alone for six hours.",
        probe=_allowed,
        actions=(*SIMULATE, *READ_SCHEDULE),
    ),
)
