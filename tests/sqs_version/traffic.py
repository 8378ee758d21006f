"""Webhooks as Twilio posts them: to whatever URL the number has at that moment."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urldefrag

from b2bpilot.local.twilio.server import TwilioDouble
from b2bpilot.local.twilio.store import ResourceFilter, StoredResource
from b2bpilot.twilio.webhook import WebhookClient
from tests.upgrade.messages import KINDS, PER_CENT_TWICE, Drawing, Kind, Message
from tests.upgrade.traffic import SENDERS, Traffic


class SoundDrawing(Drawing):
    """Without poison: the SQS version's batches fail as a whole, and take sound messages with them."""

    def message(self, phase: str, *, at: float) -> Message:
        kind = Kind.TWICE if self.random.uniform(0, 100) < PER_CENT_TWICE else Kind.ONCE
        return self.of(kind, self.random.choice(KINDS), phase, at=at)


def number_url(twilio: TwilioDouble) -> str:
    (found,) = twilio.store.all(ResourceFilter(kind="number"))
    return urldefrag(found["sms_url"]).url


class RoutedTraffic(Traffic):
    def __init__(
        self, twilio: TwilioDouble, auth_token: str, *, rate: float, drawing: Drawing, phase_seconds: float
    ) -> None:
        super().__init__("", auth_token, rate=rate, drawing=drawing, phase_seconds=phase_seconds)
        self._twilio = twilio
        self._of_this_thread = threading.local()

    def burst(self, drawing: Drawing, count: int) -> None:
        """Post so many messages at once, beside the rest."""
        drawn = [
            drawing.of(Kind.ONCE, drawing.random.choice(KINDS), self.phase, at=time.time())
            for _ in range(count)
        ]
        self.messages.extend(drawn)
        with ThreadPoolExecutor(SENDERS) as senders:
            for message in drawn:
                self._submit(senders, message)

    def _client(self) -> WebhookClient:
        clients: dict[str, WebhookClient] = vars(self._of_this_thread).setdefault("clients", {})
        url = number_url(self._twilio)
        if url not in clients:
            clients[url] = WebhookClient(url, auth_token=self._auth_token)
            self._opened.append(clients[url])
        return clients[url]


def point_at(twilio: TwilioDouble, url: str) -> None:
    """Set the account's number to a URL, as it was before anybody heard of this version."""
    (found,) = twilio.store.all(ResourceFilter(kind="number"))
    document = {**found, "sms_url": url}
    number = found["phone_number"]
    twilio.store.put(
        [StoredResource(kind="number", sid=found["sid"], at=time.time(), document=document, to=number)]
    )
