"""Messages that come in at the double of Twilio at a steady rate, each from a number of its own."""

from __future__ import annotations

import json
import threading
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

import urllib3

from b2bpilot.errors import LocalEnvironmentError
from b2bpilot.local.state import EnvironmentState
from b2bpilot.pipeline.message import message_id_for
from b2bpilot.pipeline.waiting import pause
from b2bpilot.twilio.samples import NUMBER, Sample, sample_params

CONNECTIONS = 256
ANSWER_SECONDS = 60
"""Twilio calls either webhook for at most 15."""
MOST_SECONDS_UNANSWERED = 15
"""A machine that does not keep up is sent less: what only waits for an answer proves nothing, and makes it slower still."""


@dataclass(slots=True, kw_only=True)
class DrillMessage:
    """`at` is when it came in, in seconds since the first; `was_taken` says whether a webhook took it, once that is over."""

    params: Mapping[str, str] = field(repr=False)
    at: float
    sent_at: datetime
    was_taken: bool = False

    @property
    def sid(self) -> str:
        return self.params["MessageSid"]

    @property
    def sender(self) -> str:
        return self.params["From"]

    @property
    def message_id(self) -> str:
        return message_id_for(self.sid)


class DrillTraffic:
    """Begins at once, and comes to its end by itself."""

    def __init__(self, state: EnvironmentState, *, rate: float, seconds: float) -> None:
        self._account_sid = state.twilio_account_sid
        self._inbound = f"{state.twilio_api_url}/_double/inbound"
        self._headers = urllib3.make_headers(basic_auth=f"{self._account_sid}:{state.twilio_auth_token}")
        self._pool = urllib3.PoolManager(maxsize=CONNECTIONS, retries=False)
        self._rate, self._seconds = rate, seconds
        self._ending = threading.Event()
        self._posting: list[threading.Thread] = []
        self._began = time.monotonic()
        self._thread = threading.Thread(target=self._work, name="drill traffic", daemon=True)
        self.messages: list[DrillMessage] = []
        self._thread.start()

    @property
    def at(self) -> float:
        """Seconds since it began."""
        return time.monotonic() - self._began

    def wait_until(self, at: float) -> None:
        pause(max(0.0, at - self.at))

    def end(self) -> None:
        """Let nothing more come in."""
        self._ending.set()

    def wait(self) -> None:
        """Return when the last message was answered. Raises LocalEnvironmentError when the double does not answer."""
        self._thread.join()
        for each in self._posting:
            each.join(ANSWER_SECONDS)
        if any(each.is_alive() for each in self._posting):
            raise LocalEnvironmentError("the double of Twilio does not answer")

    def _work(self) -> None:
        due = 0.0
        while due < self._seconds and not self._ending.wait(max(0.0, due - self.at)):
            due += 1 / self._rate
            unanswered = sum(each.is_alive() for each in self._posting)
            if unanswered < self._rate * MOST_SECONDS_UNANSWERED:
                message = self._drawn()
                self.messages.append(message)
                posting = threading.Thread(target=self._post, args=(message,), daemon=True)
                posting.start()
                self._posting.append(posting)

    def _drawn(self) -> DrillMessage:
        sender = f"+1500{uuid.uuid4().int % 10**10:010d}"
        params = sample_params(Sample.TEXT, From=sender, To=NUMBER, AccountSid=self._account_sid)
        return DrillMessage(params=params, at=self.at, sent_at=datetime.now(UTC))

    def _post(self, message: DrillMessage) -> None:
        order = json.dumps({"messages": [{"params": message.params}]})
        try:
            answer = self._pool.request(
                "POST", self._inbound, body=order, headers=self._headers, timeout=ANSWER_SECONDS
            )
        except urllib3.exceptions.HTTPError:
            return
        message.was_taken = bool(answer.json().get("taken", [False])[0])
