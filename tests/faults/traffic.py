"""Webhooks as Twilio calls them: signed, some twice, some poisoned, again after a 5xx or silence."""

from __future__ import annotations

import hashlib
import json
import queue
import random
import threading
import time
import urllib.request
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum

from b2bpilot.twilio.samples import NUMBER
from b2bpilot.twilio.webhook import WebhookClient, WebhookUnreachable
from tests.faults.deployment import Deployment
from tests.faults.options import Options
from tests.local.conftest import back_door_headers

WORKERS = 32
CALLS = 8
"""URL and fallback URL, each once and three times more."""
PAUSE_SECONDS = 0.5
TWICE = 0.1
LONG_BODY = "x" * 60
PLACE = {"Latitude": "52.5200", "Longitude": "13.4050"}
NO_ANSWER = 0


class Kind(StrEnum):
    TEXT = "text"
    LONG = "long"
    """A constraint of some episodes refuses it."""
    LOCATION = "location"
    """Another subscriber of the topic wants it, too."""
    POISON = "poison"
    """No row can hold it until somebody corrects it."""


SHARES = ((0.01, Kind.POISON), (0.02, Kind.LOCATION), (0.35, Kind.LONG), (1.0, Kind.TEXT))


@dataclass(slots=True, kw_only=True)
class Sent:
    """A message and what the webhook answered, call by call."""

    sid: str
    sender: str
    kind: Kind
    twice: bool
    answers: list[int] = field(default_factory=list)
    accepted_at: float | None = None
    """When the first 200 came."""

    @property
    def is_accepted(self) -> bool:
        return self.accepted_at is not None

    def note(self, status: int) -> None:
        self.answers.append(status)
        if status == 200 and self.accepted_at is None:
            self.accepted_at = time.time()

    @property
    def is_done(self) -> bool:
        return self.answers.count(200) >= (2 if self.twice else 1)


class Traffic:
    """One thread that draws messages, `WORKERS` that post them."""

    def __init__(self, deployment: Deployment, options: Options) -> None:
        self.sent: list[Sent] = []
        self._deployment = deployment
        self._options = options
        self._waiting: queue.Queue[Sent | None] = queue.Queue()
        self._threads = [threading.Thread(target=self._work, daemon=True) for _ in range(WORKERS)]

    def run(self, until: threading.Event) -> None:
        """Post until told to stop, and return when every message that was begun has its last answer."""
        for thread in self._threads:
            thread.start()
        chance = random.Random(f"{self._options.seed} traffic")
        due = time.monotonic()
        while not until.wait(max(0.0, due - time.monotonic())):
            message = _drawn(chance, self._options.seed, len(self.sent))
            self.sent.append(message)
            self._waiting.put(message)
            due += 1 / self._options.rate
        for _ in self._threads:
            self._waiting.put(None)
        for thread in self._threads:
            thread.join()

    def _work(self) -> None:
        state = self._deployment.machine.state
        while message := self._waiting.get():
            params = _params(message, state.twilio_account_sid)
            self._register(params)
            _deliver(message, params, state.webhook_url, state.twilio_auth_token)

    def _register(self, params: dict[str, str]) -> None:
        """Let the double of Twilio know the message, as Twilio does before it calls anybody."""
        message = {"params": params, "at": datetime.now(UTC).isoformat(), "deliver": False}
        state = self._deployment.machine.state
        request = urllib.request.Request(
            f"{state.twilio_api_url}/_double/inbound",
            json.dumps({"messages": [message]}).encode(),
            headers=back_door_headers(state),
        )
        with urllib.request.urlopen(request, timeout=30):
            pass


def sid_of(seed: int, number: int) -> str:
    """Return the SID of a run's message by its place: also of one that is still to come."""
    return f"SM{hashlib.md5(f'{seed} {number}'.encode(), usedforsecurity=False).hexdigest()}"


def _drawn(chance: random.Random, seed: int, number: int) -> Sent:
    drawn = chance.random()
    kind = next(kind for share, kind in SHARES if drawn < share)
    return Sent(
        sid=sid_of(seed, number),
        sender=f"+1{2_000_000_000 + number}",
        kind=kind,
        twice=chance.random() < TWICE,
    )


def _params(message: Sent, account_sid: str) -> dict[str, str]:
    body = f"An order {LONG_BODY}" if message.kind is Kind.LONG else "An order"
    return {
        "MessageSid": message.sid,
        "SmsSid": message.sid,
        "SmsMessageSid": message.sid,
        "AccountSid": account_sid,
        "From": message.sender,
        "To": NUMBER,
        "Body": body,
        "NumMedia": "two" if message.kind is Kind.POISON else "0",
        "NumSegments": "1",
        **(PLACE if message.kind is Kind.LOCATION else {}),
    }


def _deliver(message: Sent, params: dict[str, str], url: str, auth_token: str) -> None:
    for call in range(CALLS):
        message.note(_post(url, auth_token, params))
        if message.is_done or 400 <= message.answers[-1] < 500:
            return
        if message.is_accepted and call >= CALLS // 2:
            return
        if message.answers[-1] != 200:
            time.sleep(PAUSE_SECONDS)  # as Twilio lets time pass before it calls again


def _post(url: str, auth_token: str, params: dict[str, str]) -> int:
    with WebhookClient(url, auth_token=auth_token) as client:
        try:
            return client.post(params).status
        except WebhookUnreachable:
            return NO_ANSWER
