"""Dead letters: the five shapes that come out of the queue, as one value, and how to send each again."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from b2bpilot.errors import MessageUnreadable, NotOurs
from b2bpilot.pipeline.addressee import NOBODY, Addressee, addressee_of
from b2bpilot.pipeline.arn import name_of
from b2bpilot.pipeline.delivery import Delivery, deliveries, redrive_in, sns_attributes
from b2bpilot.pipeline.document import is_text, json_object
from b2bpilot.pipeline.message import Encoded, PilotMessage, decode
from b2bpilot.pipeline.notification import record_of
from b2bpilot.pipeline.owner import NOBODY_ASKED, Owner, Subscribers, owner_of

POISON_AFTER = 3
MOST_ATTRIBUTES = 10
"""SNS discards what has more for a subscription with raw delivery (docs/aws-facts.md#raw-delivery)."""
MOST_IN_A_QUEUE = 10
"""SQS refuses a message with more (docs/aws-facts.md#sqs-source)."""
TOPIC_MARKS = frozenset({"redrive_run_id", "redrive_attempt"})
ERRORS = frozenset({"RequestID", "ErrorCode", "ErrorMessage"})
"""The attributes in which Lambda says why it gave up."""
Attributes = Mapping[str, Mapping[str, Any]]
"""SQS's own form: {name: {"DataType", "StringValue" or "BinaryValue"}}."""
SOURCE = "DeadLetterQueueSourceArn"
"""The system attribute in which SQS names the queue that it moved a message from (docs/aws-facts.md#sqs-source). Nobody can
set it, so what is put back into a dead-letter queue has it as an attribute of its own."""
COUNT = re.compile("[0-9]{1,9}")
SENDABLE = ("DataType", "StringValue", "BinaryValue")
"""What SQS takes of an attribute; it gives more."""


class Shape(StrEnum):
    """Who wrote the dead letter, told from its body."""

    LAMBDA = "lambda"
    """The function's own dead-letter queue: the original event."""
    DESTINATION = "destination"
    """An on-failure destination's record around the event."""
    SUBSCRIPTION = "subscription"
    """SNS could not deliver: its envelope."""
    RAW = "raw"
    """One of our messages, sent by hand or by raw delivery; also one that was redriven and came back."""
    QUEUE = "queue"
    """SQS moved it from a subscriber's queue: SNS's envelope, or one of our messages."""
    UNREADABLE = "unreadable"


class FailureKind(StrEnum):
    EXCEPTION = "exception"
    TIMEOUT = "timeout"
    THROTTLED = "throttled"
    ZERO_CONCURRENCY = "zero concurrency"
    NOT_DELIVERED = "not delivered"
    GIVEN_UP = "given up"
    """A subscriber's queue had it received as often as its redrive policy allows, and nobody deleted it."""
    UNREADABLE = "unreadable"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """Why the message is here. Each field may be missing: SNS records no error at all
    (docs/aws-facts.md#sns-dead-letters)."""

    kind: FailureKind
    text: str | None = None
    code: str | None = None
    request_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetter:
    """One message of the dead-letter queue. `message` is None exactly when `unreadable` says why."""

    queue_message_id: str
    receipt_handle: str = field(repr=False)
    body: str = field(repr=False)
    sent_at: datetime | None
    receive_count: int
    shape: Shape
    failure: Failure
    event: Mapping[str, Any] | None = field(repr=False)
    """What the processor is invoked with again: the original event, or one rebuilt from the envelope."""
    message: PilotMessage | None
    unreadable: str | None = None
    attributes: Attributes = field(default_factory=dict, repr=False)
    """Such as can be sent again as they are."""
    first_received_at: datetime | None = None
    redrives: int = 0
    """How often it was redriven before it came back."""
    redriven_by: str | None = None
    """The run that redrove it last: that run must not take it again."""
    addressee: Addressee = NOBODY
    """What it says itself of whom it was for; also of one that cannot be read."""
    owner: Owner = NOBODY_ASKED
    """Whose it is. What is not ours is not sent, not judged by rows and not deleted, by whoever has it."""

    @property
    def message_id(self) -> str | None:
        return self.message.message_id if self.message else None

    @property
    def is_poison(self) -> bool:
        """Whether it came back so often that somebody must look at it before it is sent again."""
        return self.redrives >= POISON_AFTER


def read_dead_letter(received: Mapping[str, Any]) -> DeadLetter:
    """Decode one message as SQS's ReceiveMessage gives it. Never raises: what cannot be read says why.

    SQS has hidden the dead letter and those beside it by then: an error here would leave all of them hidden.
    """
    attributes = _sqs_attributes(received.get("MessageAttributes"))
    dead_letter = _undecoded(received, attributes)
    try:
        document = json_object(dead_letter.body)
        addressee = replace(addressee_of(document), queue_arn=dead_letter.addressee.queue_arn)
        dead_letter = replace(dead_letter, addressee=addressee)
        return _decoded(dead_letter, document, attributes)
    except MessageUnreadable as exc:
        return replace(dead_letter, unreadable=str(exc))
    except Exception as exc:  # noqa: BLE001  # a defect of ours must not hide the dead letters beside this one
        return replace(dead_letter, unreadable=f"this version fails to read it: {type(exc).__name__}")


def sqs_time(milliseconds: object) -> datetime | None:
    """Return the moment that SQS names in milliseconds of text, or None."""
    try:
        return datetime.fromtimestamp(int(str(milliseconds)) / 1000, UTC)
    except (ValueError, OverflowError, OSError):
        return None


def with_owner(dead_letter: DeadLetter, subscribers: Subscribers) -> DeadLetter:
    """Return the dead letter with whose it is."""
    return replace(dead_letter, owner=owner_of(dead_letter.addressee, subscribers))


def event_for_invoke(
    dead_letter: DeadLetter, *, run_id: str, is_accepted_only: bool = False, subscriber: str | None = None
) -> dict[str, Any]:
    """Return the event that the processor is invoked with again, marked with the run and the attempt; or another `subscriber`,
    by its endpoint, which the mark names then.

    Raises MessageUnreadable for a dead letter that must not be sent, and NotOurs.
    """
    event = sendable_event(dead_letter)
    mark: dict[str, Any] = {"run_id": run_id, "attempt": dead_letter.redrives + 1}
    if dead_letter.shape is Shape.RAW:
        mark["shape"] = Shape.RAW.value
    if is_accepted_only:
        mark["accepted_only"] = True
    if subscriber is not None:
        mark["subscriber"] = subscriber
    return {**event, "redrive": mark}


def encoded_for_topic(dead_letter: DeadLetter, *, run_id: str) -> Encoded:
    """Return what to publish on the topic: the inner message with all its attributes and their types, unwrapped exactly once.

    A redrive that forgets the attributes is filtered out silently (docs/aws-facts.md#filter-policies). Raises
    MessageUnreadable, and NotOurs.
    """
    notification = sendable_event(dead_letter)["Records"][0]["Sns"]
    marks = {"redrive_run_id": run_id, "redrive_attempt": str(dead_letter.redrives + 1)}
    attributes = sns_attributes(notification.get("MessageAttributes")) | {
        name: {"DataType": "String", "StringValue": value} for name, value in marks.items()
    }
    return Encoded(body=_publishable(notification["Message"]), attributes=attributes)


def attributes_on_topic(dead_letter: DeadLetter) -> int:
    """Return how many attributes it has once it is published again, the redrive's own two among them."""
    notification = dead_letter.event["Records"][0]["Sns"] if dead_letter.event else {}
    return len((notification.get("MessageAttributes") or {}).keys() | TOPIC_MARKS)


def sendable_event(dead_letter: DeadLetter) -> Mapping[str, Any]:
    """Return the event of a dead letter that may be sent: whoever asks, nobody is told of what is not his.

    Raises MessageUnreadable, and NotOurs.
    """
    if dead_letter.event is None:
        raise MessageUnreadable(dead_letter.unreadable or "the dead letter cannot be read")
    if not dead_letter.owner.is_ours:
        raise NotOurs(f"dead letter {dead_letter.queue_message_id} is {dead_letter.owner.not_ours}")
    return dead_letter.event


def _publishable(body: str) -> str:
    """Half of a surrogate pair travels escaped only; JSON is the same either way."""
    return body if is_text(body) else json.dumps(json_object(body))


def _decoded(dead_letter: DeadLetter, document: Mapping[str, Any], attributes: Attributes) -> DeadLetter:
    shape, event, failure = _unwrap(dead_letter, document, attributes)
    delivery = _only(deliveries(event))
    mark = redrive_in(_texts(attributes)) or delivery.redrive
    sns_attributes(event["Records"][0]["Sns"].get("MessageAttributes"))
    return replace(
        dead_letter,
        shape=shape,
        failure=failure,
        event=event,
        message=delivery.message,
        redrives=mark.attempt if mark else 0,
        redriven_by=mark.run_id if mark else None,
    )


def _unwrap(
    dead_letter: DeadLetter, document: Mapping[str, Any], attributes: Attributes
) -> tuple[Shape, Mapping[str, Any], Failure]:
    texts = _texts(attributes)
    if "Records" in document:
        mark = document.get("redrive")
        was_raw = isinstance(mark, dict) and mark.get("shape") == Shape.RAW
        return Shape.RAW if was_raw else Shape.LAMBDA, document, _lambda_failure(texts)
    if "requestPayload" in document and "requestContext" in document:
        return Shape.DESTINATION, _object(document, "requestPayload"), _destination_failure(document)
    queue_arn = dead_letter.addressee.queue_arn
    if document.get("Type") == "Notification":
        event = _event_from_envelope(document, dead_letter.addressee)
        shape, failure = Shape.SUBSCRIPTION, Failure(kind=FailureKind.NOT_DELIVERED)
    else:
        decode(dead_letter.body)
        event = _event_from_raw(dead_letter.body, document, attributes)
        shape, failure = Shape.RAW, _lambda_failure(texts)
    return (Shape.QUEUE, event, _given_up(queue_arn)) if queue_arn else (shape, event, failure)


def _given_up(queue_arn: str) -> Failure:
    """SQS says no more than where it was (docs/aws-facts.md#sqs-source)."""
    name = name_of(queue_arn)
    return Failure(kind=FailureKind.GIVEN_UP, text=f"queue {name} had it received too often")


def _object(document: Mapping[str, Any], name: str) -> dict[str, Any]:
    value = document[name]
    if not isinstance(value, dict):
        raise MessageUnreadable(f"{name} is not a JSON object")
    return value


def _event_from_envelope(envelope: Mapping[str, Any], addressee: Addressee) -> dict[str, Any]:
    """Lambda spells two fields differently from SQS and wants a Subject (docs/aws-facts.md#event-from-sns)."""
    renamed = {"SigningCertURL": "SigningCertUrl", "UnsubscribeURL": "UnsubscribeUrl"}
    notification = {"Subject": None, **{renamed.get(name, name): value for name, value in envelope.items()}}
    return _event(notification, subscription_arn=addressee.subscription_arn)


def _event_from_raw(body: str, document: Mapping[str, Any], attributes: Attributes) -> dict[str, Any]:
    return _event(
        {
            "Type": "Notification",
            "MessageId": str(document["message_id"]),
            "Subject": None,
            "Message": body,
            "MessageAttributes": {
                name: _as_sns_has_it(value)
                for name, value in attributes.items()
                if name not in ERRORS | {SOURCE}
            },
        },
        subscription_arn=None,
    )


def _event(notification: Mapping[str, Any], *, subscription_arn: str | None) -> dict[str, Any]:
    return {"Records": [record_of(notification, subscription_arn)]}


def _as_sns_has_it(attribute: Mapping[str, Any]) -> dict[str, str]:
    """SNS writes bytes in base64 (docs/aws-facts.md#event-from-sns)."""
    data_type, binary = str(attribute.get("DataType") or "String"), attribute.get("BinaryValue")
    value = base64.b64encode(binary).decode() if isinstance(binary, bytes) else attribute.get("StringValue")
    return {"Type": data_type, "Value": str(value)}


def _lambda_failure(attributes: Mapping[str, str]) -> Failure:
    text = attributes.get("ErrorMessage")
    code = attributes.get("ErrorCode")
    return Failure(kind=_kind(text, code), text=text, code=code, request_id=attributes.get("RequestID"))


def _destination_failure(document: Mapping[str, Any]) -> Failure:
    """Each part of it may be missing (docs/aws-facts.md#destination-records)."""
    context = _object(document, "requestContext")
    text = _text_in(document.get("responsePayload"), "errorMessage")
    condition = _text_in(context, "condition")
    match condition:
        case "ZeroReservedConcurrency":
            kind = FailureKind.ZERO_CONCURRENCY
        case "EventAgeExceeded" if text is None:
            kind = FailureKind.THROTTLED
        case _:
            kind = _kind(text, None)
    return Failure(
        kind=kind,
        text=text or condition or None,
        code=_text_in(document.get("responseContext"), "statusCode"),
        request_id=_text_in(context, "requestId"),
    )


def _text_in(holder: object, name: str) -> str | None:
    """Return what a record says of a failure, as text whatever it is: a function may raise anything."""
    value = holder.get(name) if isinstance(holder, dict) else None
    return value if value is None or isinstance(value, str) else json.dumps(value)


def _kind(text: str | None, code: str | None) -> FailureKind:
    """Tell the kind by substrings: AWS's texts have prefixes that differ by age (docs/aws-facts.md#lambda-dead-letters)."""
    if text is None and code is None:
        return FailureKind.UNKNOWN
    if text and "zero reserved concurrent" in text:
        return FailureKind.ZERO_CONCURRENCY
    if code == "429":
        return FailureKind.THROTTLED
    if text and "Task timed out after" in text:
        return FailureKind.TIMEOUT
    return FailureKind.EXCEPTION


def _sqs_attributes(attributes: object) -> Attributes:
    """Return those that hold anything."""
    found = attributes if isinstance(attributes, dict) else {}
    return {name: entry for name, entry in found.items() if isinstance(entry, dict) and _holds(entry)}


def _sendable_attributes(attributes: object) -> Attributes:
    found = attributes if isinstance(attributes, dict) else {}
    return {
        name: {kind: value for kind, value in entry.items() if kind in SENDABLE}
        for name, entry in found.items()
        if isinstance(entry, dict)
    }


def _holds(entry: Mapping[str, Any]) -> bool:
    return isinstance(entry.get("StringValue"), str) or isinstance(entry.get("BinaryValue"), bytes)


def _texts(attributes: Attributes) -> dict[str, str]:
    return {name: entry["StringValue"] for name, entry in attributes.items() if "BinaryValue" not in entry}


def _undecoded(received: Mapping[str, Any], attributes: Attributes) -> DeadLetter:
    """What SQS itself says of a message, whatever its body is."""
    given = received.get("Attributes")
    system = given if isinstance(given, dict) else {}
    count = str(system.get("ApproximateReceiveCount", ""))
    source = system.get(SOURCE) or _texts(attributes).get(SOURCE)
    return DeadLetter(
        queue_message_id=str(received.get("MessageId", "")),
        receipt_handle=str(received.get("ReceiptHandle", "")),
        body=str(received.get("Body", "")),
        sent_at=sqs_time(system.get("SentTimestamp")),
        receive_count=int(count) if COUNT.fullmatch(count) else 0,
        shape=Shape.UNREADABLE,
        failure=replace(_lambda_failure(_texts(attributes)), kind=FailureKind.UNREADABLE),
        event=None,
        message=None,
        attributes=_sendable_attributes(received.get("MessageAttributes")),
        first_received_at=sqs_time(system.get("ApproximateFirstReceiveTimestamp")),
        addressee=Addressee(queue_arn=source if isinstance(source, str) and source else None),
    )


def _only(found: list[Delivery]) -> Delivery:
    """AWS puts one record into an event; with more, one result could not speak for all of them."""
    if len(found) != 1:
        raise MessageUnreadable(f"the event holds {len(found)} records; one is expected")
    return found[0]
