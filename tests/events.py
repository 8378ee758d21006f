"""Events as AWS and Twilio deliver them, built around any message."""

from __future__ import annotations

import json
import uuid
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from b2bpilot.pipeline.dead_letter import DeadLetter
from b2bpilot.pipeline.delivery import Delivery, deliveries
from b2bpilot.pipeline.message import PilotMessage, Source, encode, message_id_for
from b2bpilot.pipeline.owner import OURS

TOPIC_ARN = "arn:aws:sns:us-east-1:123456789012:b2b-pilot-messages-prod"
SUBSCRIPTION_ARN = f"{TOPIC_ARN}:21be56ed-a058-49f5-8c98-aedd2564c486"
TWILIO_PARAMS = {
    "MessageSid": "SM0123456789abcdef0123456789abcdef",
    "SmsSid": "SM0123456789abcdef0123456789abcdef",
    "SmsMessageSid": "SM0123456789abcdef0123456789abcdef",
    "AccountSid": "ACffffffffffffffffffffffffffffffff",
    "From": "whatsapp:+15005550006",
    "To": "whatsapp:+15005550001",
    "Body": "Two pallets, please 🚚",
    "NumMedia": "1",
    "MediaUrl0": "https://api.twilio.com/2010-04-01/Accounts/AC/Messages/MM1/Media/ME1",
    "MediaContentType0": "image/jpeg",
    "NumSegments": "1",
    "ProfileName": "Ana",
    "WaId": "15005550006",
    "FromZip": "",
}


def new_sid() -> str:
    return f"SM{uuid.uuid4().hex}"


def message(**changes: Any) -> PilotMessage:
    """A message from Twilio with a SID of its own; `params` are laid over Twilio's usual ones."""
    params = {**TWILIO_PARAMS, "MessageSid": new_sid(), **changes.pop("params", {})}
    values = {
        "message_id": message_id_for(params["MessageSid"]),
        "source": Source.TWILIO,
        "received_at": datetime.now(UTC),
        "params": params,
    }
    return PilotMessage(**{**values, **changes})


def notification(of: PilotMessage) -> dict[str, Any]:
    """The `Sns` part of what Lambda gets."""
    encoded = encode(of)
    return {
        "Type": "Notification",
        "MessageId": str(uuid.uuid4()),
        "TopicArn": TOPIC_ARN,
        "Subject": None,
        "Message": encoded.body,
        "Timestamp": "2026-10-01T12:45:07.000Z",
        "SignatureVersion": "1",
        "Signature": "EXAMPLE",
        "SigningCertUrl": "https://sns.us-east-1.amazonaws.com/example.pem",
        "UnsubscribeUrl": "https://sns.us-east-1.amazonaws.com/?Action=Unsubscribe",
        "MessageAttributes": {
            name: {"Type": value["DataType"], "Value": value["StringValue"]}
            for name, value in encoded.attributes.items()
        },
    }


def sns_event(of: PilotMessage, **beside: Any) -> dict[str, Any]:
    """The event that the processor gets; `beside` stands beside `Records`, as a redrive's mark does."""
    record = {
        "EventSource": "aws:sns",
        "EventVersion": "1.0",
        "EventSubscriptionArn": SUBSCRIPTION_ARN,
        "Sns": notification(of),
    }
    return {"Records": [record], **beside}


def ours(dead_letter: DeadLetter) -> DeadLetter:
    """The dead letter, known to be this environment's: what a queue of ours says of one that names our subscription."""
    return replace(dead_letter, owner=OURS)


def delivery(of: PilotMessage) -> Delivery:
    return deliveries(sns_event(of))[0]


def received(body: str | dict[str, Any], **attributes: tuple[str, str]) -> dict[str, Any]:
    """A message as SQS gives it; `attributes` are (DataType, StringValue) by name."""
    found: dict[str, Any] = {
        "MessageId": str(uuid.uuid4()),
        "ReceiptHandle": "AQEB-example",
        "Body": body if isinstance(body, str) else json.dumps(body),
        "Attributes": {"ApproximateReceiveCount": "1", "SentTimestamp": "1791564206327"},
    }
    if attributes:
        found["MessageAttributes"] = {
            name: {"DataType": kind, "StringValue": value} for name, (kind, value) in attributes.items()
        }
    return found


def envelope(of: PilotMessage) -> dict[str, Any]:
    """What SNS writes into a queue: two fields are spelled in another way than for Lambda, and there is no empty Subject."""
    found = notification(of)
    del found["Subject"]
    return found | {
        "SigningCertURL": found.pop("SigningCertUrl"),
        "UnsubscribeURL": found.pop("UnsubscribeUrl"),
    }


def queue_record(body: str | dict[str, Any], *, receive_count: int = 1) -> dict[str, Any]:
    """A record as the mapping of a queue hands it over."""
    return {
        "messageId": str(uuid.uuid4()),
        "receiptHandle": "AQEB-example",
        "body": body if isinstance(body, str) else json.dumps(body),
        "attributes": {
            "ApproximateReceiveCount": str(receive_count),
            "SentTimestamp": "1791564206327",
            "SenderId": "AIDAIENQZJOLO23YVJ4VO",
            "ApproximateFirstReceiveTimestamp": "1791564206330",
        },
        "messageAttributes": {},
        "md5OfBody": "00000000000000000000000000000000",
        "eventSource": "aws:sqs",
        "eventSourceARN": "arn:aws:sqs:us-east-1:123456789012:b2b-pilot-prod-MessageQueue-1",
        "awsRegion": "us-east-1",
    }


def enveloped_record(of: PilotMessage) -> dict[str, Any]:
    """The same of a message in SNS's envelope: what comes without raw delivery."""
    return queue_record(envelope(of))


def raw_record(of: PilotMessage) -> dict[str, Any]:
    """The same of a message that was delivered raw, or sent by hand."""
    encoded = encode(of)
    attributes = {
        name: {
            "stringValue": value["StringValue"],
            "stringListValues": [],
            "binaryListValues": [],
            "dataType": value["DataType"],
        }
        for name, value in encoded.attributes.items()
    }
    return queue_record(encoded.body) | {"messageAttributes": attributes}


def queue_event(*records: dict[str, Any]) -> dict[str, Any]:
    return {"Records": list(records)}
