"""A message as SNS hands it to one subscriber, made here: for a backfill, which goes past the topic.

What SNS alone can make is left out: its signature, and the certificate's address with it (docs/aws-facts.md#event-from-sns).
The mark says which run made it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from b2bpilot.pipeline.arn import partition_of, region_of
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
    notification = {**envelope, "Subject": None, "UnsubscribeUrl": unsubscribe}
    return {"Records": [record_of(notification, to.subscription_arn)], MARK: to.mark}


def record_of(notification: Mapping[str, Any], subscription_arn: str | None) -> dict[str, Any]:
    """Return one of an event's records. Where no subscription is known none is named: an empty name, or the topic's, would be
    somebody's word."""
    named = {"EventSubscriptionArn": subscription_arn} if subscription_arn else {}
    return {"EventSource": "aws:sns", "EventVersion": "1.0", **named, "Sns": dict(notification)}


def unsubscribe_url(subscription_arn: str) -> str:
    """SNS names the subscription in it (docs/aws-facts.md#subscription-names)."""
    region, is_china = region_of(subscription_arn), partition_of(subscription_arn) == "aws-cn"
    host = f"sns.{region}.amazonaws.com{'.cn' if is_china else ''}"
    return f"https://{host}/?Action=Unsubscribe&SubscriptionArn={subscription_arn}"


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
        "UnsubscribeURL": unsubscribe_url(to.subscription_arn),
        "MessageAttributes": {
            name: {"Type": value["DataType"], "Value": value["StringValue"]}
            for name, value in encoded.attributes.items()
        },
    }
