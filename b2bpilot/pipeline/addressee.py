"""For whom a dead letter was, in its own words: the subscription and the function that it names."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, urlsplit

from b2bpilot.pipeline.delivery import RedriveMark, redrive_of

SUBSCRIPTION_PARTS = 7
"""arn:aws:sns:REGION:ACCOUNT:TOPIC:ID; a topic's ARN has one part less."""
UNSUBSCRIBE = ("UnsubscribeURL", "UnsubscribeUrl")
"""SQS's spelling and Lambda's (docs/aws-facts.md#event-from-sns)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Addressee:
    """What a dead letter names. It may name nothing: what was sent raw, or is none of SNS's."""

    subscription_arns: tuple[str, ...] = ()
    """One, or none; several only where somebody put several records into one event."""
    function_arn: str | None = None
    """The function of an on-failure destination's record."""
    queue_arn: str | None = None
    """The queue that SQS moved it from, as its message was received too often."""
    redriven: RedriveMark | None = None
    """The mark beside `Records`: only what a redrive sent to one subscriber, whom it names, has it there. The mark in the
    attributes, of the topic route, reaches every subscriber and says nothing of whose the dead letter is."""

    @property
    def subscription_arn(self) -> str | None:
        return self.subscription_arns[0] if self.subscription_arns else None


NOBODY = Addressee()


def addressee_of(document: Mapping[str, Any]) -> Addressee:
    """Return what the body names, whether or not there is a message in it. Never raises."""
    if document.get("Type") == "Notification":
        return Addressee(subscription_arns=_one(_in_url(document)))
    context, payload = document.get("requestContext"), document.get("requestPayload")
    event = payload if isinstance(context, dict) and isinstance(payload, dict) else document
    function = context.get("functionArn") if isinstance(context, dict) else None
    return Addressee(
        subscription_arns=tuple(dict.fromkeys(_in_records(event))),
        function_arn=function if isinstance(function, str) and function else None,
        redriven=redrive_of(event) if "Records" in event else None,
    )


def is_subscription(arn: object) -> bool:
    """Whether it is the ARN of a subscription: earlier versions wrote the topic's in its place, or nothing."""
    parts = arn.split(":") if isinstance(arn, str) else []
    return len(parts) == SUBSCRIPTION_PARTS and parts[0] == "arn" and parts[2] == "sns" and all(parts)


def _in_records(event: Mapping[str, Any]) -> Iterator[str]:
    records = event.get("Records")
    for record in records if isinstance(records, list) else []:
        if isinstance(record, dict):
            notification = record.get("Sns")
            named = record.get("EventSubscriptionArn")
            in_url = _in_url(notification) if isinstance(notification, dict) else None
            yield from _one(named if is_subscription(named) else in_url)


def _in_url(notification: Mapping[str, Any]) -> str | None:
    """SNS names the subscription in the address that ends it (docs/aws-facts.md#subscription-names)."""
    for name in UNSUBSCRIBE:
        if isinstance(url := notification.get(name), str):
            try:
                found = parse_qs(urlsplit(url).query).get("SubscriptionArn", [])
            except ValueError:
                continue
            if found:
                return found[0]
    return None


def _one(arn: object) -> tuple[str, ...]:
    return (arn,) if isinstance(arn, str) and is_subscription(arn) else ()
