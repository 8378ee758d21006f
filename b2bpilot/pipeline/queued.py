"""What Lambda's mapping hands over from the message queue: a batch of records, of which each succeeds or fails by itself."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from b2bpilot.errors import MessageUnreadable
from b2bpilot.pipeline.delivery import Delivery, deliveries
from b2bpilot.pipeline.document import json_object
from b2bpilot.pipeline.old_message import old_message
from b2bpilot.pipeline.outcome import DeliveryOutcome

logger = logging.getLogger(__name__)

SOURCE = "aws:sqs"
OURS = re.compile(r'"(?:TopicArn|schema)"\s*:')
"""SNS's envelope, and what the webhook publishes where it is delivered without one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueRecord:
    """One record of a batch. Nothing is known of its body until it is read."""

    queue_message_id: str
    receipt_handle: str = field(repr=False)
    body: str = field(repr=False)
    receive_count: int
    queue_arn: str
    sent_at: datetime | None = None
    attributes: Mapping[str, Any] = field(default_factory=dict, repr=False)
    """Of SQS, as Lambda spells them: {name: {"dataType", "stringValue"}}. Only what was delivered raw has any."""

    def is_old(self, old_queue_arn: str | None) -> bool:
        """Whether the SQS version wrote it. So it did, too, where it looks like nothing of ours: Lambda hands out the old
        queue's messages until its mapping is gone, after the function was told that there is none."""
        return self.queue_arn == old_queue_arn or not OURS.search(self.body)


def is_from_queue(event: object) -> bool:
    records = event.get("Records") if isinstance(event, Mapping) else None
    return isinstance(records, list) and any(
        isinstance(record, dict) and record.get("eventSource") == SOURCE for record in records
    )


def queue_records(event: Mapping[str, Any]) -> list[QueueRecord]:
    """Return the records of an event that `is_from_queue`. Raises MessageUnreadable for one without an id: it could not be
    named as failed, so the batch fails as a whole."""
    return [_record(record) for record in event["Records"]]


def delivery_in(record: QueueRecord, *, is_old: bool = False) -> Delivery:
    """Return the message that the record carries: in SNS's envelope or raw, or as the SQS version wrote it into its own queue.
    Raises MessageUnreadable."""
    if is_old:
        return _as_it_was(record)
    document = json_object(record.body)
    notification = document if document.get("Type") == "Notification" else _as_notification(record)
    (delivery,) = deliveries({"Records": [{"Sns": notification}]})
    return delivery


def failed_of(
    records: list[QueueRecord],
    process: Callable[[QueueRecord], DeliveryOutcome],
    *,
    has_time: Callable[[], bool],
) -> list[QueueRecord]:
    """Process each record; return those that must stay in the queue, because a success deletes them
    (docs/aws-facts.md#batches-of-a-queue). Raises nothing.

    "Another run is at work on it" is a failure here: that run may be dead, and its own message deleted. What is not begun for
    want of time is one, too.
    """
    return [record for record in records if not (has_time() and _is_done(record, process))]


def _is_done(record: QueueRecord, process: Callable[[QueueRecord], DeliveryOutcome]) -> bool:
    try:
        return process(record) is not DeliveryOutcome.IN_PROGRESS
    except Exception as exc:  # noqa: BLE001  # one record's failure, whatever it is, must not become that of the others
        logger.error(  # noqa: TRY400  # what failed after the claim is in a line of its own, with its message
            "A message stays in the queue",
            extra={
                "event": "queue_message_failed",
                "queue_message_id": record.queue_message_id,
                "receive_count": record.receive_count,
                "error": str(exc) or type(exc).__name__,
            },
        )
        return False


def _record(record: object) -> QueueRecord:
    if not isinstance(record, dict) or not isinstance(name := record.get("messageId"), str) or not name:
        raise MessageUnreadable("a record of the queue has no messageId")
    system, attributes = record.get("attributes"), record.get("messageAttributes")
    system = system if isinstance(system, dict) else {}
    count = str(system.get("ApproximateReceiveCount", ""))
    return QueueRecord(
        queue_message_id=name,
        receipt_handle=str(record.get("receiptHandle") or ""),
        body=body if isinstance(body := record.get("body"), str) else "",
        receive_count=int(count) if count.isascii() and count.isdigit() and len(count) < 9 else 1,  # noqa: PLR2004
        queue_arn=str(record.get("eventSourceARN") or ""),
        sent_at=_moment(str(system.get("SentTimestamp", ""))),
        attributes=attributes if isinstance(attributes, dict) else {},
    )


def _moment(milliseconds: str) -> datetime | None:
    if not (milliseconds.isascii() and milliseconds.isdigit() and len(milliseconds) <= 14):  # noqa: PLR2004  # the year 5138
        return None
    return datetime.fromtimestamp(int(milliseconds) / 1000, UTC)


def _as_it_was(record: QueueRecord) -> Delivery:
    if record.sent_at is None:
        raise MessageUnreadable("a record of the old queue does not say when it was sent")
    message = old_message(record.body, sent_at=record.sent_at)
    return Delivery(message=message, sns_message_id="", published_at=record.sent_at)


def _as_notification(record: QueueRecord) -> dict[str, Any]:
    """The message as SNS would have wrapped it; its own id is not known, so it is SQS's."""
    return {
        "MessageId": record.queue_message_id,
        "Message": record.body,
        "MessageAttributes": {
            name: {
                "Type": entry.get("dataType"),
                "Value": entry.get("stringValue") or entry.get("binaryValue"),
            }
            for name, entry in record.attributes.items()
            if isinstance(entry, dict)
        },
    }
