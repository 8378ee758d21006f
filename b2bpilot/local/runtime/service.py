"""The runtime as a whole: functions by name and their two ways of being invoked."""

from __future__ import annotations

import threading
from concurrent.futures import Future

from b2bpilot.local.runtime.asynchronous import AsynchronousInvocations, SendDeadLetter
from b2bpilot.local.runtime.code import Load, load_here
from b2bpilot.local.runtime.configuration import Configurations
from b2bpilot.local.runtime.deadlines import Deadlines
from b2bpilot.local.runtime.events import EventQueue
from b2bpilot.local.runtime.function import RuntimeFunction, Throttled
from b2bpilot.local.runtime.invocation import InvocationResult, RuntimeInvocation
from b2bpilot.local.runtime.logs import Logs
from b2bpilot.local.runtime.metrics import Metrics

TIME_SCALE = 60.0
STOP_SECONDS = 5.0


class LambdaRuntime:
    """Invokes functions synchronously, and accepts events for them.

    `time_scale` says how many times faster than on AWS the waiting between retries passes, and events age; a
    retry comes `least_pause_seconds` after the run at the earliest.
    """

    def __init__(
        self,
        *,
        configurations: Configurations,
        send_dead_letter: SendDeadLetter,
        events: EventQueue,
        logs: Logs,
        metrics: Metrics,
        load: Load = load_here,
        time_scale: float = TIME_SCALE,
        least_pause_seconds: float = 0,
    ) -> None:
        self._configurations = configurations
        self._logs = logs
        self._metrics = metrics
        self._load = load
        self._deadlines = Deadlines()
        self._lock = threading.Lock()
        self._functions: dict[str, RuntimeFunction] = {}
        self._asynchronous = AsynchronousInvocations(
            events,
            self._function,
            send_dead_letter,
            metrics,
            time_scale=time_scale,
            least_pause_seconds=least_pause_seconds,
        )

    def start(self) -> None:
        self._asynchronous.start()

    def stop(self, *, timeout_seconds: float = STOP_SECONDS) -> None:
        """Start nothing more and end the containers; what does not end in time runs again at the next start."""
        self._asynchronous.stop(timeout_seconds=timeout_seconds)
        with self._lock:
            functions = list(self._functions.values())
        for function in functions:
            function.close(timeout_seconds=timeout_seconds)
        self._deadlines.stop()

    def invoke(self, name: str, payload: bytes, request_id: str) -> InvocationResult:
        """Run now and wait for the end. Raises Throttled at the concurrency limit, which asynchronous runs share."""
        return self._submit(name, payload, request_id).result()

    def accept(self, name: str, payload: bytes, request_id: str) -> None:
        """Take an event for later; it is on disk when this returns."""
        self._asynchronous.accept(name, request_id, payload)

    def count_topic(self, counts: dict[str, dict[str, float]]) -> None:
        """Add AWS/SNS metrics: topic name -> metric name -> how many."""
        for topic, metrics in counts.items():
            for metric, value in metrics.items():
                self._metrics.topic(metric, topic, value)

    def _submit(self, name: str, payload: bytes, request_id: str) -> Future[InvocationResult]:
        try:
            return self._function(name).submit(RuntimeInvocation(payload=payload, request_id=request_id))
        except Throttled:
            self._metrics.count("Throttles", name)
            raise

    def _function(self, name: str) -> RuntimeFunction:
        with self._lock:
            if name not in self._functions:
                self._functions[name] = RuntimeFunction(
                    lambda: self._configurations(name),
                    logs=self._logs,
                    metrics=self._metrics,
                    deadlines=self._deadlines,
                    load=self._load,
                )
            return self._functions[name]
