"""The message that travels through SNS: build it, encode it, decode it.

The identity of a message is its `message_id`, whatever path it takes. SNS's own MessageId is never a key: a publish that
times out after SNS accepted it and is sent again has two of them.
"""

from __future__ import annotations

import hashlib
import json
import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any, TypeVar

from b2bpilot.errors import MessageTooLarge, MessageUnreadable
from b2bpilot.pipeline.document import json_object, shown

Choice = TypeVar("Choice", bound=StrEnum)

SCHEMA = 1
MAXIMUM_BYTES = 262_144
"""What SNS takes by default for one message and for the sum of a batch, body and attributes together
(docs/aws-facts.md#sns-size)."""
EARLIEST = datetime.min.replace(tzinfo=UTC) + timedelta(days=1)
LATEST = datetime.max.replace(tzinfo=UTC) - timedelta(days=1)
"""Between them a moment has a date in every time zone: PostgreSQL gives it back in the session's."""


SID = re.compile(r"[A-Za-z0-9_-]{1,255}")
SID_FIELDS = ("MessageSid", "SmsMessageSid", "SmsSid")


class Source(StrEnum):
    """Who published the message."""

    TWILIO = "twilio"
    STALE = "stale"
    RECONCILE = "reconcile"
    CLI = "cli"


class MessageType(StrEnum):
    """What the message carries; an SNS attribute that subscriptions may filter on."""

    TEXT = "text"
    MEDIA = "media"
    BUTTON = "button"
    LOCATION = "location"
    TEST = "test"


class Priority(StrEnum):
    NORMAL = "normal"
    HIGH = "high"


@dataclass(frozen=True, slots=True, kw_only=True)
class PilotMessage:
    """One business message. `params` are Twilio's parameters verbatim, blank values included."""

    message_id: str
    source: Source
    received_at: datetime
    params: Mapping[str, str] = field(repr=False)
    test: bool = False
    priority: Priority = Priority.NORMAL

    @property
    def message_type(self) -> MessageType:
        if self.test:
            return MessageType.TEST
        if self.params.get("NumMedia", "0") not in ("", "0"):
            return MessageType.MEDIA
        if self.params.get("ButtonPayload") or self.params.get("ButtonText"):
            return MessageType.BUTTON
        if self.params.get("Latitude") and self.params.get("Longitude"):
            return MessageType.LOCATION
        return MessageType.TEXT


@dataclass(frozen=True, slots=True, kw_only=True)
class Encoded:
    """A message as SNS's Publish takes it: `Message` and `MessageAttributes`, a Binary one's value as bytes."""

    body: str
    attributes: dict[str, dict[str, Any]]

    @property
    def size_bytes(self) -> int:
        attributes = sum(
            len(name) + len(value["DataType"]) + _length(value) for name, value in self.attributes.items()
        )
        return len(self.body.encode()) + attributes


def _length(value: Mapping[str, Any]) -> int:
    return len(value["BinaryValue"]) if "BinaryValue" in value else len(value["StringValue"].encode())


def message_id_for(message_sid: str) -> str:
    """Return the id of the Twilio message `message_sid`: UUIDv5, so that Twilio's retries, its fallback URL
    and a reconciliation arrive at the same id."""
    return str(uuid.uuid5(uuid.NAMESPACE_OID, message_sid))


def sid_in(params: Mapping[str, str]) -> str | None:
    """Return the SID of the message that Twilio's parameters describe: the older names say the same, where the newest is
    missing. None where there is none."""
    sid = next((params[name] for name in SID_FIELDS if params.get(name)), "")
    return sid if SID.fullmatch(sid) else None


def is_derived(message_id: str) -> bool:
    """Whether it looks like the id of a Twilio message: `message_id_for` makes UUIDs of version 5, nobody else here does."""
    try:
        return uuid.UUID(message_id).version == 5  # noqa: PLR2004  # UUIDv5
    except ValueError:
        return False


def new_message_id() -> str:
    """Return an id for a message that did not come from Twilio."""
    return str(uuid.uuid4())


def message_id_of(body: bytes) -> str:
    """Return the id of a message that has only its body to be told by: the same body is the same message."""
    return str(uuid.UUID(bytes=hashlib.sha256(body).digest()[:16], version=4))


def parse_message_id(text: str) -> str:
    """Return `text` in the canonical spelling of a UUID. Raises MessageUnreadable."""
    try:
        return str(uuid.UUID(text))
    except (ValueError, AttributeError, TypeError) as exc:
        raise MessageUnreadable(f"message_id {shown(text)} is not a UUID") from exc


def canonical(message_id: str) -> str:
    """Return a message_id as it is spelled everywhere; what is no UUID stays as it is, and is nobody's id."""
    try:
        return parse_message_id(message_id)
    except MessageUnreadable:
        return message_id


def spellings(message_id: str) -> list[str]:
    """Return how other systems spell an id, the canonical spelling first: it is text to the table, and a row is the same
    message's whichever of them it has."""
    try:
        found = uuid.UUID(message_id)
    except ValueError:
        return [message_id]
    plain = [str(found), found.hex]
    return [*plain, *(text.upper() for text in plain), f"{{{found}}}", f"{{{found}}}".upper(), found.urn]


def encode(message: PilotMessage) -> Encoded:
    """Return what to publish. User text goes into the body only: SNS refuses some of it in attributes.

    Raises MessageTooLarge when SNS would refuse it.
    """
    body = {
        "schema": SCHEMA,
        "message_id": message.message_id,
        "source": message.source.value,
        "test": message.test,
        "received_at": format_time(message.received_at),
        "params": dict(message.params),
    }
    attributes = {
        "message_id": message.message_id,
        "source": message.source.value,
        "message_type": message.message_type.value,
        "priority": message.priority.value,
        "test": "true" if message.test else "false",
    }
    encoded = Encoded(
        body=json.dumps(body),
        attributes={name: {"DataType": "String", "StringValue": value} for name, value in attributes.items()},
    )
    if encoded.size_bytes > MAXIMUM_BYTES:
        raise MessageTooLarge(
            f"message {message.message_id} has {encoded.size_bytes:,} bytes; SNS takes {MAXIMUM_BYTES:,}"
        )
    return encoded


def decode(body: str, attributes: Mapping[str, str] | None = None) -> PilotMessage:
    """Return the message in `body`; `attributes` are the SNS attributes' values by name.

    Raises MessageUnreadable with the reason when the body is not one of ours; an SNS envelope in it is such a
    reason: each message is unwrapped exactly once.
    """
    document = _document(body)
    params = document.get("params")
    if not isinstance(params, dict) or not all(isinstance(value, str) for value in params.values()):
        raise MessageUnreadable("params is not an object of strings")
    return PilotMessage(
        message_id=parse_message_id(document.get("message_id", "")),
        source=_choice(Source, document.get("source"), "source"),
        received_at=parse_time(document.get("received_at")),
        params=params,
        test=document.get("test") is True,
        priority=_choice(Priority, (attributes or {}).get("priority", "normal"), "priority"),
    )


def _document(body: str) -> dict[str, Any]:
    document = json_object(body)
    if "Records" in document or document.get("Type") == "Notification":
        raise MessageUnreadable("the body is an SNS envelope inside an envelope")
    if "schema" not in document:
        raise MessageUnreadable("the body names no schema: it is no message of ours")
    if document["schema"] != SCHEMA:
        raise MessageUnreadable(f"schema is {shown(document['schema'])}; this version reads {SCHEMA}")
    return document


def _choice(kind: type[Choice], value: object, name: str) -> Choice:
    try:
        return kind(str(value))
    except ValueError as exc:
        raise MessageUnreadable(f"{name} {shown(value)} is unknown") from exc


def format_time(moment: datetime) -> str:
    """Return an aware moment as ISO 8601 in UTC with milliseconds."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def parse_time(text: object) -> datetime:
    """Return the moment that ISO 8601 `text` names, in UTC. Raises MessageUnreadable."""
    try:
        named = datetime.fromisoformat(str(text))
        moment = (named if named.tzinfo else named.replace(tzinfo=UTC)).astimezone(UTC)
    except ValueError as exc:
        raise MessageUnreadable(f"time {shown(text)} is not ISO 8601") from exc
    except OverflowError as exc:
        raise MessageUnreadable(f"time {shown(text)} cannot be") from exc
    if not EARLIEST <= moment <= LATEST:
        raise MessageUnreadable(f"time {shown(text)} cannot be")
    return moment
