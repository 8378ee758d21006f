"""A signed request to a webhook, to see before a switch whether it answers as Twilio takes it."""

from __future__ import annotations

import http.client
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from urllib.parse import parse_qsl, urldefrag, urlencode, urljoin, urlsplit
from xml.etree import ElementTree

from b2bpilot.errors import PilotError
from b2bpilot.twilio.samples import Sample, sample_params
from b2bpilot.twilio.signature import SIGNATURE_HEADER, signature_for, url_for_body
from b2bpilot.twilio.webhook import FORM
from b2bpilot.twilio.webhook_setting import ProbeKind

TIMEOUT_SECONDS = 15
LONGEST_ANSWER = 65_536
TWIML_TYPES = ("text/xml", "application/xml", "text/html")
TEXT = "b2bpilot: is this webhook there?"


UNCHANGED = "Nothing was changed at Twilio"
FOLLOWED = frozenset({301, 302, 303, 307})
"""The redirects that Twilio follows, as a browser does (twilio.com/docs/api/errors/11216)."""
MOST_REDIRECTS = 5


class ProbeFailed(PilotError):
    """The URL did not answer a signed request as Twilio takes it."""

    code = "probe_failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """A request that is ready to be sent."""

    url: str
    body: bytes | None = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Answer:
    status: int
    content_type: str
    text: str = field(repr=False)
    location: str | None = field(repr=False)


def probe(url: str, *, kind: ProbeKind, auth_token: str, account_sid: str) -> str | None:
    """Return when the URL answered as Twilio takes it, and what there is to say about such an answer that is no TwiML.

    Twilio takes TwiML, a text, which it sends to whoever wrote, and a 204, and follows redirects. Raises ProbeFailed.
    """
    request = _request(urldefrag(url).url, kind, auth_token, account_sid)
    answer = _answer(request)
    for _ in range(MOST_REDIRECTS):
        if answer.status not in FOLLOWED or not answer.location:
            break
        request = _redirected(request, answer, auth_token)
        answer = _answer(request)
    where = _host(request.url)
    if answer.status == HTTPStatus.NO_CONTENT:
        return f"{where} answered with 204 and no TwiML: Twilio takes that as no reply."
    if answer.status != HTTPStatus.OK:
        raise ProbeFailed(
            f"{where} answered a signed request with {answer.status}. {UNCHANGED}",
            hint=_hint(answer.status, kind),
        )
    return _caveat(answer, where)


def _caveat(answer: _Answer, where: str) -> str | None:
    """Judge the content of a 200, by the types that Twilio documents (twilio.com/docs/messaging/twiml)."""
    kind = answer.content_type.partition(";")[0].strip()
    if kind == "text/plain":
        if not answer.text.strip():
            return None
        return f"{where} answered with text/plain: Twilio sends that text as a reply to whoever writes."
    if kind not in TWIML_TYPES:
        raise ProbeFailed(f"{where} answered with {kind or 'no content type'}, not with TwiML. {UNCHANGED}")
    if problem := _problem_of(answer.text):
        raise ProbeFailed(f"{where} did not answer with TwiML: {problem}. {UNCHANGED}")
    return None


def _problem_of(document: str) -> str | None:
    """Say why Twilio could not parse it as TwiML (twilio.com/docs/api/errors/12100), None if it can."""
    try:
        root = ElementTree.fromstring(document)  # noqa: S314  # nosec B314  # of a URL that the operator names
    except ElementTree.ParseError as exc:
        return f"it is not valid XML ({exc})"
    return None if root.tag == "Response" else "it lacks <Response>"


def _redirected(request: Probe, answer: _Answer, auth_token: str) -> Probe:
    """Ask where it leads as a browser does: with the same form after a 307, with GET after the others."""
    try:
        url = urljoin(request.url, (answer.location or "").partition("#")[0])
        _ = urlsplit(url).port
    except ValueError as exc:
        raise ProbeFailed(
            f"{_host(request.url)} redirects to something that is not a URL. {UNCHANGED}"
        ) from exc
    if urlsplit(url).scheme not in ("https", urlsplit(request.url).scheme):
        raise ProbeFailed(
            f"{_host(request.url)} redirects to {_host(url)} without TLS; name the URL that it leads to. {UNCHANGED}"
        )
    if answer.status == HTTPStatus.TEMPORARY_REDIRECT and request.body is not None:
        params = dict(parse_qsl(request.body.decode(), keep_blank_values=True))
        is_form = request.headers["Content-Type"] == FORM
        signed = signature_for(auth_token, url, params if is_form else {})
        return Probe(url=url, body=request.body, headers={**request.headers, SIGNATURE_HEADER: signed})
    return Probe(url=url, body=None, headers={SIGNATURE_HEADER: signature_for(auth_token, url, {})})


def _request(url: str, kind: ProbeKind, auth_token: str, account_sid: str) -> Probe:
    if kind is ProbeKind.FORM:
        params = sample_params(Sample.TEXT, AccountSid=account_sid, Body=TEXT)
        return Probe(
            url=url,
            body=urlencode(params).encode(),
            headers=_headers(FORM, signature_for(auth_token, url, params)),
        )
    body = json.dumps({"test": TEXT}).encode()
    signed = url_for_body(url, body)
    return Probe(
        url=signed, body=body, headers=_headers("application/json", signature_for(auth_token, signed, {}))
    )


def _headers(content_type: str, signature: str) -> dict[str, str]:
    return {"Content-Type": content_type, SIGNATURE_HEADER: signature}


def _answer(request: Probe) -> _Answer:
    parts = urlsplit(request.url)
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    try:
        connection = kind(parts.hostname or "", parts.port, timeout=TIMEOUT_SECONDS)
        try:
            path = f"{parts.path or '/'}?{parts.query}" if parts.query else parts.path or "/"
            method = "GET" if request.body is None else "POST"
            connection.request(method, path, request.body, dict(request.headers))
            response = connection.getresponse()
            body = response.read(LONGEST_ANSWER).decode("utf-8", "replace")
        finally:
            connection.close()
    except (OSError, ValueError, http.client.HTTPException) as exc:
        raise ProbeFailed(f"{_host(request.url)} did not answer ({_reason(exc)}). {UNCHANGED}") from exc
    return _Answer(
        status=response.status,
        content_type=response.getheader("Content-Type", "").lower(),
        text=body,
        location=response.getheader("Location"),
    )


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
