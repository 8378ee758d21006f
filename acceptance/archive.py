"""Dead letters of this run's own messages, as an export has them: for an environment whose Lambda writes none."""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from acceptance.trial import POISONED, Trial
from b2bpilot.ops.dead_letters.archive import Archived, Origin, line
from b2bpilot.ops.load.plan import POISON
from b2bpilot.ops.publish.compose import compose
from b2bpilot.pipeline.clock import machine_time
from b2bpilot.pipeline.message import encode, format_time

ATTRIBUTES = {
    "RequestID": {"DataType": "String", "StringValue": "00000000-0000-0000-0000-000000000000"},
    "ErrorCode": {"DataType": "Number", "StringValue": "200"},
    "ErrorMessage": {"DataType": "String", "StringValue": "NumMedia is 'two', not a count"},
}
"""What Lambda writes beside the event of a function that failed."""


def archive(trial: Trial) -> bytes:
    """Return the lines of an export that holds the run's poisoned messages."""
    now = machine_time()
    origin = Origin.of(trial.environment)
    entries = [
        Archived(
            origin=origin,
            queue_message_id=str(uuid.uuid4()),
            body=json.dumps(_event(trial, trial.id_of(name), now)),
            attributes=ATTRIBUTES,
            system_attributes={},
        )
        for name in POISONED
    ]
    return b"".join(line(entry) + b"\n" for entry in entries)


def _event(trial: Trial, message_id: str, now: datetime) -> Mapping[str, Any]:
    stack = trial.environment.stack
    message = encode(compose({**POISON, "Body": trial.body}, message_id=message_id, real=False, now=now))
    notification = {
        "Type": "Notification",
        "MessageId": str(uuid.uuid4()),
        "TopicArn": stack.topic_arn,
        "Subject": None,
        "Message": message.body,
        "Timestamp": format_time(now),
        "SignatureVersion": "1",
        "Signature": "none",
        "MessageAttributes": {
            name: {"Type": value["DataType"], "Value": value["StringValue"]}
            for name, value in message.attributes.items()
        },
    }
    record = {
        "EventSource": "aws:sns",
        "EventVersion": "1.0",
        "EventSubscriptionArn": stack.subscription_arn,
        "Sns": notification,
    }
    return {"Records": [record]}
