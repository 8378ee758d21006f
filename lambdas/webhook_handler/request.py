"""From an API Gateway event (HTTP API, payload 2.0) to a message: verified first, read after."""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qsl

from b2bpilot.errors import MessageUnreadable
from b2bpilot.pipeline.message import (
    PilotMessage,
    Source,
    message_id_for,
    message_id_of,
    parse_message_id,
    sid_in,
)
from b2bpilot.pipeline.priority import priority_of
from b2bpilot.pipeline.several_values import parameters
from b2bpilot.pipeline.status_callback import reported_state
from b2bpilot.twilio.signature import (
    SETTINGS_HEADER,
    SIGNATURE_HEADER,
    Parameters,
    is_signed_body,
    is_signed_form,
)
from lambdas.webhook_handler.config import WebhookConfig

FORM = "application/x-www-form-urlencoded"
JSON = "application/json"
SIGNATURE = re.compile(r"[A-Za-z0-9+/]{27}=|[A-Za-z0-9+/]{43}=")
"""Base64 of an HMAC-SHA1, or of an HMAC-SHA256: nothing else can be right, whatever the secret."""
MAX_BODY_BYTES = 6 * 262_144
"""SNS takes 262,144 bytes of our JSON, in which a character has at least a third of its bytes in a form, and a sixth of
them in the JSON of a request: what is larger can't be published, so nobody computes its signature."""
MAX_FIELDS = 2_000
"""Twilio sends some forty. Each costs its work before anybody knows who sent it."""


class RejectedRequest(Exception):
    """A request that is not taken; `status` is the answer."""

    def __init__(self, status: HTTPStatus, reason: str) -> None:
        super().__init__(reason)
        self.status = status


class SignatureUnknown(RejectedRequest):
    """A request that is signed with nothing we know: made up, or with a token newer than the one that was read."""

    def __init__(self) -> None:
        super().__init__(HTTPStatus.FORBIDDEN, "the signature does not match")


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookRequest:
    """A request as it came. `body` is the bytes that were sent, whatever API Gateway made of them."""

    content_type: str
    signature: str
    settings_header: str | None
    query: str
    body: bytes = field(repr=False)
    form: Parameters = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusCallback:
    """Twilio's report about a message that was sent: nothing to store, and nobody to answer."""

    params: Mapping[str, str] = field(repr=False)
    state: str


def read_request(event: Mapping[str, Any]) -> WebhookRequest:
    """Header names are folded to lower case: API Gateway's kinds differ in it. Raises RejectedRequest for what is too
    large to be a message: nothing is verified yet, so nothing may cost more than its bytes."""
    if not isinstance(event, Mapping):
        raise RejectedRequest(HTTPStatus.FORBIDDEN, "there is no request in the event")
    headers = _headers(event.get("headers"))
    content_type = headers.get("content-type", "").partition(";")[0].strip().lower()
    body = _body_bytes(event)
    return WebhookRequest(
        content_type=content_type,
        signature=headers.get(SIGNATURE_HEADER, ""),
        settings_header=headers.get(SETTINGS_HEADER),
        query=_utf8(event.get("rawQueryString")).decode("utf-8", "replace"),
        body=body,
        form=form_parameters(body) if content_type == FORM else Parameters(()),
    )


def message_from_request(
    request: WebhookRequest, config: WebhookConfig, *, received_at: datetime
) -> PilotMessage | StatusCallback:
    """Return what Twilio, or a test that holds the token, sent. Raises RejectedRequest; SignatureUnknown among them
    where another secret could make the difference."""
    _require(bool(request.signature), HTTPStatus.FORBIDDEN, "there is no signature")
    _require(
        bool(SIGNATURE.fullmatch(request.signature)), HTTPStatus.FORBIDDEN, "the signature does not match"
    )
    if not _is_signed(request, config):
        raise SignatureUnknown
    if request.content_type == JSON:
        return _from_json(request.body, config, received_at)
    _require(
        request.content_type == FORM,
        HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
        f"the content type must be {FORM} or {JSON}",
    )
    return _from_twilio(request.form.pairs, config, received_at)


def form_parameters(body: bytes) -> Parameters:
    """Blank values are kept: the signature covers them, and Twilio sends `Body=` with media. Raises RejectedRequest."""
    text = body.decode("utf-8", "replace")
    try:
        pairs = parse_qsl(text, keep_blank_values=True, errors="replace", max_num_fields=MAX_FIELDS)
    except ValueError as exc:
        raise RejectedRequest(
            HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"the form has more than {MAX_FIELDS:,} fields"
        ) from exc
    return Parameters(pairs)


def _headers(headers: object) -> dict[str, str]:
    if not isinstance(headers, Mapping):
        return {}
    return {str(name).lower(): str(value) for name, value in headers.items()}


def _body_bytes(event: Mapping[str, Any]) -> bytes:
    body = _utf8(event.get("body"))
    if event.get("isBase64Encoded"):
        body = _from_base64(body)
    _require(
        len(body) <= MAX_BODY_BYTES, HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "the body is larger than a message"
    )
    return body


def _from_base64(body: bytes) -> bytes:
    try:
        return base64.b64decode(body, validate=True)
    except (binascii.Error, ValueError) as exc:
        raise RejectedRequest(
            HTTPStatus.FORBIDDEN, "the body is not the base64 that it claims to be"
        ) from exc


def _utf8(text: object) -> bytes:
    return str(text or "").encode("utf-8", "surrogatepass")


def _is_signed(request: WebhookRequest, config: WebhookConfig) -> bool:
    if request.content_type == JSON:
        return is_signed_body(
            config.secrets,
            urls=config.public_urls,
            query=request.query,
            body=request.body,
            signature=request.signature,
            settings_header=request.settings_header,
        )
    return is_signed_form(
        config.secrets,
        urls=config.public_urls,
        query=request.query,
        parameters=request.form,
        signature=request.signature,
        settings_header=request.settings_header,
    )


def _from_json(body: bytes, config: WebhookConfig, received_at: datetime) -> PilotMessage | StatusCallback:
    """`{"test": "text", ...}` is a test message; any other object holds Twilio's parameters. A name may come twice."""
    try:
        document = json.loads(body, object_pairs_hook=_Members)
    except (ValueError, RecursionError) as exc:
        raise RejectedRequest(HTTPStatus.BAD_REQUEST, "the body is not JSON") from exc
    if not isinstance(document, _Members):
        raise RejectedRequest(HTTPStatus.BAD_REQUEST, "the body is not a JSON object")
    if "test" in document:
        return _test_message(document, body, config, received_at)
    return _from_twilio(((name, _text(value)) for name, value in document.pairs), config, received_at)


class _Members(dict[str, Any]):
    """A JSON object that keeps what its text says of a repeated name."""

    def __init__(self, pairs: list[tuple[str, Any]]) -> None:
        super().__init__(pairs)
        self.pairs = pairs


def _test_message(
    document: _Members, body: bytes, config: WebhookConfig, received_at: datetime
) -> PilotMessage:
    """Without an id of its own it gets one of its body, or whoever sees the request could send it as often as they like."""
    wanted = document.get("message_id")
    try:
        message_id = parse_message_id(str(wanted)) if wanted else message_id_of(body)
    except MessageUnreadable as exc:
        raise RejectedRequest(HTTPStatus.BAD_REQUEST, "message_id is not a UUID") from exc
    others = ((name, value) for name, value in document.pairs if name not in ("test", "message_id"))
    texts = {"Body": _text(document["test"])} | parameters((name, _text(value)) for name, value in others)
    return PilotMessage(
        message_id=message_id,
        source=Source.CLI,
        received_at=received_at,
        params=texts,
        test=True,
        priority=priority_of(texts, config.high_priority_numbers),
    )


def _from_twilio(
    pairs: Iterable[tuple[str, str]], config: WebhookConfig, received_at: datetime
) -> PilotMessage | StatusCallback:
    params = parameters(pairs)
    if state := reported_state(params):
        return StatusCallback(params=params, state=state)
    sid = sid_in(params)
    if sid is None:
        raise RejectedRequest(HTTPStatus.BAD_REQUEST, "MessageSid is missing or not a SID")
    return PilotMessage(
        message_id=message_id_for(sid),
        source=Source.TWILIO,
        received_at=received_at,
        params=params,
        priority=priority_of(params, config.high_priority_numbers),
    )


def identity(params: Mapping[str, str]) -> dict[str, str | None]:
    """Return what log lines call the message with these parameters. Before they are verified it is only what they claim."""
    sid = sid_in(params)
    return {"message_id": message_id_for(sid) if sid else None, "message_sid": sid}


def _text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _require(fact: bool, status: HTTPStatus, reason: str) -> None:
    if not fact:
        raise RejectedRequest(status, reason)
