"""How a function is set up: its configuration, its reserve, and what Lambda does with asynchronous events."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from b2bpilot.aws.attempts import error_code
from b2bpilot.aws.failures import translated

if TYPE_CHECKING:
    from types_boto3_lambda import LambdaClient
    from types_boto3_lambda.type_defs import (
        FunctionConfigurationResponseTypeDef,
        GetFunctionConfigurationRequestTypeDef,
        GetFunctionEventInvokeConfigRequestTypeDef,
    )

MOST_RETRIES, LONGEST_AGE_SECONDS = 2, 21_600
"""Lambda's defaults, which are its limits too (docs/aws-facts.md#retries)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FunctionSettings:
    """`state` is Lambda's word (Active, Pending, Inactive, Failed), `update` that of the last change (Successful,
    InProgress, Failed). The environment may hold secrets."""

    name: str
    arn: str
    role_arn: str
    runtime: str
    timeout_seconds: int
    memory_megabytes: int
    environment: Mapping[str, str] = field(repr=False)
    dead_letter_arn: str | None
    log_group: str
    state: str
    state_reason: str
    update: str
    update_reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EventInvoke:
    """What Lambda does with the function's asynchronous events. A destination is an ARN."""

    retries: int = MOST_RETRIES
    age_seconds: int = LONGEST_AGE_SECONDS
    on_success: str | None = None
    on_failure: str | None = None


def function_settings(client: LambdaClient, name: str) -> FunctionSettings | None:
    """Return how the function is set up, or the version or alias that an ARN ends in; None when there is none of this name.
    Raises AwsError."""
    function, qualifier = _apart(name)
    request: GetFunctionConfigurationRequestTypeDef = {"FunctionName": function}
    if qualifier:
        request["Qualifier"] = qualifier
    with translated("lambda:GetFunctionConfiguration"):
        try:
            found = client.get_function_configuration(**request)
        except ClientError as exc:
            if error_code(exc) != "ResourceNotFoundException":
                raise
            return None
    return _settings(found)


def event_invoke(client: LambdaClient, name: str) -> EventInvoke:
    """Return the settings of $LATEST, or of the version or alias that an ARN ends in, which has its own; Lambda's defaults when it
    has none. Raises AwsError."""
    function, qualifier = _apart(name)
    request: GetFunctionEventInvokeConfigRequestTypeDef = {"FunctionName": function}
    if qualifier:
        request["Qualifier"] = qualifier
    with translated("lambda:GetFunctionEventInvokeConfig"):
        try:
            found = client.get_function_event_invoke_config(**request)
        except ClientError as exc:
            if error_code(exc) != "ResourceNotFoundException":
                raise
            return EventInvoke()
    destinations = found.get("DestinationConfig", {})
    return EventInvoke(
        retries=found.get("MaximumRetryAttempts", MOST_RETRIES),
        age_seconds=found.get("MaximumEventAgeInSeconds", LONGEST_AGE_SECONDS),
        on_success=destinations.get("OnSuccess", {}).get("Destination") or None,
        on_failure=destinations.get("OnFailure", {}).get("Destination") or None,
    )


def _apart(name: str) -> tuple[str, str]:
    parts = name.split(":")
    return ":".join(parts[:7]), ":".join(parts[7:])


def _settings(answer: FunctionConfigurationResponseTypeDef) -> FunctionSettings:
    name = answer["FunctionName"]
    return FunctionSettings(
        name=name,
        arn=answer["FunctionArn"],
        role_arn=answer["Role"],
        runtime=answer.get("Runtime", ""),
        timeout_seconds=answer["Timeout"],
        memory_megabytes=answer["MemorySize"],
        environment=dict(answer.get("Environment", {}).get("Variables", {})),
        dead_letter_arn=answer.get("DeadLetterConfig", {}).get("TargetArn") or None,
        log_group=answer.get("LoggingConfig", {}).get("LogGroup") or f"/aws/lambda/{name}",
        state=answer.get("State", "Active"),
        state_reason=answer.get("StateReason", ""),
        update=answer.get("LastUpdateStatus", "Successful"),
        update_reason=answer.get("LastUpdateStatusReason", ""),
    )
