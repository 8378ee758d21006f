"""What a function is set to, read through Lambda's public API."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types_boto3_lambda import LambdaClient

MAXIMUM_EVENT_AGE_SECONDS = 21_600
MAXIMUM_RETRY_ATTEMPTS = 2
REFRESH_SECONDS = 1.0


class FunctionMissing(Exception):
    """Lambda has no function of this name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FunctionConfiguration:
    name: str
    arn: str
    handler: str
    timeout_seconds: float = 3
    memory_mb: int = 128
    log_group: str
    log_level: str = "INFO"
    reserved_concurrency: int | None = None
    dead_letter_arn: str | None = None
    maximum_retry_attempts: int = MAXIMUM_RETRY_ATTEMPTS
    maximum_event_age_seconds: int = MAXIMUM_EVENT_AGE_SECONDS
    environment: Mapping[str, str] = field(default_factory=dict)
    code_sha256: str = ""
    most_containers: int = 50
    """So many run at once; who comes then waits for one of them, where AWS would start another. It bounds memory."""


Configurations = Callable[[str], FunctionConfiguration]
"""Return a function's configuration by its name, or raise FunctionMissing."""


def read_configuration(client: LambdaClient, name: str) -> FunctionConfiguration:
    """Ask Lambda; the event invoke settings are a call of their own and may not exist."""
    try:
        function = client.get_function(FunctionName=name)
    except client.exceptions.ResourceNotFoundException as missing:
        raise FunctionMissing(name) from missing
    configuration = function["Configuration"]
    logging = configuration.get("LoggingConfig", {})
    retries, age = _event_invoke_settings(client, name)
    return FunctionConfiguration(
        name=name,
        arn=configuration["FunctionArn"],
        handler=configuration.get("Handler", ""),
        timeout_seconds=configuration.get("Timeout", 3),
        memory_mb=configuration.get("MemorySize", 128),
        log_group=logging.get("LogGroup") or f"/aws/lambda/{name}",
        log_level=logging.get("ApplicationLogLevel") or "INFO",
        reserved_concurrency=function.get("Concurrency", {}).get("ReservedConcurrentExecutions"),
        dead_letter_arn=configuration.get("DeadLetterConfig", {}).get("TargetArn") or None,
        maximum_retry_attempts=retries,
        maximum_event_age_seconds=age,
        environment=configuration.get("Environment", {}).get("Variables", {}),
        code_sha256=configuration.get("CodeSha256", ""),
    )


def _event_invoke_settings(client: LambdaClient, name: str) -> tuple[int, int]:
    try:
        settings = client.get_function_event_invoke_config(FunctionName=name)
    except client.exceptions.ResourceNotFoundException:
        return MAXIMUM_RETRY_ATTEMPTS, MAXIMUM_EVENT_AGE_SECONDS
    return (
        settings.get("MaximumRetryAttempts", MAXIMUM_RETRY_ATTEMPTS),
        settings.get("MaximumEventAgeInSeconds", MAXIMUM_EVENT_AGE_SECONDS),
    )


class ConfigurationCache:
    """Remembers answers for a second, so that a change through the public API takes effect without a call per event.

    One thread asks again; the others go on with what is known meanwhile.
    """

    def __init__(self, read: Configurations, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._read = read
        self._clock = clock
        self._lock = threading.Lock()
        self._answers: dict[str, tuple[float, FunctionConfiguration]] = {}

    def __call__(self, name: str) -> FunctionConfiguration:
        with self._lock:
            known = self._answers.get(name)
            if known and self._clock() - known[0] < REFRESH_SECONDS:
                return known[1]
            if known:
                self._answers[name] = (self._clock(), known[1])
        configuration = self._read(name)
        with self._lock:
            self._answers[name] = (self._clock(), configuration)
        return configuration
