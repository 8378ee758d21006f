"""Posting to a webhook as Twilio does: a signed form, over a connection that is kept."""

from __future__ import annotations

import http.client
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import TracebackType
from typing import Self
from urllib.parse import urldefrag, urlencode, urlsplit

from b2bpilot.errors import PilotError
from b2bpilot.pipeline.several_values import pairs_of
from b2bpilot.twilio.signature import SIGNATURE_HEADER, signature_for, url_for_body

FORM, JSON = "application/x-www-form-urlencoded", "application/json"
TIMEOUT_SECONDS = 15
"""As long as Twilio waits by default (docs/aws-facts.md#webhook-retries)."""


class WebhookUnreachable(PilotError):
    """The webhook's URL did not answer. `was_sent`: it may have got the request all the same."""

    code = "webhook_unreachable"

    def __init__(self, message: str, *, was_sent: bool, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.was_sent = was_sent


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedRequest:
    """One POST as Twilio would make it. It holds the signature, never the token."""

    url: str
    content_type: str
    signature: str
    body: bytes = field(repr=False)


def signed_form(url: str, params: Mapping[str, str], *, auth_token: str) -> SignedRequest:
    """Return the request with which Twilio hands over a message with these parameters."""
    address = urldefrag(url).url
    return SignedRequest(
        url=address,
        content_type=FORM,
        signature=signature_for(auth_token, address, params),
        body=urlencode(list(pairs_of(params))).encode(),
    )


def signed_test(url: str, message_id: str, params: Mapping[str, str], *, auth_token: str) -> SignedRequest:
    """Return the request of a test message under this id: the form in which nothing is answered to anybody.

    Its body is printable ASCII, so that it can stand on a command line.
    """
    others = {name: value for name, value in params.items() if name != "Body"}
    document = {"test": params.get("Body", ""), "message_id": message_id, **others}
    body = json.dumps(document).encode()
    address = url_for_body(urldefrag(url).url, body)
    return SignedRequest(
        url=address, content_type=JSON, signature=signature_for(auth_token, address, {}), body=body
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookAnswer:
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

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        self._connection.close()

    def post(self, params: Mapping[str, str], *, signature: str | None = None) -> WebhookAnswer:
        """Send the parameters as Twilio does, signed unless a signature is given. Raises WebhookUnreachable."""
        request = signed_form(self._url, params, auth_token=self._auth_token)
        return self._send(replace(request, signature=signature or request.signature))

    def post_test(self, message_id: str, params: Mapping[str, str]) -> WebhookAnswer:
        """Send a test message under this id. Raises WebhookUnreachable."""
        return self._send(signed_test(self._url, message_id, params, auth_token=self._auth_token))

    def _send(self, request: SignedRequest) -> WebhookAnswer:
        headers = {"Content-Type": request.content_type, SIGNATURE_HEADER: request.signature}
        started = time.perf_counter()
        is_kept = self._connection.sock is not None
        try:
            if not is_kept:
                self._connection.connect()
        except OSError as exc:
            raise self._unreachable(exc, was_sent=False) from exc
        try:
            response = self._response(_path_of(request.url), request.body, headers, is_kept=is_kept)
            text = response.read().decode("utf-8", "replace")
        except (OSError, http.client.HTTPException) as exc:
            self._connection.close()
            raise self._unreachable(exc, was_sent=True) from exc
        return WebhookAnswer(
            status=response.status,
            body=text,
            message_id=response.getheader("x-message-id"),
            seconds=time.perf_counter() - started,
        )

    def _response(
        self, path: str, body: bytes, headers: Mapping[str, str], *, is_kept: bool
    ) -> http.client.HTTPResponse:
        """A kept connection that the other side has closed meanwhile is opened again, once."""
        try:
            self._connection.request("POST", path, body, headers)
            return self._connection.getresponse()
        except (ConnectionResetError, BrokenPipeError):  # RemoteDisconnected is a ConnectionResetError
            if not is_kept:
                raise
            self._connection.close()
            self._connection.request("POST", path, body, headers)
            return self._connection.getresponse()

    def _unreachable(self, exc: Exception, *, was_sent: bool) -> WebhookUnreachable:
        reason = str(exc) or type(exc).__name__
        return WebhookUnreachable(f"the webhook at {self._url} did not answer: {reason}", was_sent=was_sent)


def _path_of(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.path}?{parts.query}" if parts.query else parts.path
