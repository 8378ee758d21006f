"""What SNS hands to a Lambda function, and what a redrive adds to it."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from b2bpilot.errors import MessageUnreadable
from b2bpilot.pipeline.document import is_text, shown
from b2bpilot.pipeline.message import PilotMessage, decode, parse_time

RUN_ID = re.compile("[A-Za-z0-9._:-]{1,100}")
MOST_ATTEMPTS = 1_000_000
"""More is somebody's joke, and counted no further."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RedriveMark:
    """Which run sent a dead letter again, and for the how-manieth time (1 is the first)."""

    run_id: str
    attempt: int
    is_accepted_only: bool = False
    """Whether the run was only told that AWS has it, and may have deleted the dead letter on that word."""
    subscriber: str | None = None
    """The endpoint of the subscriber that it was sent to; None is the processor, as in every mark that names nobody."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """One message as it arrived. SNS's own id is for the logs; the message's id is the identity."""

    message: PilotMessage
    sns_message_id: str
    published_at: datetime | None
    redrive: RedriveMark | None = None


def deliveries(event: Mapping[str, Any]) -> list[Delivery]:
    """Return the deliveries of an event from SNS; AWS sends one record per event but does not promise it.

    Raises MessageUnreadable when a record is not one of ours.
    """
    records = event.get("Records") if isinstance(event, Mapping) else None
    if not isinstance(records, list) or not records:
        raise MessageUnreadable("the event has no Records; expected an event from SNS")
    redrive = redrive_of(event)
    return [_delivery(record, redrive) for record in records]


def redrive_of(event: Mapping[str, Any]) -> RedriveMark | None:
    """Return what a redrive wrote beside `Records`, or None where no redrive wrote it."""
    mark = event.get("redrive")
    run_id = mark.get("run_id") if isinstance(mark, dict) else None
    if not isinstance(mark, dict) or not isinstance(run_id, str) or not RUN_ID.fullmatch(run_id):
        return None
    try:
        attempt = int(mark["attempt"])
    except (KeyError, TypeError, ValueError, OverflowError):
        return None
    if attempt <= 0:
        return None
    return RedriveMark(
        run_id=run_id,
        attempt=min(attempt, MOST_ATTEMPTS),
        is_accepted_only=mark.get("accepted_only") is True,
        subscriber=str(mark["subscriber"]) if "subscriber" in mark else None,
    )


def _delivery(record: object, redrive: RedriveMark | None) -> Delivery:
    notification = record.get("Sns") if isinstance(record, dict) else None
    if not isinstance(notification, dict) or not isinstance(notification.get("Message"), str):
        raise MessageUnreadable("a record has no Sns.Message")
    attributes = attribute_values(notification.get("MessageAttributes"))
    timestamp = notification.get("Timestamp")
    return Delivery(
        message=decode(notification["Message"], attributes),
        sns_message_id=str(notification.get("MessageId", "")),
        published_at=parse_time(timestamp) if timestamp else None,
        redrive=redrive or redrive_in(attributes),
    )


def attribute_values(attributes: object) -> dict[str, str]:
    """Return SNS attributes as name to value. `Type` is ignored: SNS says String for a Number at times.

    Raises MessageUnreadable for what SNS never writes: a message without all of its attributes is filtered out silently.
    """
    if attributes is None:
        return {}
    if not isinstance(attributes, dict):
        raise MessageUnreadable("MessageAttributes is not an object")
    return {name: _attribute_value(name, entry) for name, entry in attributes.items()}


def sns_attributes(attributes: object) -> dict[str, dict[str, Any]]:
    """Return SNS attributes in the form in which they are published again, each with its type.

    Of a Lambda event the type may be SNS's word only: it hands a Number over as a String
    (docs/aws-facts.md#event-from-sns), and nothing tells.
    Raises MessageUnreadable as `attribute_values` does, and for a Binary one that is no base64.
    """
    values = attribute_values(attributes)
    entries: Mapping[str, Any] = attributes if isinstance(attributes, dict) else {}
    return {name: _typed(name, str(entries[name].get("Type") or "String"), values[name]) for name in values}


def _typed(name: str, data_type: str, value: str) -> dict[str, Any]:
    if data_type.partition(".")[0] != "Binary":
        return {"DataType": data_type, "StringValue": value}
    try:
        return {"DataType": data_type, "BinaryValue": base64.b64decode(value, validate=True)}
    except (binascii.Error, ValueError) as exc:
        raise MessageUnreadable(f"the attribute {shown(name)} is Binary and holds no base64") from exc


def _attribute_value(name: str, entry: object) -> str:
    value = entry.get("Value") if isinstance(entry, dict) else None
    if not isinstance(value, str) or not value or not is_text(value) or not is_text(name):
        raise MessageUnreadable(f"the attribute {shown(name)} holds no text")
    return value


def redrive_in(attributes: Mapping[str, str]) -> RedriveMark | None:
    """Return the mark that a redrive by the topic or a queue wrote: there is no place beside `Records`, so it travels in the
    attributes."""
    return redrive_of(
        {
            "redrive": {
                "run_id": attributes.get("redrive_run_id"),
                "attempt": attributes.get("redrive_attempt"),
                "accepted_only": True,
            }
        }
        if "redrive_run_id" in attributes
        else {}
    )
