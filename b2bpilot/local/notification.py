"""What SNS hands to functions and queues, from the emulator's envelope (docs/aws-facts.md#event-from-sns, #sns-dead-letters)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from b2bpilot.pipeline.notification import record_of, unsubscribe_url

Attributes = Mapping[str, Mapping[str, Any]]


def lambda_event(
    envelope: Mapping[str, Any], attributes: Attributes, subscription_arn: str
) -> dict[str, Any]:
    """The event as AWS spells it: `Cert` and `Url` in lower case, a null subject, attributes even when there are none."""
    message = {
        "Type": "Notification",
        "MessageId": envelope["MessageId"],
        "TopicArn": envelope["TopicArn"],
        "Subject": envelope.get("Subject"),
        "Message": envelope["Message"],
        "Timestamp": envelope["Timestamp"],
        "SignatureVersion": "1",
        "Signature": envelope["Signature"],
        "SigningCertUrl": envelope["SigningCertURL"],
        "UnsubscribeUrl": unsubscribe_url(subscription_arn),
        "MessageAttributes": {name: _attribute(value) for name, value in attributes.items()},
    }
    return {"Records": [record_of(message, subscription_arn)]}


def queue_body(envelope: Mapping[str, Any], attributes: Attributes, subscription_arn: str) -> str:
    """What a queue gets of it, as a subscriber or as the dead-letter queue of a subscription: the envelope."""
    body = {**envelope, "UnsubscribeURL": unsubscribe_url(subscription_arn)}
    if attributes:
        body["MessageAttributes"] = {
            name: {**_attribute(value), "Type": value["DataType"]} for name, value in attributes.items()
        }
    return json.dumps(body, ensure_ascii=False)


def _attribute(value: Mapping[str, Any]) -> dict[str, str]:
    """SNS gives numbers and arrays to Lambda as strings, and binary values in base64 (docs/aws-facts.md#event-from-sns)."""
    if value["DataType"].startswith("Binary"):
        return {"Type": "Binary", "Value": value.get("BinaryValue", "")}
    return {"Type": "String", "Value": value.get("StringValue", "")}
