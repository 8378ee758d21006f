"""Dead letters with the attributes that SQS has of them: what it takes to put them back unchanged."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from datetime import datetime
from typing import Any

from b2bpilot.aws.queue import DeadLetterQueue, History
from b2bpilot.aws.session import Timeouts
from b2bpilot.ops.environment import Environment
from b2bpilot.pipeline.dead_letter import DeadLetter


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceivedMessage(DeadLetter):
    """A dead letter with its attributes in SQS's own form, and with SQS's own times."""

    attributes: Mapping[str, Mapping[str, Any]] = field(default_factory=dict, repr=False)
    system_attributes: Mapping[str, str] = field(default_factory=dict, repr=False)


class ReceivingQueue(DeadLetterQueue):
    """Receives WholeLetters; all else is as in DeadLetterQueue."""

    def receive(self, *, hidden_seconds: int, wait_seconds: int = 1) -> list[DeadLetter]:
        received = self.receive_with_history(hidden_seconds=hidden_seconds, wait_seconds=wait_seconds)
        return [received_message(dead_letter, history) for dead_letter, history in received]


def receiving_queue_of(environment: Environment) -> ReceivingQueue:
    environment.subscribers.begin()
    return ReceivingQueue.connect(
        environment.stack.dead_letter_queue_url,
        access=environment.access,
        judge=environment.subscribers.judge,
    )


def sender_of(environment: Environment) -> DeadLetterQueue:
    """Return the queue to put dead letters into. boto3 must not repeat a call without an answer: it would double dead letters."""
    client = environment.access.client("sqs", Timeouts(attempts=1))
    return DeadLetterQueue(client, environment.stack.dead_letter_queue_url)


def received_message(dead_letter: DeadLetter, history: History) -> ReceivedMessage:
    times = {
        "SentTimestamp": dead_letter.sent_at,
        "ApproximateFirstReceiveTimestamp": history.first_received_at,
    }
    return ReceivedMessage(
        **{each.name: getattr(dead_letter, each.name) for each in fields(DeadLetter)},
        attributes=history.attributes,
        system_attributes={
            "ApproximateReceiveCount": str(dead_letter.receive_count),
            **{name: _milliseconds(moment) for name, moment in times.items() if moment is not None},
        },
    )


def whole(dead_letter: DeadLetter) -> ReceivedMessage:
    """Return a dead letter that a WholeQueue received as what it is."""
    if not isinstance(dead_letter, ReceivedMessage):
        raise TypeError("the dead letter was not received from a WholeQueue")
    return dead_letter


def _milliseconds(moment: datetime) -> str:
    return str(round(moment.timestamp() * 1000))
