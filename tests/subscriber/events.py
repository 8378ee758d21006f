"""The events of SQS, around any message."""

from __future__ import annotations

import json
import uuid
from typing import Any

from b2bpilot.pipeline.message import PilotMessage, encode
from tests.events import notification

REDRIVE = {"redrive": {"run_id": "r1", "attempt": 1, "subscriber": "arn:its-function"}}
ACCEPTED_ONLY = {"redrive": {"run_id": "r1", "attempt": 1, "accepted_only": True}}


def record(body: str, **more: Any) -> dict[str, Any]:
    return {
        "messageId": str(uuid.uuid4()),
        "receiptHandle": "AQEB-example",
        "body": body,
        "attributes": {"ApproximateReceiveCount": "1"},
        "messageAttributes": {},
        "eventSource": "aws:sqs",
        **more,
    }


def enveloped(of: PilotMessage) -> dict[str, Any]:
    """Without raw delivery the body is SNS's envelope."""
    return record(json.dumps(notification(of)))


def raw(of: PilotMessage) -> dict[str, Any]:
    encoded = encode(of)
    attributes = {
        name: {"dataType": value["DataType"], "stringValue": value["StringValue"]}
        for name, value in encoded.attributes.items()
    }
    return record(encoded.body, messageAttributes=attributes)


def batch(*records: dict[str, Any]) -> dict[str, Any]:
    return {"Records": list(records)}
