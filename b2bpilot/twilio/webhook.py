"""Posting to a webhook as Twilio does: a signed form, over a connection that is kept."""

from __future__ import annotations

import http.client
import time
from collections.abc import Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Self
from urllib.parse import urldefrag, urlencode, urlsplit

from b2bpilot.errors import PilotError
from b2bpilot.twilio.signature import SIGNATURE_HEADER, signature_for

TIMEOUT_SECONDS = 15
"""As long as Twilio waits by default (facts D2)."""


class WebhookUnreachable(PilotError):
    """The webhook's URL did not answer."""

    code = "webhook_unreachable"


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What the webhook said; `message_id` only where it published."""

    status: int
    body: str
    message_id: str | None
    seconds: float


class WebhookClient:
    """Holds one connection; not for use by two threads at once."""

    def __init__(self, url: str, *, auth_token: str) -> None:
        self._url = urldefrag(url).url
        self._auth_token = auth_token
        parts = urlsplit(self._url)
        connection = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        self._connection = connection(parts.hostname or "", parts.port, timeout=TIMEOUT_SECONDS)
        self._path = f"{parts.path}?{parts.query}" if parts.query else parts.path

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._connection.close()

    def post(self, params: Mapping[str, str], *, signature: str | None = None) -> Answer:
        """Send the parameters, signed unless a signature is given. Raises WebhookUnreachable."""
        headers = {
            "Content-Type": "application/x-www-form-urlencoded",
            SIGNATURE_HEADER: signature or signature_for(self._auth_token, self._url, params),
        }
        started = time.perf_counter()
        try:
            self._connection.request("POST", self._path, urlencode(params), headers)
            response = self._connection.getresponse()
            body = response.read().decode("utf-8", "replace")
        except (OSError, http.client.HTTPException) as exc:
            self._connection.close()
            raise WebhookUnreachable(f"the webhook at {self._url} did not answer: {exc}") from exc
        return Answer(
            status=response.status,
            body=body,
            message_id=response.getheader("x-message-id"),
            seconds=time.perf_counter() - started,
        )
