"""A message as the SQS version wrote it into its queue (docs/decisions/0041-the-old-queue.md has the shapes).

Users wrote that version by hand, so it is told by what it holds: Twilio's parameters, as JSON or as a form, at the top or
a few levels below it.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any
from urllib.parse import parse_qsl

from b2bpilot.errors import MessageUnreadable
from b2bpilot.pipeline.document import json_object
from b2bpilot.pipeline.message import PilotMessage, Source, message_id_for, sid_in
from b2bpilot.pipeline.several_values import parameters

MOST_LEVELS = 4
"""An API Gateway event in a document of somebody's own is two; each may be text in the one above it."""
MOST_FIELDS = 2_000
SPELLINGS = {
    "messagesid": "MessageSid",
    "smsmessagesid": "SmsMessageSid",
    "smssid": "SmsSid",
    "accountsid": "AccountSid",
    "from": "From",
    "fromnumber": "From",
    "to": "To",
    "tonumber": "To",
    "body": "Body",
    "nummedia": "NumMedia",
}
"""What old code called the parameters that are read here, without case, hyphens and underscores."""
FORM = re.compile(r"(?:^|&)(?:Message|SmsMessage|Sms)Sid=")


def old_message(body: str, *, sent_at: datetime) -> PilotMessage:
    """Return the one message that the body holds; its id is that which the webhook of today gives it.

    Raises MessageUnreadable, also for two different ones: which of them it is, nobody knows. Of one that is named several
    times, as where somebody noted its SID beside it, the fullest is the message.
    """
    fullest = sorted(_messages(_read(body), MOST_LEVELS), key=_fullness)
    found = {message_id_for(sid_in(params) or ""): params for params in fullest}
    if not found:
        raise MessageUnreadable("the body of the old queue holds no MessageSid")
    if len(found) > 1:
        raise MessageUnreadable(f"the body of the old queue holds {len(found)} messages, not one")
    ((message_id, params),) = found.items()
    if not params.keys() & {"From", "Body"}:
        raise MessageUnreadable("the body of the old queue holds a MessageSid, and neither From nor Body")
    return PilotMessage(message_id=message_id, source=Source.TWILIO, received_at=sent_at, params=params)


def _read(text: str) -> Mapping[str, Any]:
    """The object or the form that the text is, or that it is as a JSON string. Raises MessageUnreadable."""
    match text.lstrip()[:1]:
        case "{":
            return json_object(text)
        case '"':
            return _read(_unquoted(text))
    return _form(text) if FORM.search(text) else json_object(text)


def _unquoted(text: str) -> str:
    try:
        found = json.loads(text)
    except ValueError as exc:
        raise MessageUnreadable("the body is not JSON") from exc
    return str(found).lstrip('" ')


def _form(text: str) -> Mapping[str, str]:
    try:
        return parameters(parse_qsl(text, keep_blank_values=True, max_num_fields=MOST_FIELDS))
    except ValueError as exc:
        raise MessageUnreadable(f"the form has more than {MOST_FIELDS:,} fields") from exc


def _messages(node: Any, levels: int) -> Iterator[Mapping[str, str]]:
    """Yield the objects that are messages: what hangs below a whole one is its own."""
    if not isinstance(node, Mapping):
        return
    params = _params(node)
    if sid_in(params):
        yield params
    is_whole = sid_in(params) and params.keys() >= {"From", "Body"}
    if levels > 1 and not is_whole:
        for value in _values(node):
            yield from _messages(value, levels - 1)


def _fullness(params: Mapping[str, str]) -> tuple[int, int]:
    return len(params.keys() & {"From", "To", "Body"}), len(params)


def _values(node: Mapping[str, Any]) -> Iterator[Any]:
    for value in node.values():
        if not isinstance(value, str):
            yield value
        elif (read := _read_if_any(value, is_base64=node.get("isBase64Encoded") is True)) is not None:
            yield read


def _read_if_any(text: str, *, is_base64: bool) -> Mapping[str, Any] | None:
    try:
        return _read(base64.b64decode(text, validate=True).decode() if is_base64 else text)
    except (MessageUnreadable, binascii.Error, ValueError):
        return None


def _params(node: Mapping[str, Any]) -> dict[str, str]:
    """Twilio's own spelling of a name wins over others of it; null is nothing, and a list is several values."""
    pairs = [(name, each) for name, value in node.items() for each in _texts(value)]
    known = {name for name, _ in pairs}
    named = [(SPELLINGS.get(re.sub("[-_]", "", name).lower(), name), name, text) for name, text in pairs]
    return parameters((name if name == was or name not in known else was, text) for name, was, text in named)


def _texts(value: Any) -> list[str]:
    if isinstance(value, list):
        return [_text(each) for each in value]
    return [] if value is None else [_text(value)]


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)
