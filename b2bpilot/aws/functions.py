"""Invoking a function and telling its own failure from AWS's."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, ClassVar, Self

from botocore.exceptions import ClientError

from b2bpilot.aws.attempts import error_code
from b2bpilot.aws.failures import DOUBT, translated
from b2bpilot.aws.session import AwsAccess, Timeouts
from b2bpilot.errors import AwsError

if TYPE_CHECKING:
    from types_boto3_lambda import LambdaClient

ACTION = "lambda:InvokeFunction"
LONGEST_RUN_SECONDS = 300
"""The processor's timeout. boto3's default of 60 s with retries would run a slow event twice
(docs/aws-facts.md#read-timeout)."""


class FunctionGone(AwsError):
    """The function does not exist: its stack was deleted, or never deployed."""

    code: ClassVar[str] = "function_gone"


@dataclass(frozen=True, slots=True, kw_only=True)
class Invocation:
    """How a synchronous run ended. `error` is the function's own message; None means that it returned `result`.

    Whether it may have run when no such answer came, the AwsError says that is raised then.
    """

    error: str | None
    result: object
    log_tail: str


class Function:
    """One function by its name."""

    def __init__(self, client: LambdaClient, name: str) -> None:
        self.name = name
        self._client = client

    @classmethod
    def connect(cls, name: str, *, access: AwsAccess | None = None) -> Self:
        timeouts = Timeouts(read_seconds=LONGEST_RUN_SECONDS + 30, attempts=1)
        return cls((access or AwsAccess()).client("lambda", timeouts), name)

    @property
    def short_name(self) -> str:
        """Its name without the rest of its ARN, version and alias included."""
        parts = self.name.split(":")
        return parts[6] if self.name.startswith("arn:") else parts[0]

    def invoke(self, event: Mapping[str, Any]) -> Invocation:
        """Run the function now and wait for it. A failure goes to no dead-letter queue (docs/aws-facts.md#synchronous-runs).

        Raises AwsError, which says whether it may have run.
        """
        with translated(ACTION):
            answer = self._client.invoke(
                FunctionName=self.name,
                InvocationType="RequestResponse",
                LogType="Tail",
                Payload=json.dumps(event).encode(),
            )
            payload = answer["Payload"].read()
        log_tail = base64.b64decode(answer.get("LogResult", "")).decode("utf-8", "replace")
        if answer.get("FunctionError"):
            return Invocation(error=_error_message(payload), result=None, log_tail=log_tail)
        if answer["StatusCode"] != HTTPStatus.OK:
            raise _unclear(f"HTTP status {answer['StatusCode']}")
        return Invocation(error=None, result=_result(payload), log_tail=log_tail)

    def invoke_later(self, event: Mapping[str, Any]) -> None:
        """Put the event into the function's own queue. What fails there becomes a new dead letter
        (docs/aws-facts.md#synchronous-runs).

        Raises AwsError, which says whether Lambda may have taken it.
        """
        with translated(ACTION):
            answer = self._client.invoke(
                FunctionName=self.name, InvocationType="Event", Payload=json.dumps(event).encode()
            )
            answer["Payload"].read()  # it is empty; left unread, the connection is not used again
        if answer["StatusCode"] != HTTPStatus.ACCEPTED:
            raise _unclear(f"HTTP status {answer['StatusCode']}")

    def reserved_concurrency(self) -> int | None:
        """Return how many runs at once the function is given; None when it has no reserve. Raises FunctionGone, AwsError."""
        with translated("lambda:GetFunctionConcurrency"):
            try:
                answer = self._client.get_function_concurrency(FunctionName=self.short_name)
            except ClientError as exc:
                if error_code(exc) != "ResourceNotFoundException":
                    raise
                raise FunctionGone(f"function {self.short_name} does not exist") from exc
        return answer.get("ReservedConcurrentExecutions")


def _unclear(answer: str) -> AwsError:
    return AwsError(f"{ACTION}: no answer of Lambda's ({answer}), so {DOUBT}", is_unknown=True)


def _result(payload: bytes) -> object:
    """Lambda gives JSON, also for a function that returned nothing. Raises AwsError for anything else."""
    try:
        return json.loads(payload)
    except ValueError as exc:
        raise _unclear("it is not JSON") from exc


def _error_message(payload: bytes) -> str:
    try:
        document = json.loads(payload)
    except ValueError:
        document = None
    message = document.get("errorMessage") if isinstance(document, dict) else None
    return str(message or "the function failed without saying why")
