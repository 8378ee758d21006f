"""How the SDK's requests travel: at the place that it has for an HTTP client of one's own. Imported with the first request."""

from __future__ import annotations

import logging
import threading
from http import HTTPStatus
from typing import Any, Protocol
from urllib.parse import urlsplit

import requests
from requests.adapters import HTTPAdapter
from twilio.http.http_client import TwilioHttpClient

from b2bpilot.pipeline.clock import HostClock
from b2bpilot.pipeline.waiting import monotonic, pause

SILENT = logging.Logger("b2bpilot.twilio", logging.CRITICAL + 1)  # noqa: LOG001  # the SDK's own one logs numbers
PAUSES_SECONDS = (0.5, 1.0, 2.0, 4.0, 8.0)
ATTEMPTS_TO_CONNECT = 3
LONGEST_PAUSE_SECONDS = 30.0


class Sender(Protocol):
    """What the SDK asks of an HTTP client."""

    def request(self, method: str, url: str, **rest: Any) -> Any: ...


class Transport:
    """Sends each request once. With an `api_url`, `https://HOST.twilio.com/PATH` is asked for at `api_url/HOST/PATH`."""

    is_async = False

    def __init__(
        self,
        *,
        api_url: str | None,
        timeout_seconds: float,
        connections: int = 1,
        clock: HostClock | None = None,
    ) -> None:
        """`clock` hears every answer."""
        self._api_url = api_url
        self._clock = clock or HostClock("Twilio")
        self._client = TwilioHttpClient(timeout=timeout_seconds, max_retries=0, logger=SILENT)
        for scheme in ("https://", "http://"):
            self._client.session.mount(scheme, HTTPAdapter(pool_maxsize=connections, max_retries=0))
        if api_url:
            self._client.session.trust_env = False

    def request(self, method: str, url: str, **rest: Any) -> Any:
        asked_at = self._clock.machine()
        answer = self._client.request(method, located(url, self._api_url), **rest)
        self._clock.hear((answer.headers or {}).get("Date"), asked_at=asked_at)
        return answer


class Patient:
    """Asks again, later and later, where that can do no harm: after a 429 (docs/aws-facts.md#sending-twice: not
    processed), and what only reads
    also after a failure. All threads pause together."""

    is_async = False

    def __init__(self, sender: Sender) -> None:
        self._sender = sender
        self._not_before = 0.0
        self._changed = threading.Lock()

    def request(self, method: str, url: str, **rest: Any) -> Any:
        for attempt, seconds in enumerate(PAUSES_SECONDS):
            self._wait()
            try:
                response = self._sender.request(method, url, **rest)
            except requests.RequestException:
                if method != "GET" or attempt >= ATTEMPTS_TO_CONNECT - 1:
                    raise
                self._hold(seconds)
                continue
            if not _is_worth_another(method, response.status_code):
                return response
            self._hold(max(seconds, _asked_pause(response.headers)))
        self._wait()
        return self._sender.request(method, url, **rest)

    def _hold(self, seconds: float) -> None:
        with self._changed:
            self._not_before = max(self._not_before, monotonic() + min(seconds, LONGEST_PAUSE_SECONDS))

    def _wait(self) -> None:
        remaining = self._not_before - monotonic()
        if remaining > 0:
            pause(remaining)


def located(url: str, api_url: str | None) -> str:
    """Return where a URL of Twilio's is really asked for."""
    parts = urlsplit(url)
    if not api_url or not (parts.hostname or "").endswith("twilio.com"):
        return url
    product = (parts.hostname or "").partition(".")[0]
    return f"{api_url.rstrip('/')}/{product}{parts.path}" + (f"?{parts.query}" if parts.query else "")


def _is_worth_another(method: str, status: int) -> bool:
    is_failure = status == HTTPStatus.REQUEST_TIMEOUT or status >= HTTPStatus.INTERNAL_SERVER_ERROR
    return status == HTTPStatus.TOO_MANY_REQUESTS or (method == "GET" and is_failure)


def _asked_pause(headers: Any) -> float:
    try:
        return float((headers or {}).get("Retry-After", 0))
    except ValueError:
        return 0.0
