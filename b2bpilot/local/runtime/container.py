"""An execution environment: one module instance, one thread, one event at a time."""

from __future__ import annotations

import json
import queue
import threading
import time
import uuid
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime

from b2bpilot.local.runtime.code import Handler, Load, load_here, unload_handler
from b2bpilot.local.runtime.configuration import FunctionConfiguration
from b2bpilot.local.runtime.invocation import InvocationResult, LambdaContext, RuntimeInvocation, describe
from b2bpilot.local.runtime.logs import Logs, LogSink, current

Done = Callable[[InvocationResult], None]


class Container:
    """Warm, it keeps its thread and its module; closed, it ends after the event it is running."""

    def __init__(self, configuration: FunctionConfiguration, logs: Logs, *, load: Load = load_here) -> None:
        self.configuration = configuration
        self._log_stream = f"{datetime.now(UTC):%Y/%m/%d}/[$LATEST]{uuid.uuid4().hex}"
        self._load = load
        self._logs = logs
        self._handler: Handler | None = None
        self._is_abandoned = False
        self._jobs: queue.SimpleQueue[tuple[RuntimeInvocation, Done] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._work, name=f"lambda {configuration.name}", daemon=True)
        self._thread.start()

    def serves(self, configuration: FunctionConfiguration) -> bool:
        """A changed setting or code needs a new container, as on AWS; a changed limit does not."""
        ours = self.configuration
        return replace(
            configuration,
            reserved_concurrency=ours.reserved_concurrency,
            dead_letter_arn=ours.dead_letter_arn,
            maximum_retry_attempts=ours.maximum_retry_attempts,
            maximum_event_age_seconds=ours.maximum_event_age_seconds,
        ) == ours  # fmt: skip

    def run(self, invocation: RuntimeInvocation, done: Done) -> None:
        self._jobs.put((invocation, done))

    def close(self) -> None:
        self._jobs.put(None)

    def abandon(self) -> None:
        """Let nothing more be heard of the event that runs. A process is killed; a thread cannot be."""
        self._is_abandoned = True
        kill = getattr(self._handler, "kill", None)
        if kill is not None:
            kill()

    def wait_until_closed(self, *, timeout_seconds: float) -> None:
        self._thread.join(timeout_seconds)

    def sink(self, invocation: RuntimeInvocation) -> LogSink:
        return LogSink(self.configuration, invocation, self._logs, self._log_stream)

    def _work(self) -> None:
        while job := self._jobs.get():
            invocation, done = job
            done(self._invoke(invocation))
        if self._handler:
            unload_handler(self._handler)

    def _invoke(self, invocation: RuntimeInvocation) -> InvocationResult:
        started = time.monotonic()
        sink = current.sink = self.sink(invocation)
        sink.started()
        try:
            result = self._call(invocation, started + self.configuration.timeout_seconds)
        except BaseException as error:  # noqa: BLE001  # a SystemExit in a handler must not end the container's thread
            described = describe(error, invocation.request_id)
            result = InvocationResult(
                payload=json.dumps(described).encode(), error=str(error), status="error"
            )
            if not self._is_abandoned:
                sink.failed(described)
        finally:
            current.sink = None
        if not self._is_abandoned:
            sink.reported(result.status, time.monotonic() - started)
        return replace(result, log_tail=invocation.log_tail())

    def _call(self, invocation: RuntimeInvocation, deadline: float) -> InvocationResult:
        if self._handler is None:
            self._handler = self._load(self.configuration)
        answer = self._handler(json.loads(invocation.payload), self._context(invocation, deadline))
        return InvocationResult(payload=json.dumps(answer, ensure_ascii=False).encode())

    def _context(self, invocation: RuntimeInvocation, deadline: float) -> LambdaContext:
        return LambdaContext(
            aws_request_id=invocation.request_id,
            function_name=self.configuration.name,
            invoked_function_arn=self.configuration.arn,
            memory_limit_in_mb=self.configuration.memory_mb,
            log_group_name=self.configuration.log_group,
            log_stream_name=self._log_stream,
            deadline=deadline,
        )
