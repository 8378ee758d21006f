"""The processor in this process: the handler that is deployed, with a breakpoint where you want one."""

from __future__ import annotations

import importlib
import os
import traceback
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from b2bpilot.aws.functions import Invocation
from b2bpilot.pipeline.settings import VARIABLES

HANDLER = "lambdas.background_processor.handler"
TIMEOUT_MILLISECONDS = 300_000


@dataclass(frozen=True, slots=True)
class Context:
    """The part of Lambda's context that the handler uses."""

    aws_request_id: str = field(default_factory=lambda: str(uuid.uuid4()))

    def get_remaining_time_in_millis(self) -> int:
        return TIMEOUT_MILLISECONDS


class LocalFunction:
    """Runs the handler as Lambda does, one event at a time, against the given database."""

    def __init__(self, handler: Any) -> None:
        self._handler = handler

    def invoke(self, event: Mapping[str, Any]) -> Invocation:
        try:
            result = self._handler(event, Context())
        except Exception as exc:  # noqa: BLE001  # whatever the function raises is its answer
            return Invocation(
                error=str(exc) or type(exc).__name__, result=None, log_tail=traceback.format_exc()
            )
        return Invocation(error=None, result=result, log_tail="")

    def invoke_later(self, event: Mapping[str, Any]) -> None:
        self.invoke(event)


@contextmanager
def local_function(database_url: str, *, old_queue_arn: str = "") -> Iterator[LocalFunction]:
    """Give the handler with an environment of its own; the process's own is put back afterwards."""
    before = dict(os.environ)
    module = importlib.import_module(HANDLER)
    try:
        for (
            name
        ) in VARIABLES:  # no Twilio token and no text either: a replay on a workplace replies to nobody
            os.environ.pop(name, None)
        os.environ["DATABASE_URL"] = database_url
        os.environ["OLD_QUEUE_ARN"] = old_queue_arn
        yield LocalFunction(module.handler)
    finally:
        module.end()
        os.environ.clear()
        os.environ.update(before)
