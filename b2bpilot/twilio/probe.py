"""A signed request to a webhook, to see before a switch whether it answers as Twilio needs it."""

from __future__ import annotations

import http.client
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from urllib.parse import urldefrag, urlencode, urlsplit

from b2bpilot.errors import PilotError
from b2bpilot.twilio.samples import Sample, sample_params
from b2bpilot.twilio.signature import SIGNATURE_HEADER, signature_for, url_for_body
from b2bpilot.twilio.webhook_setting import ProbeKind

TIMEOUT_SECONDS = 15
LONGEST_ANSWER = 65_536
TWIML = re.compile(r"\s*(<\?xml[^>]*\?>)?\s*(<!--.*?-->\s*)*<Response[\s/>]", re.DOTALL)
TEXT = "b2bpilot: is this webhook there?"


class ProbeFailed(PilotError):
    """The URL did not answer a signed request with TwiML."""

    code = "probe_failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """A request that is ready to be sent."""

    url: str
    body: bytes = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)


def probe(url: str, *, kind: ProbeKind, auth_token: str, account_sid: str) -> None:
    """Return when the URL answered with TwiML. Raises ProbeFailed."""
    status, content_type, body = _answer(_request(urldefrag(url).url, kind, auth_token, account_sid))
    where = _host(url)
    if status != HTTPStatus.OK:
        raise ProbeFailed(
            f"{where} answered a signed request with {status}. Nothing was changed", hint=_hint(status, kind)
        )
    if "xml" not in content_type and "html" not in content_type:
        raise ProbeFailed(
            f"{where} answered with {content_type or 'no content type'}, not with TwiML. Nothing was changed"
        )
    if not TWIML.match(body):
        raise ProbeFailed(f"{where} did not answer with TwiML: it lacks <Response>. Nothing was changed")


def _request(url: str, kind: ProbeKind, auth_token: str, account_sid: str) -> Probe:
    if kind is ProbeKind.FORM:
        params = sample_params(Sample.TEXT, AccountSid=account_sid, Body=TEXT)
        return Probe(
            url=url,
            body=urlencode(params).encode(),
            headers=_headers("application/x-www-form-urlencoded", signature_for(auth_token, url, params)),
        )
    body = json.dumps({"test": TEXT}).encode()
    signed = url_for_body(url, body)
    return Probe(
        url=signed, body=body, headers=_headers("application/json", signature_for(auth_token, signed, {}))
    )


def _headers(content_type: str, signature: str) -> dict[str, str]:
    return {"Content-Type": content_type, SIGNATURE_HEADER: signature}


def _answer(request: Probe) -> tuple[int, str, str]:
    parts = urlsplit(request.url)
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    try:
        connection = kind(parts.hostname or "", parts.port, timeout=TIMEOUT_SECONDS)
        try:
            path = f"{parts.path or '/'}?{parts.query}" if parts.query else parts.path or "/"
            connection.request("POST", path, request.body, dict(request.headers))
            response = connection.getresponse()
            body = response.read(LONGEST_ANSWER).decode("utf-8", "replace")
        finally:
            connection.close()
    except (OSError, ValueError, http.client.HTTPException) as exc:
        raise ProbeFailed(
            f"{_host(request.url)} did not answer ({_reason(exc)}). Nothing was changed"
        ) from exc
    return response.status, response.getheader("Content-Type", "").lower(), body


def _reason(error: Exception) -> str:
    """In the system's words where it has some; an error's own text may repeat the URL."""
    return (error.strerror if isinstance(error, OSError) else None) or type(error).__name__


def _host(url: str) -> str:
    """URLs may hold secrets; the host says enough."""
    return urlsplit(url).hostname or "the URL"


def _hint(status: int, kind: ProbeKind) -> str | None:
    if status == HTTPStatus.FORBIDDEN:
        return "the URL must be one that the webhook verifies (B2B024 shows them), and the token be the same"
    if kind is ProbeKind.JSON:
        return "another system may know no JSON: --probe form sends what it will take for a message from +15005550006"
    return None
