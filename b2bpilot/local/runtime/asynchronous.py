"""Asynchronous invocation: accept at once, run when there is room, retry twice, then write a dead letter
(docs/aws-facts.md#retries)."""

from __future__ import annotations

import heapq
import logging
import threading
import time
from collections import defaultdict, deque
from collections.abc import Callable
from concurrent.futures import Future
from functools import partial

from b2bpilot.local.runtime.configuration import FunctionConfiguration, FunctionMissing
from b2bpilot.local.runtime.dead_letter import NOT_INVOKED, RATE_EXCEEDED, GivenUp
from b2bpilot.local.runtime.events import Event, EventQueue
from b2bpilot.local.runtime.function import RuntimeFunction, Throttled
from b2bpilot.local.runtime.invocation import InvocationResult, RuntimeInvocation
from b2bpilot.local.runtime.metrics import Metrics

RETRY_DELAY_SECONDS = 60
LOOK_AGAIN_SECONDS = 1.0
FUNCTION_ERROR = 200
THROTTLED = 429

SendDeadLetter = Callable[[str, Event, GivenUp], None]
"""Send an event to the queue with this ARN, for this reason."""

log = logging.getLogger(__name__)


class AsynchronousInvocations:
    """One thread that starts events in the order they came, per function, and puts the failed ones back.

    `time_scale` says how many times faster than on AWS the clock of retries and of event age runs;
    `least_pause_seconds` is what a retry waits for however fast it runs.
    """

    def __init__(
        self,
        events: EventQueue,
        functions: Callable[[str], RuntimeFunction],
        send_dead_letter: SendDeadLetter,
        metrics: Metrics,
        *,
        time_scale: float,
        least_pause_seconds: float = 0,
    ) -> None:
        self._events = events
        self._functions = functions
        self._send_dead_letter = send_dead_letter
        self._metrics = metrics
        self._time_scale = time_scale
        self._least_pause_seconds = least_pause_seconds
        self._changed = threading.Condition()
        self._waiting: defaultdict[str, deque[Event]] = defaultdict(deque)
        self._later: list[tuple[float, int, Event]] = []
        self._running = 0
        self._changes = 0
        self._stopped = False
        self._thread = threading.Thread(target=self._work, name="lambda asynchronous", daemon=True)

    def start(self) -> None:
        """Take up what an earlier process accepted and did not finish, then begin. It may have died in the middle of a run, whose
        lease is over after the pause: a run that meets the lease ends well, and nobody tries again."""
        due = time.time() + self._least_pause_seconds
        for event in self._events.unfinished():
            heapq.heappush(self._later, (due, event.id, event))
        self._thread.start()

    def stop(self, *, timeout_seconds: float) -> None:
        """Start nothing more and wait for what is running; what does not end in time runs again at the next start."""
        with self._changed:
            self._stopped = True
            self._changes += 1
            self._changed.notify_all()
            self._changed.wait_for(lambda: self._running == 0, timeout=timeout_seconds)

    def accept(self, function: str, request_id: str, payload: bytes) -> None:
        """Return once the event is on disk."""
        event = self._events.put(function, request_id, payload, accepted_at=time.time())
        if event is None:
            return
        self._metrics.count("AsyncEventsReceived", function)
        with self._changed:
            self._waiting[function].append(event)
            self._changes += 1
            self._changed.notify_all()

    def _work(self) -> None:
        while True:
            with self._changed:
                if self._stopped:
                    return
                seen = self._changes
                self._take_due()
                heads = [queue[0] for queue in self._waiting.values() if queue]
            started = [event for event in heads if self._try_start(event)]
            with self._changed:
                for event in started:
                    self._waiting[event.function].popleft()
                if not started and self._changes == seen:
                    self._changed.wait(self._until_due())

    def _take_due(self) -> None:
        while self._later and self._later[0][0] <= time.time():
            event = heapq.heappop(self._later)[2]
            self._waiting[event.function].append(event)

    def _until_due(self) -> float | None:
        """Seconds until something may have become possible without anybody telling this thread."""
        due = [max(0.0, self._later[0][0] - time.time())] if self._later else []
        return min([*due, LOOK_AGAIN_SECONDS] if any(self._waiting.values()) else due, default=None)

    def _try_start(self, event: Event) -> bool:
        """What goes wrong around a function (its settings cannot be read) must not end this thread; the event waits."""
        try:
            return self._start(event)
        except Exception:  # as said above; it is logged, and tried again
            log.warning("could not start an event of %s", event.function, exc_info=True)
            return False

    def _start(self, event: Event) -> bool:
        """Return whether the event left the queue: it runs, or it was given up."""
        try:
            function = self._functions(event.function)
            configuration = function.configuration
        except FunctionMissing:
            log.warning("dropped an event: function %s does not exist any more", event.function)
            self._drop(event)
            return True
        if reason := self._refusal(event, configuration):
            self._give_up(event, configuration, reason)
            return True
        return self._submit(event, function, configuration)

    def _submit(self, event: Event, function: RuntimeFunction, configuration: FunctionConfiguration) -> bool:
        with self._changed:
            self._running += 1
        try:
            future = function.submit(RuntimeInvocation(payload=event.payload, request_id=event.request_id))
        except Throttled:
            self._ended()
            if not event.throttled:
                event.throttled = True
                self._metrics.count("Throttles", event.function)
            return False
        self._metrics.milliseconds("AsyncEventAge", event.function, (time.time() - event.accepted_at) * 1000)
        future.add_done_callback(partial(self._finished, event, configuration))
        return True

    def _finished(
        self, event: Event, configuration: FunctionConfiguration, future: Future[InvocationResult]
    ) -> None:
        try:
            self._settle(event, configuration, future.result().error)
        finally:
            self._ended()

    def _settle(self, event: Event, configuration: FunctionConfiguration, error: str | None) -> None:
        if error is None:
            self._events.done(event)
            return
        event.attempts += 1
        event.error = error
        delay = RETRY_DELAY_SECONDS * event.attempts
        too_old = self._age(event) + delay > configuration.maximum_event_age_seconds
        if event.attempts > configuration.maximum_retry_attempts or too_old:
            self._give_up(event, configuration, GivenUp(code=FUNCTION_ERROR, message=error))
            return
        try:
            self._events.failed(event)
        finally:
            pause = max(delay / self._time_scale, self._least_pause_seconds)
            with self._changed:
                heapq.heappush(self._later, (time.time() + pause, event.id, event))

    def _refusal(self, event: Event, configuration: FunctionConfiguration) -> GivenUp | None:
        if configuration.reserved_concurrency == 0:
            return GivenUp(code=None, message=NOT_INVOKED)
        if self._age(event) <= configuration.maximum_event_age_seconds:
            return None
        if event.error is not None:
            return GivenUp(code=FUNCTION_ERROR, message=event.error)
        return GivenUp(code=THROTTLED, message=RATE_EXCEEDED)

    def _age(self, event: Event) -> float:
        """Seconds since the event came, on the faster clock."""
        return (time.time() - event.accepted_at) * self._time_scale

    def _give_up(self, event: Event, configuration: FunctionConfiguration, reason: GivenUp) -> None:
        """Write the dead letter, if there is a queue for it. As on AWS, one that cannot be written is only counted."""
        if configuration.dead_letter_arn:
            try:
                self._send_dead_letter(configuration.dead_letter_arn, event, reason)
            except Exception:  # whatever it was, the event has ended, and must leave the queue
                log.exception("could not write a dead letter of %s", event.function)
                self._metrics.count("DeadLetterErrors", event.function)
        self._drop(event)

    def _drop(self, event: Event) -> None:
        self._metrics.count("AsyncEventsDropped", event.function)
        self._events.done(event)

    def _ended(self) -> None:
        with self._changed:
            self._running -= 1
            self._changes += 1
            self._changed.notify_all()
