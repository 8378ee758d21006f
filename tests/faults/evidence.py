"""What became of the messages, read past all proxies: rows, dead letters, and the replies in the book of Twilio's double."""

from __future__ import annotations

import json
import re
import sqlite3
import uuid
from collections import Counter
from dataclasses import dataclass
from typing import Any

from tests.faults.deployment import Deployment

MESSAGE_ID = re.compile(r'message_id\\*"\s*:\s*\\*"([0-9a-fA-F-]{36})')
SUBSCRIPTION = re.compile(r"SubscriptionArn(?:=|\\*\"\s*:\s*\\*\")(arn:[^\"&\\]+)")
HIDDEN_SECONDS = 60
BATCH = 10
ROWS = """
    SELECT message_id, message_sid, status, reply_state, last_error, test, discarded_by,
        extract(epoch FROM received_at)::float, extract(epoch FROM completed_at)::float
    FROM b2b_pilot_user_submissions
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    message_id: str
    sid: str | None
    status: str
    reply_state: str | None
    last_error: str | None
    test: bool
    discarded_by: str | None
    received_at: float | None
    completed_at: float | None

    @property
    def is_completed(self) -> bool:
        return self.status == "completed"

    @property
    def is_ended(self) -> bool:
        """Nothing in the pipeline works on it any more."""
        return self.is_completed or self.status == "abandoned" or self.discarded_by is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetter:
    """A dead letter in the queue. `message_id` is None when it cannot be told."""

    queue_message_id: str
    message_id: str | None
    sent_at: float
    subscription: str | None = None
    """Of another subscriber; None for ours."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetters:
    found: tuple[DeadLetter, ...]
    hidden: int
    """How many a killed command or the redriver has taken and not given back yet."""

    @property
    def message_ids(self) -> set[str]:
        """The messages that wait for us."""
        return {each.message_id for each in self.found if each.message_id and not each.subscription}

    @property
    def strangers(self) -> set[str]:
        """The messages that wait for another subscriber."""
        return {each.message_id for each in self.found if each.message_id and each.subscription}


def message_id_of(sid: str) -> str:
    return str(uuid.uuid5(uuid.NAMESPACE_OID, sid))


def rows(deployment: Deployment) -> list[Row]:
    names = tuple(Row.__dataclass_fields__)
    with deployment.connect() as connection:
        return [Row(**dict(zip(names, row, strict=True))) for row in connection.execute(ROWS).fetchall()]


def dead_letters(deployment: Deployment) -> DeadLetters:
    """Receive until the queue is empty, and give all of it back at once."""
    queue = _Queue(deployment)
    received = queue.receive_all()
    try:
        ours = deployment.machine.stack_output("SubscriptionArn")
        found = tuple(_dead_letter(message, ours) for message in received)
        return DeadLetters(found=found, hidden=queue.hidden() - len(received))
    finally:
        queue.release(received)


def replies(deployment: Deployment) -> Counter[str]:
    """How many replies Twilio sent to each number."""
    path = deployment.machine.home / "twilio.sqlite3"
    book = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    try:
        documents = book.execute("SELECT document FROM resource WHERE kind = 'message'").fetchall()
    finally:
        book.close()
    found = [json.loads(text) for (text,) in documents]
    return Counter(each["to"] for each in found if each["direction"] != "inbound")


class _Queue:
    def __init__(self, deployment: Deployment) -> None:
        self._sqs = deployment.machine.client("sqs")
        self._url = deployment.machine.stack_output("DeadLetterQueueUrl")

    def receive_all(self) -> list[dict[str, Any]]:
        received: list[dict[str, Any]] = []
        while found := self._receive():
            received += found
        return received

    def hidden(self) -> int:
        name = "ApproximateNumberOfMessagesNotVisible"
        answer = self._sqs.get_queue_attributes(QueueUrl=self._url, AttributeNames=[name])
        return int(answer["Attributes"][name])

    def release(self, received: list[dict[str, Any]]) -> None:
        for start in range(0, len(received), BATCH):
            entries = [
                {"Id": str(number), "ReceiptHandle": each["ReceiptHandle"], "VisibilityTimeout": 0}
                for number, each in enumerate(received[start : start + BATCH])
            ]
            self._sqs.change_message_visibility_batch(QueueUrl=self._url, Entries=entries)

    def _receive(self) -> list[dict[str, Any]]:
        answer = self._sqs.receive_message(
            QueueUrl=self._url,
            MaxNumberOfMessages=BATCH,
            VisibilityTimeout=HIDDEN_SECONDS,
            MessageSystemAttributeNames=["SentTimestamp"],
        )
        return list(answer.get("Messages", []))


def _dead_letter(message: dict[str, Any], ours: str) -> DeadLetter:
    subscription = SUBSCRIPTION.search(message["Body"])
    found = MESSAGE_ID.search(message["Body"])
    return DeadLetter(
        queue_message_id=message["MessageId"],
        message_id=found[1].lower() if found else None,
        sent_at=int(message["Attributes"]["SentTimestamp"]) / 1000,
        subscription=subscription[1] if subscription and subscription[1] != ours else None,
    )
