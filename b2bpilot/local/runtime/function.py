"""A function: its containers, how many of them may run at once, and how long."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from functools import partial

from b2bpilot.local.runtime.code import Load, load_here
from b2bpilot.local.runtime.configuration import FunctionConfiguration
from b2bpilot.local.runtime.container import Container
from b2bpilot.local.runtime.deadlines import Deadlines
from b2bpilot.local.runtime.invocation import InvocationResult, RuntimeInvocation, timed_out
from b2bpilot.local.runtime.logs import Logs
from b2bpilot.local.runtime.metrics import Metrics

UNRESERVED_CONCURRENCY = 1000
"""What a function without reserved concurrency may use: the account's limit on AWS."""

COLD_START_SECONDS = 0.25
"""How long a starting container is waited for before the next one starts. They share one interpreter, so sixteen that
start at once are slower, each of them, than sixteen one after another."""


class Throttled(Exception):
    """Every execution that the function may have at once is in use (429)."""


@dataclass(slots=True, eq=False)
class FunctionRun:
    """An invocation in a container. It ends once: with the handler or, if that comes first, with the timeout."""

    invocation: RuntimeInvocation
    container: Container
    cold: bool
    future: Future[InvocationResult]
    started: float = field(default_factory=time.monotonic)
    ended: bool = False


class RuntimeFunction:
    """Runs invocations in warm containers, the newest first, and never more at once than its concurrency."""

    def __init__(
        self,
        configuration: Callable[[], FunctionConfiguration],
        *,
        logs: Logs,
        metrics: Metrics,
        deadlines: Deadlines,
        load: Load = load_here,
    ) -> None:
        self._configuration = configuration
        self._logs = logs
        self._metrics = metrics
        self._deadlines = deadlines
        self._load = load
        self._lock = threading.Lock()
        self._idle: list[Container] = []
        self._pending: deque[tuple[RuntimeInvocation, Future[InvocationResult]]] = deque()
        self._starting: FunctionRun | None = None
        self._in_flight = 0
        self._is_closed = False

    @property
    def configuration(self) -> FunctionConfiguration:
        return self._configuration()

    def submit(self, invocation: RuntimeInvocation) -> Future[InvocationResult]:
        """Take an invocation, or raise Throttled. The future always gets its result, at the timeout at the latest."""
        configuration = self._configuration()
        limit = configuration.reserved_concurrency
        future: Future[InvocationResult] = Future()
        with self._lock:
            if self._in_flight >= (UNRESERVED_CONCURRENCY if limit is None else limit):
                raise Throttled(configuration.name)
            self._in_flight += 1
            self._pending.append((invocation, future))
        self._metrics.count("ConcurrentExecutions", configuration.name, self._in_flight)
        self._begin_pending(configuration)
        return future

    def close(self, *, timeout_seconds: float) -> None:
        """End the idle containers and wait for that; one that runs ends after its event."""
        with self._lock:
            self._is_closed = True
            idle, self._idle = self._idle, []
        for container in idle:
            container.close()
        for container in idle:
            container.wait_until_closed(timeout_seconds=timeout_seconds)

    def _begin_pending(self, configuration: FunctionConfiguration) -> None:
        while run := self._assign(configuration):
            timeout = run.container.configuration.timeout_seconds
            self._deadlines.watch(run, timeout, partial(self._expire, run))
            if run.cold:
                self._deadlines.watch(run.container, COLD_START_SECONDS, partial(self._started, run))
            run.container.run(run.invocation, partial(self._finish, run))

    def _assign(self, configuration: FunctionConfiguration) -> FunctionRun | None:
        """Give the next pending invocation a container: a warm one, or a new one when no other is starting."""
        with self._lock:
            if not self._pending:
                return None
            warm = self._take_warm(configuration)
            if warm is None and not self._may_start(configuration):
                return None
            invocation, future = self._pending.popleft()
            container = warm or Container(configuration, self._logs, load=self._load)
            run = FunctionRun(invocation, container, cold=warm is None, future=future)
            if run.cold:
                self._starting = run
            return run

    def _may_start(self, configuration: FunctionConfiguration) -> bool:
        running = self._in_flight - len(self._pending)
        return self._starting is None and running < configuration.most_containers

    def _take_warm(self, configuration: FunctionConfiguration) -> Container | None:
        while self._idle:
            container = self._idle.pop()
            if container.serves(configuration):
                return container
            container.close()
        return None

    def _started(self, run: FunctionRun) -> None:
        """A cold start is over, or has taken long enough: the next container may start."""
        with self._lock:
            if self._starting is run:
                self._starting = None
        self._begin_pending(run.container.configuration)

    def _finish(self, run: FunctionRun, result: InvocationResult) -> None:
        self._deadlines.done(run)
        if not self._end(run, result, keep=True):
            run.container.close()

    def _expire(self, run: FunctionRun) -> None:
        """Abandon a run: its container is not used again and its answer is dropped."""
        configuration = run.container.configuration
        result = timed_out(run.invocation.request_id, configuration.timeout_seconds)
        if self._end(run, result, keep=False):
            run.container.abandon()
            run.container.sink(run.invocation).reported(result.status, configuration.timeout_seconds)

    def _end(self, run: FunctionRun, result: InvocationResult, *, keep: bool) -> bool:
        """Settle a run and give its place and its container to the next; False when it had ended before."""
        with self._lock:
            if run.ended:
                return False
            run.ended = True
            self._in_flight -= 1
            if keep and self._is_closed:
                run.container.close()
            elif keep:
                self._idle.append(run.container)
        self._count(run, result)
        self._deadlines.done(run.container)
        self._started(run)
        run.future.set_result(result)
        return True

    def _count(self, run: FunctionRun, result: InvocationResult) -> None:
        name = run.container.configuration.name
        self._metrics.count("Invocations", name)
        self._metrics.count("Errors", name, 0 if result.error is None else 1)
        self._metrics.milliseconds("Duration", name, (time.monotonic() - run.started) * 1000)
