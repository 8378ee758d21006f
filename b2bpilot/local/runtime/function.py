"""A function: its containers, how many of them may run at once, and how long."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field

from b2bpilot.local.runtime.code import load_handler
from b2bpilot.local.runtime.configuration import FunctionConfiguration
from b2bpilot.local.runtime.container import Container, Load
from b2bpilot.local.runtime.deadlines import Deadlines
from b2bpilot.local.runtime.invocation import Invocation, Result, timed_out
from b2bpilot.local.runtime.logs import Logs
from b2bpilot.local.runtime.metrics import Metrics

UNRESERVED_CONCURRENCY = 50
"""What a function without reserved concurrency may use; on AWS it shares the account's 1,000."""


class Throttled(Exception):
    """Every execution that the function may have at once is in use (429)."""


@dataclass(slots=True, eq=False)
class Run:
    """An invocation in a container. It ends once: with the handler or, if that comes first, with the timeout."""

    invocation: Invocation
    container: Container
    future: Future[Result] = field(default_factory=Future)
    started: float = field(default_factory=time.monotonic)
    ended: bool = False


class Function:
    """Runs invocations in warm containers, the newest first, and never more at once than its concurrency."""

    def __init__(
        self,
        configuration: Callable[[], FunctionConfiguration],
        *,
        logs: Logs,
        metrics: Metrics,
        deadlines: Deadlines,
        load: Load = load_handler,
    ) -> None:
        self._configuration = configuration
        self._logs = logs
        self._metrics = metrics
        self._deadlines = deadlines
        self._load = load
        self._lock = threading.Lock()
        self._idle: list[Container] = []
        self._in_flight = 0

    @property
    def configuration(self) -> FunctionConfiguration:
        return self._configuration()

    @property
    def in_flight(self) -> int:
        return self._in_flight

    def submit(self, invocation: Invocation) -> Future[Result]:
        """Start a run now, or raise Throttled. The future always gets a Result, at the timeout at the latest."""
        run = Run(invocation, self._acquire(self._configuration()))
        timeout = run.container.configuration.timeout_seconds
        self._deadlines.watch(run, timeout, lambda: self._expire(run))
        run.container.run(invocation, lambda result: self._finish(run, result))
        return run.future

    def _acquire(self, configuration: FunctionConfiguration) -> Container:
        limit = configuration.reserved_concurrency
        with self._lock:
            if self._in_flight >= (UNRESERVED_CONCURRENCY if limit is None else limit):
                raise Throttled(configuration.name)
            self._in_flight += 1
            self._metrics.maximum("ConcurrentExecutions", configuration.name, self._in_flight)
            while self._idle:
                container = self._idle.pop()
                if container.serves(configuration):
                    return container
                container.close()
        return Container(configuration, self._logs, load=self._load)

    def _finish(self, run: Run, result: Result) -> None:
        self._deadlines.done(run)
        if not self._end(run, result, keep=True):
            run.container.close()

    def _expire(self, run: Run) -> None:
        """Abandon a run: its thread cannot be killed, but its container is never used again and its answer is dropped."""
        configuration = run.container.configuration
        result = timed_out(run.invocation.request_id, configuration.timeout_seconds)
        if self._end(run, result, keep=False):
            run.container.sink(run.invocation).reported(result.status, configuration.timeout_seconds)

    def _end(self, run: Run, result: Result, *, keep: bool) -> bool:
        """Settle a run and free its place; False when it had ended before."""
        with self._lock:
            if run.ended:
                return False
            run.ended = True
            self._in_flight -= 1
            if keep:
                self._idle.append(run.container)
        name = run.container.configuration.name
        self._metrics.count("Invocations", name)
        self._metrics.count("Errors", name, 0 if result.error is None else 1)
        self._metrics.milliseconds("Duration", name, (time.monotonic() - run.started) * 1000)
        run.future.set_result(result)
        return True
