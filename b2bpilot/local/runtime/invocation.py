"""One run of a function: what it is given, what it says while it runs, and how it ends."""

from __future__ import annotations

import json
import time
import traceback
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

LOG_TAIL_BYTES = 4096
_RUNTIME = str(Path(__file__).parent)


@dataclass(frozen=True, slots=True, kw_only=True)
class InvocationResult:
    """How a run ended. `payload` is JSON; with `error` set it is Lambda's description of the failure."""

    payload: bytes
    error: str | None = None
    status: str = "success"
    log_tail: str = ""


@dataclass(slots=True, kw_only=True)
class RuntimeInvocation:
    """An event on its way through a container. `lines` collects what is logged, for LogType=Tail."""

    payload: bytes
    request_id: str
    lines: list[str] = field(default_factory=list)

    def log_tail(self) -> str:
        return "\n".join(self.lines).encode()[-LOG_TAIL_BYTES:].decode(errors="ignore")


@dataclass(frozen=True, slots=True, kw_only=True)
class LambdaContext:
    """The second argument of a handler, with the names AWS gives it."""

    aws_request_id: str
    function_name: str
    invoked_function_arn: str
    memory_limit_in_mb: int
    log_group_name: str
    log_stream_name: str
    deadline: float
    function_version: str = "$LATEST"
    identity: None = None
    client_context: None = None

    def get_remaining_time_in_millis(self) -> int:
        return max(0, int((self.deadline - time.monotonic()) * 1000))


class DescribedError(Exception):
    """What went wrong in another process, as Lambda describes it."""

    def __init__(self, description: Mapping[str, object]) -> None:
        super().__init__(str(description.get("errorMessage", "")))
        self.description = dict(description)


def describe(error: BaseException, request_id: str) -> dict[str, object]:
    """Describe an exception as Lambda's Python runtime does, without the frames of ours."""
    if isinstance(error, DescribedError):
        return error.description
    frames = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if not frame.filename.startswith((_RUNTIME, "<frozen importlib"))
    ]
    return {
        "errorMessage": str(error),
        "errorType": type(error).__name__,
        "requestId": request_id,
        "stackTrace": traceback.format_list(frames),
    }


def timed_out(request_id: str, timeout_seconds: float) -> InvocationResult:
    """The result of a run that exceeded its function's timeout (docs/aws-facts.md#lambda-dead-letters)."""
    message = f"RequestId: {request_id} Error: Task timed out after {timeout_seconds:.2f} seconds"
    payload = json.dumps({"errorType": "Sandbox.Timedout", "errorMessage": message}).encode()
    return InvocationResult(payload=payload, error=message, status="timeout")
