"""A message as SNS hands it to one subscriber, made here: for a backfill, which goes past the topic.

What SNS alone can make is left out: its signature, and the certificate's address with it (docs/aws-facts.md#event-from-sns).
The mark says which run made it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from b2bpilot.pipeline.delivery import RUN_ID
from b2bpilot.pipeline.message import Encoded, PilotMessage, encode, format_time

MARK = "backfill"
"""Beside `Records`, or in the envelope."""
MARK_ATTRIBUTE = "backfill_run_id"
"""Of a raw delivery, whose body is the message and nothing else."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Addressed:
    """Whom it is for, and by which run."""

    topic_arn: str
    subscription_arn: str
    run_id: str

    @property
    def mark(self) -> Mapping[str, str]:
        return {"run_id": self.run_id}


def event_for(message: PilotMessage, to: Addressed) -> dict[str, Any]:
    """Return the event that a subscribed function gets. Raises MessageTooLarge."""
    envelope = _envelope(message, to)
    unsubscribe = envelope.pop("UnsubscribeURL")
    record = {
        "EventSource": "aws:sns",
        "EventVersion": "1.0",
        "EventSubscriptionArn": to.subscription_arn,
        "Sns": {**envelope, "Subject": None, "UnsubscribeUrl": unsubscribe},
    }
    return {"Records": [record], MARK: to.mark}


def envelope_for(message: PilotMessage, to: Addressed) -> str:
    """Return the body that a subscribed queue gets. Raises MessageTooLarge."""
    return json.dumps({**_envelope(message, to), MARK: to.mark})


def raw_for(message: PilotMessage, to: Addressed) -> Encoded:
    """Return body and attributes that a queue gets whose subscription has raw delivery. Raises MessageTooLarge."""
    encoded = encode(message)
    mark = {"DataType": "String", "StringValue": to.run_id}
    return Encoded(body=encoded.body, attributes={**encoded.attributes, MARK_ATTRIBUTE: mark})


def backfill_in(event: object) -> str | None:
    """Return the run that made an event, or the envelope or raw message that an event was rebuilt from. None: SNS did."""
    notification = _first(event)
    attributes = _part(notification, "MessageAttributes")
    found = (
        _part(_part(event, MARK), "run_id"),
        _part(_part(notification, MARK), "run_id"),
        _part(_part(attributes, MARK_ATTRIBUTE), "Value"),
    )
    return next((one for one in found if isinstance(one, str) and RUN_ID.fullmatch(one)), None)


def _first(event: object) -> object:
    records = _part(event, "Records")
    return _part(records[0], "Sns") if isinstance(records, list) and records else None


def _part(holder: object, name: str) -> object:
    return holder.get(name) if isinstance(holder, dict) else None


def _envelope(message: PilotMessage, to: Addressed) -> dict[str, Any]:
    encoded = encode(message)
    return {
        "Type": "Notification",
        "MessageId": message.message_id,
        "TopicArn": to.topic_arn,
        "Message": encoded.body,
        "Timestamp": format_time(message.received_at),
        "UnsubscribeURL": _unsubscribe_url(to.subscription_arn),
        "MessageAttributes": {
            name: {"Type": value["DataType"], "Value": value["StringValue"]}
            for name, value in encoded.attributes.items()
        },
    }


def _unsubscribe_url(subscription_arn: str) -> str:
    """SNS names the subscription in it (docs/aws-facts.md#subscription-names)."""
    _, partition, _, region, *_ = subscription_arn.split(":")
    host = f"sns.{region}.amazonaws.com{'.cn' if partition == 'aws-cn' else ''}"
    return f"https://{host}/?Action=Unsubscribe&SubscriptionArn={subscription_arn}"
