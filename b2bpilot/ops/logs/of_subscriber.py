"""The logs of a subscriber: the log groups that its functions' configurations name."""

from __future__ import annotations

from collections.abc import Sequence

from b2bpilot.advice import our_command
from b2bpilot.aws.function_settings import function_settings
from b2bpilot.aws.logs import PAUSES, LogGroup
from b2bpilot.aws.policies import where
from b2bpilot.aws.session import Timeouts
from b2bpilot.errors import AwsError, Refused
from b2bpilot.ops.environment import Environment
from b2bpilot.ops.subscribers.discovery import Subscriber
from b2bpilot.ops.subscribers.naming import resource_name
from b2bpilot.pipeline.arn import account_of

TIMEOUTS = Timeouts(connect_seconds=3, read_seconds=10, attempts=3)


def groups_of(
    subscriber: Subscriber, environment: Environment, *, pauses: Sequence[float] = PAUSES
) -> dict[str, LogGroup]:
    """Return each function's log, by the subscriber's name where it has one function. Raises Refused where nothing of it has a
    log within reach, and AwsError."""
    functions = list(subscriber.function_arns)
    if not functions:
        raise _no_function(subscriber)
    name = subscriber.name if len(functions) == 1 else None
    return {name or resource_name(arn): _group(arn, environment, pauses) for arn in functions}


def _no_function(subscriber: Subscriber) -> AwsError | Refused:
    if subscriber.errors:
        return AwsError(
            f"which function subscriber {subscriber.name} has is not known: {'; '.join(subscriber.errors)}",
            hint="docs/iam.md has the permissions that it takes",
        )
    why = "no function takes from its queue" if subscriber.queue_arn else "it is no function and no queue"
    return Refused(
        f"subscriber {subscriber.name} has no log: {why}",
        hint=our_command("subscribers") + " shows what it is",
    )


def _group(arn: str, environment: Environment, pauses: Sequence[float]) -> LogGroup:
    """A function that is gone leaves the log that Lambda gives by its name."""
    account = account_of(arn)
    if account != environment.stack.account_id:
        raise Refused(
            f"{resource_name(arn)} is in account {account}, this environment in {environment.stack.account_id}: its log is "
            "out of reach",
            hint="whoever owns that account can read it",
        )
    access = where(environment.access, arn)
    settings = function_settings(access.client("lambda", TIMEOUTS), arn)
    name = settings.log_group if settings else f"/aws/lambda/{resource_name(arn)}"
    return LogGroup(access.client("logs", TIMEOUTS), name, pauses=pauses)
