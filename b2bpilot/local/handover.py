"""Our Lambda runtime as the emulator sees it: how an invocation gets from one process to the other."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Mapping
from contextlib import closing
from http import HTTPStatus
from pathlib import Path

import urllib3

from b2bpilot.local.runtime.events import EventQueue

ACCEPT_ATTEMPTS = 5
ACCEPT_PAUSE_SECONDS = 0.2
ACCEPT_TIMEOUT_SECONDS = 10
CONNECTIONS = 256


class Runtime:
    """Safe for threads; connections are kept."""

    def __init__(self, url: str, events: Path) -> None:
        self._pool = urllib3.connection_from_url(url, maxsize=CONNECTIONS, retries=False)
        self._events = events

    def invoke(self, function: str, event: object, *, timeout_seconds: float) -> urllib3.BaseHTTPResponse:
        return self._post(function, _compact(event), str(uuid.uuid4()), "RequestResponse", timeout_seconds)

    def accept(self, function: str, event: object) -> None:
        """Return when the event is safe. A runtime that cannot be reached finds it in its queue when it comes back."""
        payload, request_id = _compact(event), str(uuid.uuid4())
        for _ in range(ACCEPT_ATTEMPTS):
            try:
                answer = self._post(function, payload, request_id, "Event", ACCEPT_TIMEOUT_SECONDS)
            except urllib3.exceptions.HTTPError:
                time.sleep(ACCEPT_PAUSE_SECONDS)
                continue
            if answer.status == HTTPStatus.ACCEPTED:
                return
        with closing(EventQueue(self._events)) as events:
            events.put(function, request_id, payload, accepted_at=time.time())

    def count(self, topics: Mapping[str, Mapping[str, int]]) -> None:
        self._pool.request("POST", "/topic-metrics", body=json.dumps(topics).encode())

    def _post(
        self, function: str, payload: bytes, request_id: str, kind: str, timeout_seconds: float
    ) -> urllib3.BaseHTTPResponse:
        return self._pool.request(
            "POST",
            f"/2015-03-31/functions/{function}/invocations",
            body=payload,
            headers={"X-Amz-Invocation-Type": kind, "X-Amzn-Lambda-Request-Id": request_id},
            timeout=timeout_seconds,
        )


def _compact(event: object) -> bytes:
    return json.dumps(event, ensure_ascii=False, separators=(",", ":")).encode()
