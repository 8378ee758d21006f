"""A dead letter as a subscriber's queue has it: what is sent there again, and the event that Lambda would make of it."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from typing import Any

from b2bpilot.aws.queue import Outgoing
from b2bpilot.errors import MessageUnreadable
from b2bpilot.pipeline.arn import region_of
from b2bpilot.pipeline.dead_letter import (
    ERRORS,
    MOST_IN_A_QUEUE,
    SOURCE,
    TOPIC_MARKS,
    DeadLetter,
    Shape,
    sendable_event,
)

OF_A_DEAD_LETTER = ERRORS | TOPIC_MARKS | {SOURCE}
OF_A_FUNCTION = frozenset({Shape.LAMBDA, Shape.DESTINATION})


def outgoing_of(dead_letter: DeadLetter, *, run_id: str) -> Outgoing:
    """Return the message as its queue had it, byte for byte, with the redrive's mark beside its attributes where SQS takes it.

    Raises MessageUnreadable for what must not be sent or was never in a queue, and NotOurs.
    """
    sendable_event(dead_letter)
    if dead_letter.shape in OF_A_FUNCTION:
        raise MessageUnreadable("a function's dead letter: no queue had it as it is")
    marks = {"redrive_run_id": run_id, "redrive_attempt": str(dead_letter.redrives + 1)}
    own = {name: value for name, value in dead_letter.attributes.items() if name not in OF_A_DEAD_LETTER}
    marked = own | {name: {"DataType": "String", "StringValue": value} for name, value in marks.items()}
    return Outgoing(body=dead_letter.body, attributes=marked if len(marked) <= MOST_IN_A_QUEUE else own)


def event_for_queue(dead_letter: DeadLetter, *, queue_arn: str, run_id: str) -> dict[str, Any]:
    """Return the event of one record that the queue's mapping would hand to the function. Raises as `outgoing_of` does.

    Its receipt handle is the dead-letter queue's: who deletes by it in the queue itself is refused, as always there.
    """
    outgoing = outgoing_of(dead_letter, run_id=run_id)
    sent = str(round(dead_letter.sent_at.timestamp() * 1000)) if dead_letter.sent_at else "0"
    return {
        "Records": [
            {
                "messageId": dead_letter.queue_message_id,
                "receiptHandle": dead_letter.receipt_handle,
                "body": outgoing.body,
                "attributes": {
                    "ApproximateReceiveCount": "1",
                    "SentTimestamp": sent,
                    "SenderId": "redrive",
                    "ApproximateFirstReceiveTimestamp": sent,
                },
                "messageAttributes": {name: _lambdas(one) for name, one in outgoing.attributes.items()},
                "md5OfBody": hashlib.md5(outgoing.body.encode(), usedforsecurity=False).hexdigest(),
                "eventSource": "aws:sqs",
                "eventSourceARN": queue_arn,
                "awsRegion": region_of(queue_arn),
            }
        ],
        "redrive": {"run_id": run_id, "attempt": dead_letter.redrives + 1, "subscriber": queue_arn},
    }


def _lambdas(attribute: Mapping[str, Any]) -> dict[str, Any]:
    """Lambda spells its names in lower case first, and writes bytes in base64."""
    binary = attribute.get("BinaryValue")
    value = (
        {"binaryValue": base64.b64encode(binary).decode()}
        if isinstance(binary, bytes)
        else {"stringValue": attribute.get("StringValue")}
    )
    return {**value, "stringListValues": [], "binaryListValues": [], "dataType": attribute.get("DataType")}
