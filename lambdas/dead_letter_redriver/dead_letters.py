"""Dead letters as the mapping hands them over, and the dead letter that takes the place of one that failed again."""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Mapping
from typing import Any

from b2bpilot.aws.queue import Outgoing
from b2bpilot.errors import MessageUnreadable
from b2bpilot.pipeline.dead_letter import DeadLetter, event_for_invoke, read_dead_letter

LONGEST_ERROR = 1_000
"""Lambda keeps the first KB of an error (docs/aws-facts.md#lambda-dead-letters)."""

NOT_TAKEN_BY_SQS = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def dead_letters_of(event: object) -> list[DeadLetter]:
    """Decode a batch of the mapping. Raises MessageUnreadable for what is none: an error deletes nothing."""
    records = event.get("Records") if isinstance(event, Mapping) else None
    if not isinstance(records, list):
        raise MessageUnreadable("the event's Records are not a list; expected an event from SQS")
    if not all(map(_is_named, records)):
        raise MessageUnreadable(
            "a record has no messageId, so no answer can keep it; expected an event from SQS"
        )
    return [dead_letter_of(record) for record in records]


def _is_named(record: object) -> bool:
    named = record.get("messageId") if isinstance(record, Mapping) else None
    return isinstance(named, str) and named != ""


def dead_letter_of(record: Mapping[str, Any]) -> DeadLetter:
    """Decode a record of the mapping: SQS's message with its names in lower case. Never raises."""
    given = record.get("messageAttributes")
    attributes = given if isinstance(given, dict) else {}
    return read_dead_letter(
        {
            "MessageId": record.get("messageId", ""),
            "ReceiptHandle": record.get("receiptHandle", ""),
            "Body": record.get("body", ""),
            "Attributes": record.get("attributes"),
            "MessageAttributes": {
                name: _attribute(entry) for name, entry in attributes.items() if isinstance(entry, dict)
            },
        }
    )


def _attribute(entry: Mapping[str, Any]) -> dict[str, Any]:
    """The mapping hands bytes over in base64."""
    found = {"DataType": entry.get("dataType"), "StringValue": entry.get("stringValue")}
    try:
        binary = base64.b64decode(entry.get("binaryValue") or "", validate=True)
    except (binascii.Error, ValueError, TypeError):
        return found
    return {"DataType": entry.get("dataType"), "BinaryValue": binary} if binary else found


def failed_again(dead_letter: DeadLetter, *, run_id: str, error: str) -> Outgoing:
    """Return the dead letter that Lambda itself would have written: the event, marked with run and attempt, and the error.

    Plain ASCII, since JSON may escape characters that SQS does not take. Raises MessageUnreadable.
    """
    body = json.dumps(event_for_invoke(dead_letter, run_id=run_id), separators=(",", ":"))
    text = NOT_TAKEN_BY_SQS.sub("\ufffd", error[:LONGEST_ERROR]) or "no error recorded"
    return Outgoing(
        body=body,
        attributes={
            "ErrorCode": {"DataType": "Number", "StringValue": "200"},
            "ErrorMessage": {"DataType": "String", "StringValue": text},
        },
    )
