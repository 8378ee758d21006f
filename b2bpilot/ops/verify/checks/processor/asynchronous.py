"""Checks of the category `processor`: how many runs at a time, and what becomes of events that wait or fail."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from b2bpilot.aws.function_settings import LONGEST_AGE_SECONDS, MOST_RETRIES, EventInvoke
from b2bpilot.aws.function_settings import event_invoke as read_event_invoke
from b2bpilot.aws.functions import Function
from b2bpilot.aws.stack import UNRESERVED
from b2bpilot.ops.verify.check import Answer, Category, Check, Severity, fails, holds
from b2bpilot.ops.verify.checks.processor.lanes import called, of_both
from b2bpilot.ops.verify.commands import document, literal
from b2bpilot.ops.verify.deployment import Deployment
from b2bpilot.plural import many

if TYPE_CHECKING:
    from types_boto3_lambda import LambdaClient

READ_CONCURRENCY = ("lambda:GetFunctionConcurrency",)
READ_EVENT_INVOKE = ("lambda:GetFunctionEventInvokeConfig",)
RESERVE = (
    "aws lambda put-function-concurrency --function-name {processor_function_name} "
    "--reserved-concurrent-executions {processor_reserved_concurrency}"
)
RESERVE_NOTHING = "aws lambda delete-function-concurrency --function-name {processor_function_name}"
PUT_EVENT_INVOKE = (
    "aws lambda put-function-event-invoke-config --function-name {processor_function_name} "
    f"--maximum-retry-attempts {MOST_RETRIES} --maximum-event-age-in-seconds {LONGEST_AGE_SECONDS}"
)


def _reserve(deployment: Deployment, name: str) -> int | None:
    client: LambdaClient = deployment.client("lambda")
    reserve: int | None = deployment.ask(
        ("reserve", name), lambda: Function(client, name).reserved_concurrency()
    )
    return reserve


def _may_run(deployment: Deployment, name: str) -> Answer:
    reserve = _reserve(deployment, name)
    if reserve == 0:
        return fails(
            f"{called(deployment, name)}'s reserved concurrency is 0: Lambda runs nothing and makes every message a dead letter",
            fix=_reserve_command(deployment, name),
        )
    return holds("no reserve of its own" if reserve is None else f"{reserve} at a time")


def _wanted(deployment: Deployment, name: str) -> str:
    stack = deployment.stack
    is_express = name == stack.express_function_name
    return stack.express_reserved_concurrency if is_express else stack.processor_reserved_concurrency


def _reserved_as_deployed(deployment: Deployment, name: str) -> Answer:
    reserve, wanted = _reserve(deployment, name), _wanted(deployment, name)
    if reserve is None and wanted == UNRESERVED:
        return holds(
            "no reserve, as deployed: a flood may take as many database connections as the account has runs"
        )
    if str(reserve) == wanted:
        return holds(f"{wanted} at a time")
    told = "nothing is reserved" if reserve is None else f"{reserve} at a time are reserved"
    return fails(
        f"{told} for {called(deployment, name)}; the stack says {wanted}",
        fix=_reserve_command(deployment, name),
    )


def _reserve_command(deployment: Deployment, name: str) -> str:
    return RESERVE_NOTHING if _wanted(deployment, name) == UNRESERVED else RESERVE


def _whose(deployment: Deployment, name: str) -> str:
    return "express: " if name == deployment.stack.express_function_name else ""


def _event_invoke(deployment: Deployment, name: str) -> EventInvoke:
    settings: EventInvoke = deployment.ask(
        ("event invoke", name), lambda: read_event_invoke(deployment.client("lambda"), name)
    )
    return settings


def _retries(deployment: Deployment, name: str) -> Answer:
    settings = _event_invoke(deployment, name)
    if settings.retries == MOST_RETRIES:
        return holds(f"{MOST_RETRIES} more runs")
    return fails(
        f"{_whose(deployment, name)}Lambda runs a failed message again {many(settings.retries, 'time')} instead of {MOST_RETRIES}",
        fix=_event_invoke_command(deployment, name),
    )


def _age(deployment: Deployment, name: str) -> Answer:
    settings = _event_invoke(deployment, name)
    if settings.age_seconds == LONGEST_AGE_SECONDS:
        return holds("6 h")
    return fails(
        f"{_whose(deployment, name)}Lambda keeps a waiting message for {settings.age_seconds} s instead of {LONGEST_AGE_SECONDS} s",
        fix=_event_invoke_command(deployment, name),
    )


def _no_destination(deployment: Deployment, name: str) -> Answer:
    target = _event_invoke(deployment, name).on_failure
    if target is None:
        return holds("the dead-letter queue alone gets what failed")
    return fails(
        f"{_whose(deployment, name)}what failed goes to {target} as well",
        fix=_event_invoke_command(deployment, name),
    )


def _event_invoke_command(deployment: Deployment, name: str) -> str:
    """Put overwrites all of it (docs/aws-facts.md#event-invoke-configuration): a destination for successes is repeated."""
    kept = _event_invoke(deployment, name).on_success
    if kept is None:
        return PUT_EVENT_INVOKE
    destination = document({"OnSuccess": {"Destination": kept}})
    return f"{PUT_EVENT_INVOKE} {literal('--destination-config', destination)}"


check = partial(Check, category=Category.PROCESSOR, actions=READ_EVENT_INVOKE, needs=("B2B040",))

CHECKS = (
    check(
        code="B2B046",
        statement="the processor's reserved concurrency is not 0",
        why="0 is Lambda's off switch, but messages do not wait: they become dead letters.",
        fix=RESERVE,
        probe=of_both(_may_run),
        actions=READ_CONCURRENCY,
    ),
    check(
        code="B2B047",
        statement="the processor's reserved concurrency is the stack's",
        why="Each run holds a database connection: more may exhaust them, fewer let messages wait.",
        fix=RESERVE,
        probe=of_both(_reserved_as_deployed),
        severity=Severity.WARNING,
        actions=READ_CONCURRENCY,
        needs=("B2B046",),
    ),
    check(
        code="B2B048",
        statement="Lambda runs a failed message again, twice",
        why="With fewer retries a short outage of the database fills the dead-letter queue.",
        fix=PUT_EVENT_INVOKE,
        probe=of_both(_retries),
    ),
    check(
        code="B2B049",
        statement="Lambda keeps a waiting message for 6 h",
        why="What waits longer, while the processor is busy or throttled, becomes a dead letter.",
        fix=PUT_EVENT_INVOKE,
        probe=of_both(_age),
    ),
    check(
        code="B2B050",
        statement="there is no on-failure destination besides the dead-letter queue",
        why="Both would receive every failure, and redriving both runs it twice.",
        fix=PUT_EVENT_INVOKE,
        probe=of_both(_no_destination),
    ),
)
