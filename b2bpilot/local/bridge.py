"""Our Lambda runtime as the emulator sees it: how an invocation gets from one process to the other."""

from __future__ import annotations

import json
import logging
import sqlite3
import threading
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from http import HTTPStatus
from pathlib import Path

import urllib3

from b2bpilot.local.runtime.events import EventQueue
from b2bpilot.pipeline.waiting import pause

KEY_HEADER = "X-B2bpilot-Key"
TOPIC_METRICS = "/topic-metrics"
ACCEPT_ATTEMPTS = 3
ACCEPT_PAUSE_SECONDS = 0.2
ACCEPT_TIMEOUT_SECONDS = 5
ACCEPT_CONNECTIONS = 32
"""So many events are handed over at once, however many wait: more would only wait in the runtime."""

CONNECTIONS = 256
END_SECONDS = 30

log = logging.getLogger(__name__)


class NotAccepted(Exception):
    """The runtime did not take an event. Who offered it has it still."""


class Runtime:
    """Safe for threads; connections are kept."""

    def __init__(self, url: str, events: Path, *, key: str) -> None:
        self._key = {KEY_HEADER: key}
        self._invoking = urllib3.connection_from_url(url, maxsize=CONNECTIONS, retries=False)
        self._accepting = urllib3.connection_from_url(
            url, maxsize=ACCEPT_CONNECTIONS, block=True, retries=False
        )
        self._events = events
        self._writing = threading.Lock()
        self._ending = threading.Event()
        self._delivering = 0
        self._delivered = threading.Condition()

    def invoke(self, function: str, event: object, *, timeout_seconds: float) -> urllib3.BaseHTTPResponse:
        headers = self._key | _headers("RequestResponse", str(uuid.uuid4()))
        return self._invoking.request(
            "POST", _path(function), body=_compact(event), headers=headers, timeout=timeout_seconds
        )

    def accept(self, function: str, event: object) -> None:
        """Return when the event is on the runtime's disk, or raise NotAccepted: the caller can offer it again. Between two
        attempts there is a pause, in which a runtime that is overrun or starts again comes to itself."""
        payload, request_id = _compact(event), str(uuid.uuid4())
        for _ in range(ACCEPT_ATTEMPTS):
            if self._offer(function, payload, request_id):
                return
            pause(ACCEPT_PAUSE_SECONDS)
        raise NotAccepted(f"the runtime took no event for {function} in {ACCEPT_ATTEMPTS} attempts")

    def deliver(self, function: str, event: object) -> None:
        """Offer an event until it is taken, as SNS does for weeks: nobody else has it any more.

        When the emulator ends before that, it goes into the runtime's queue on disk, for the next start.
        """
        payload, request_id = _compact(event), str(uuid.uuid4())
        with self._counted():
            while not self._offer(function, payload, request_id):
                if self._ending.wait(ACCEPT_PAUSE_SECONDS):
                    self._write_down(function, payload, request_id)
                    return

    def end(self, *, timeout_seconds: float = END_SECONDS) -> None:
        """Return when everything that is being delivered is taken or on disk."""
        self._ending.set()
        with self._delivered:
            if not self._delivered.wait_for(lambda: self._delivering == 0, timeout=timeout_seconds):
                log.error("%s events were neither taken nor written down: they are lost", self._delivering)

    def count(self, topics: Mapping[str, Mapping[str, int]]) -> None:
        body = json.dumps(topics).encode()
        self._invoking.request("POST", TOPIC_METRICS, body=body, headers=self._key)

    def _offer(self, function: str, payload: bytes, request_id: str) -> bool:
        """An event that is offered again under its request id is one event."""
        headers = self._key | _headers("Event", request_id)
        try:
            answer = self._accepting.request(
                "POST", _path(function), body=payload, headers=headers, timeout=ACCEPT_TIMEOUT_SECONDS
            )
        except urllib3.exceptions.HTTPError:
            return False
        return answer.status == HTTPStatus.ACCEPTED

    def _write_down(self, function: str, payload: bytes, request_id: str) -> None:
        """One thread after the other: SQLite makes those that wait for it lose their patience at random. A disk that is full or
        locked says in no way when it is not any more, and nobody else has the event."""
        while True:
            try:
                with self._writing, closing(EventQueue(self._events)) as events:
                    events.put(function, request_id, payload, accepted_at=time.time())
            except sqlite3.Error:
                log.warning("could not write down an event of %s; trying again", function, exc_info=True)
                pause(ACCEPT_PAUSE_SECONDS)
            else:
                return

    @contextmanager
    def _counted(self) -> Iterator[None]:
        with self._delivered:
            self._delivering += 1
        try:
            yield
        finally:
            with self._delivered:
                self._delivering -= 1
                self._delivered.notify_all()


def _path(function: str) -> str:
    return f"/2015-03-31/functions/{function}/invocations"


def _headers(kind: str, request_id: str) -> dict[str, str]:
    return {"X-Amz-Invocation-Type": kind, "X-Amzn-Lambda-Request-Id": request_id}


def _compact(event: object) -> bytes:
    return json.dumps(event, ensure_ascii=False, separators=(",", ":")).encode()
