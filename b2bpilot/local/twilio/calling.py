"""One call of a webhook as Twilio makes it: with the URL's `#` overrides, redirects, 15 seconds in total, and a judged answer.

Sources: twilio.com/docs/usage/webhooks/webhooks-connection-overrides, and the pages of the error codes. It reads overrides by
itself: what the product thinks of them is tried against it.
"""

from __future__ import annotations

import http.client
import time
import xml.etree.ElementTree as ET
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from urllib.parse import SplitResult, urldefrag, urlencode, urljoin, urlsplit

from b2bpilot.local.twilio.overrides import Overrides, overrides_of
from b2bpilot.pipeline.several_values import pairs_of
from b2bpilot.twilio.signature import SIGNATURE_HEADER, signature_for

FOLLOWED = frozenset({301, 302, 303, 307})
KEEPS_METHOD = 307
MOST_REDIRECTS = 10
TWIML_TYPES = ("text/xml", "application/xml", "text/html")
TEXT_TYPE = "text/plain"
FORM = "application/x-www-form-urlencoded"
CHUNK = 65_536


class CallFailure(StrEnum):
    """What went wrong; the first three and HTTP's classes are also what `rp` names."""

    CONNECT = "ct"
    READ = "rt"
    CLIENT_ERROR = "4xx"
    SERVER_ERROR = "5xx"
    TOTAL = "tt"
    REDIRECTS = "redirects"
    REDIRECT = "redirect"
    OVERRIDES = "overrides"
    CONTENT_TYPE = "content type"
    DOCUMENT = "document"


CODES = {
    CallFailure.CONNECT: 11205,
    CallFailure.READ: 11200,
    CallFailure.CLIENT_ERROR: 11200,
    CallFailure.SERVER_ERROR: 11200,
    CallFailure.TOTAL: 11203,
    CallFailure.REDIRECTS: 11215,
    CallFailure.REDIRECT: 11216,
    CallFailure.OVERRIDES: 11243,
    CallFailure.CONTENT_TYPE: 12300,
    CallFailure.DOCUMENT: 12100,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """What calling a webhook led to. `status` 0 is no answer; `tries` counts the requests without those of redirects."""

    failure: CallFailure | None = None
    status: int = 0
    body: str = field(default="", repr=False)
    tries: int = 1

    @property
    def error_code(self) -> int:
        return CODES[self.failure] if self.failure else 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Webhook:
    """A URL with its fragment, and the method. `wants_twiml`: a status callback may answer whatever it likes."""

    url: str
    method: str = "POST"
    wants_twiml: bool = True


def call(webhook: Webhook, params: Mapping[str, str], *, auth_token: str) -> Answered:
    """Call it until it answered, or must not be called again."""
    overrides = overrides_of(webhook.url)
    if overrides is None:
        return Answered(failure=CallFailure.OVERRIDES, tries=0)
    deadline = time.monotonic() + overrides.total_seconds
    tries = 0
    while True:
        tries += 1
        caller = _Caller(overrides=overrides, deadline=deadline, auth_token=auth_token)
        failure, response = caller.follow(webhook, params)
        if failure is None or tries > overrides.retries or not overrides.retries_after(failure.value):
            return Answered(failure=failure, status=response.status, body=response.body, tries=tries)
        if time.monotonic() >= deadline:
            return Answered(failure=CallFailure.TOTAL, tries=tries)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Response:
    status: int = 0
    content_type: str = ""
    location: str | None = None
    body: str = field(default="", repr=False)


class _Failed(Exception):
    def __init__(self, failure: CallFailure) -> None:
        super().__init__(failure)
        self.failure = failure


@dataclass(frozen=True, slots=True, kw_only=True)
class _Caller:
    overrides: Overrides
    deadline: float
    auth_token: str = field(repr=False)

    def follow(self, webhook: Webhook, params: Mapping[str, str]) -> tuple[CallFailure | None, _Response]:
        """Request it and where it redirects to. After 301, 302 and 303 that is a GET, as HTTP clients do it."""
        url, method = urldefrag(webhook.url).url, webhook.method
        try:
            for _ in range(1 + MOST_REDIRECTS):
                response = self._request(url, method, params)
                if response.status not in FOLLOWED or not response.location:
                    return _judged(response, wants_twiml=webhook.wants_twiml), response
                url = urldefrag(urljoin(url, response.location)).url
                if response.status != KEEPS_METHOD:
                    method, params = "GET", {}
        except _Failed as failed:
            return failed.failure, _Response()
        return CallFailure.REDIRECTS, response

    def _request(self, url: str, method: str, params: Mapping[str, str]) -> _Response:
        """With GET the parameters are in the query, and signed as a part of the URL."""
        form = urlencode(list(pairs_of(params)))
        if method == "GET" and form:
            url += ("&" if urlsplit(url).query else "?") + form
        body = form if method == "POST" else None
        signed = params if method == "POST" else {}
        headers = {SIGNATURE_HEADER: signature_for(self.auth_token, url, signed)}
        if body is not None:
            headers["Content-Type"] = FORM
        parts = urlsplit(url)
        connection = self._connected(parts)
        try:
            self._limit(connection)
            connection.request(method, _path(parts), body, headers)
            response = connection.getresponse()
            return _Response(
                status=response.status,
                content_type=response.getheader("Content-Type", "").partition(";")[0].strip().lower(),
                location=response.getheader("Location"),
                body=self._body(connection, response),
            )
        except (OSError, http.client.HTTPException):
            raise self._late() or _Failed(CallFailure.READ) from None
        finally:
            connection.close()

    def _connected(self, parts: SplitResult) -> http.client.HTTPConnection:
        kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        try:
            seconds = min(self.overrides.connect_seconds, self._left())
            connection = kind(parts.hostname or "", parts.port, timeout=seconds)
            connection.connect()
        except (OSError, ValueError):
            raise self._late() or _Failed(CallFailure.CONNECT) from None
        return connection

    def _body(self, connection: http.client.HTTPConnection, response: http.client.HTTPResponse) -> str:
        read = []
        while chunk := response.read1(CHUNK):
            read.append(chunk)
            self._limit(connection)
        return b"".join(read).decode("utf-8", "replace")

    def _limit(self, connection: http.client.HTTPConnection) -> None:
        if connection.sock is not None:
            connection.sock.settimeout(min(self.overrides.read_seconds, self._left()))

    def _left(self) -> float:
        left = self.deadline - time.monotonic()
        if left <= 0:
            raise _Failed(CallFailure.TOTAL)
        return left

    def _late(self) -> _Failed | None:
        return _Failed(CallFailure.TOTAL) if time.monotonic() >= self.deadline else None


def _judged(response: _Response, *, wants_twiml: bool) -> CallFailure | None:
    """Say what Twilio notes of an answer. A 204 and an empty text are taken; what has no type counts as 502."""
    match response.status // 100:
        case 2:
            return _judged_document(response) if wants_twiml and response.body else None
        case 3:
            return CallFailure.REDIRECT
        case 4:
            return CallFailure.CLIENT_ERROR
    return CallFailure.SERVER_ERROR


def _judged_document(response: _Response) -> CallFailure | None:
    if not response.content_type:
        return CallFailure.SERVER_ERROR
    if response.content_type not in TWIML_TYPES:
        return None if response.content_type == TEXT_TYPE else CallFailure.CONTENT_TYPE
    try:
        root = ET.fromstring(response.body)  # noqa: S314  # nosec B314  # the answer of a webhook of ours
    except ET.ParseError:
        return CallFailure.DOCUMENT
    return None if root.tag == "Response" else CallFailure.DOCUMENT


def _path(parts: SplitResult) -> str:
    return f"{parts.path or '/'}?{parts.query}" if parts.query else parts.path or "/"
