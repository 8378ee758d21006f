"""Webhooks at a steady rate, as Twilio posts them, while everything behind them changes."""

from __future__ import annotations

import heapq
import itertools
import threading
import time
from concurrent.futures import ThreadPoolExecutor

from b2bpilot.twilio.webhook import WebhookClient, WebhookUnreachable
from tests.upgrade.messages import Answer, Drawing, Kind, Message

SENDERS = 16
RETRIES = 10
MOST_UNANSWERED = 4 * SENDERS
"""A machine that does not keep up is sent less: what only waits to be sent proves nothing and takes minutes."""
SOON_SECONDS = 2.0
LATE = 5
"""One of so many second deliveries comes in another phase."""


class Traffic:
    """Posts until `stop`. What is in `phase` when a message is sent first is the message's phase. While it is `held`, only
    second deliveries are posted."""

    def __init__(
        self, url: str, auth_token: str, *, rate: float, drawing: Drawing, phase_seconds: float
    ) -> None:
        self._url, self._auth_token = url, auth_token
        self._rate = rate
        self._drawing = drawing
        self._phase_seconds = phase_seconds
        self._clients = threading.local()
        self._opened: list[WebhookClient] = []
        self._again: list[tuple[float, int, Message]] = []
        self._order = itertools.count()
        self._ending = threading.Event()
        self._counting = threading.Lock()
        self._unanswered = 0
        self._thread = threading.Thread(target=self._work, name="traffic")
        self.messages: list[Message] = []
        self.phase = ""
        self.held = False

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Return when everything was posted, the second deliveries included."""
        self._ending.set()
        self._thread.join()
        for client in self._opened:
            client.close()

    def _work(self) -> None:
        with ThreadPoolExecutor(SENDERS) as senders:
            due = time.monotonic()
            while not self._ending.wait(max(0.0, due - time.monotonic())):
                if self._unanswered < MOST_UNANSWERED and not self.held:
                    message = self._drawing.message(self.phase, at=time.time())
                    self.messages.append(message)
                    self._submit(senders, message)
                    self._draw_second(message)
                self._post_seconds(senders, until=time.monotonic())
                due += 1 / self._rate
            self._post_seconds(senders, until=float("inf"))

    def _draw_second(self, message: Message) -> None:
        if message.kind is Kind.TWICE:
            drawn = self._drawing.random
            longest = self._phase_seconds * 2 if not drawn.randrange(LATE) else SOON_SECONDS
            due = time.monotonic() + drawn.uniform(0, longest)
            heapq.heappush(self._again, (due, next(self._order), message))

    def _post_seconds(self, senders: ThreadPoolExecutor, *, until: float) -> None:
        while self._again and self._again[0][0] <= until:
            self._submit(senders, heapq.heappop(self._again)[2])

    def _submit(self, senders: ThreadPoolExecutor, message: Message) -> None:
        with self._counting:
            self._unanswered += 1
        senders.submit(self._post, message)

    def _post(self, message: Message) -> None:
        """Once, and again as Twilio does where the webhook's URL asks for it; more often, for a busy machine."""
        for _ in range(1 + RETRIES):
            answer = self._answer(message)
            message.answers.append(answer)
            if answer.is_accepted:
                break
        with self._counting:
            self._unanswered -= 1

    def _answer(self, message: Message) -> Answer:
        began = time.monotonic()
        try:
            status = self._client().post(message.params).status
        except WebhookUnreachable:
            status = 0
        return Answer(status, time.monotonic() - began)

    def _client(self) -> WebhookClient:
        found: WebhookClient | None = getattr(self._clients, "client", None)
        if found is None:
            found = self._clients.client = WebhookClient(self._url, auth_token=self._auth_token)
            self._opened.append(found)
        return found
