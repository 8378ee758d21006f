"""The clients: each makes one request after another, and makes it again when it was not accepted."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from b2bpilot.errors import PilotError
from b2bpilot.ops.load.plan import LoadMessage, LoadPlan, message_of
from b2bpilot.ops.ports import JournalWriter
from b2bpilot.ops.publish.routes import PublishResult, PublishRoute, WebhookRefused
from b2bpilot.ops.publish.sending import event_of
from b2bpilot.twilio.webhook import WebhookUnreachable

STOPPED = "stopped before the answer"
"""What a request says whose run ended first."""
FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 0.2, 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadAttempt:
    """One request. `at` is its start, in seconds since the load began; `error` is None when it was accepted."""

    number: int
    copy: int
    at: float
    seconds: float
    error: str | None = None
    is_stopped: bool = False
    """Whether the run ended before the answer came: then nobody knows whether it was accepted."""

    @property
    def ended_at(self) -> float:
        return self.at + self.seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadRequests:
    """Everything that the clients did. `seconds` is until the last of them ended."""

    started_at: datetime
    seconds: float
    attempts: list[LoadAttempt] = field(repr=False)

    def moment(self, at: float) -> datetime:
        return self.started_at + timedelta(seconds=at)


class LoadClients:
    """One load's clients. They stop at once when the run is interrupted; what is under way ends and is journalled."""

    def __init__(
        self,
        plan: LoadPlan,
        run_id: str,
        route: PublishRoute,
        journal: JournalWriter,
        *,
        clock: Callable[[], datetime],
        observe: Callable[[LoadAttempt], None] = lambda _: None,
    ) -> None:
        self._plan, self._run_id, self._route, self._journal = plan, run_id, route, journal
        self._clock, self.observe = clock, observe
        self._ended = threading.Event()
        self._attempts: list[LoadAttempt] = []
        self._fatal: PilotError | None = None
        self._began = 0.0

    def run(self) -> LoadRequests:
        """Raises what every request would meet, such as a signature that the webhook refuses."""
        started_at, self._began = self._clock(), time.monotonic()
        with ThreadPoolExecutor(self._plan.clients) as pool:
            try:
                clients = [pool.submit(self._client, number) for number in range(self._plan.clients)]
                for client in clients:
                    client.result()
            except BaseException:
                self._ended.set()
                raise
        if self._fatal is not None:
            raise self._fatal
        return LoadRequests(started_at=started_at, seconds=self._now(), attempts=self._attempts)

    def _client(self, client: int) -> None:
        share = client / max(1, self._plan.clients)
        self._ended.wait(self._plan.ramp.total_seconds() * share)
        for number in self._plan.numbers_of(client):
            if self._is_over():
                return
            one = message_of(self._plan, self._run_id, number)
            for copy in range(1, 2 + one.is_doubled):
                self._until_accepted(one, copy)

    def _is_over(self) -> bool:
        duration = self._plan.duration
        return self._ended.is_set() or (duration is not None and self._now() >= duration.total_seconds())

    def _until_accepted(self, one: LoadMessage, copy: int) -> None:
        """A request without success is made again under the same id, as Twilio does, until its time is over."""
        pause = FIRST_PAUSE_SECONDS
        give_up = self._now() + self._plan.retry.total_seconds()
        while not self._ended.is_set():
            sent = self._attempt(one, copy)
            if sent.fatal:
                self._fatal = sent.fatal
                self._ended.set()
            if sent.is_confirmed or sent.fatal or self._now() + pause > give_up:
                return
            self._ended.wait(pause)
            pause = min(pause * 2, LONGEST_PAUSE_SECONDS)

    def _attempt(self, one: LoadMessage, copy: int) -> PublishResult:
        item = one.item(self._run_id, now=self._clock())
        key = {"queue_message_id": f"{one.number + 1}.{copy}", "message_id": one.message_id}
        self._journal.write({"event": "sending", **key, "number": one.number, "copy": copy}, durable=False)
        at = self._now()
        (sent,) = self._route.send([item])
        error = None if sent.is_confirmed else kind_of(sent)
        attempt = LoadAttempt(number=one.number, copy=copy, at=at, seconds=self._now() - at, error=error)
        self._journal.write(_entry(key, attempt, sent), durable=False)
        self._attempts.append(attempt)
        self.observe(attempt)
        return sent

    def _now(self) -> float:
        return time.monotonic() - self._began


def kind_of(sent: PublishResult) -> str:
    """Return what went wrong, without what differs from one request to the next."""
    match sent.cause:
        case WebhookUnreachable() as error:
            return "no answer" if error.was_sent else "no connection"
        case WebhookRefused() as error:
            return str(error).removeprefix("the webhook ").partition(":")[0]
        case PilotError() as error:
            return f"SNS: {error.code.replace('_', ' ')}"
    return sent.outcome.value


def _entry(key: Mapping[str, object], attempt: LoadAttempt, sent: PublishResult) -> Mapping[str, object]:
    return {
        "event": event_of(sent.outcome),
        **key,
        "number": attempt.number,
        "copy": attempt.copy,
        "since_start": round(attempt.at, 4),
        "seconds": round(attempt.seconds, 4),
        "error": attempt.error,
    }
