"""Letters with the attributes that SQS has of them: what it takes to put them back unchanged."""

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
class WholeLetter(DeadLetter):
    """A dead letter with its attributes in SQS's own form, and with SQS's own times."""

    attributes: Mapping[str, Mapping[str, Any]] = field(default_factory=dict, repr=False)
    system_attributes: Mapping[str, str] = field(default_factory=dict, repr=False)


class WholeQueue(DeadLetterQueue):
    """Receives WholeLetters; all else is as in DeadLetterQueue."""

    def receive(self, *, hidden_seconds: int, wait_seconds: int = 1) -> list[DeadLetter]:
        received = self.receive_with_history(hidden_seconds=hidden_seconds, wait_seconds=wait_seconds)
        return [whole_letter(letter, history) for letter, history in received]


def whole_queue_of(environment: Environment) -> WholeQueue:
    environment.subscribers.begin()
    return WholeQueue.connect(
        environment.stack.dead_letter_queue_url,
        access=environment.access,
        judge=environment.subscribers.judge,
    )


def sender_of(environment: Environment) -> DeadLetterQueue:
    """Return the queue to put letters into. boto3 must not repeat a call without an answer: it would double letters."""
    client = environment.access.client("sqs", Timeouts(attempts=1))
    return DeadLetterQueue(client, environment.stack.dead_letter_queue_url)


def whole_letter(letter: DeadLetter, history: History) -> WholeLetter:
    times = {"SentTimestamp": letter.sent_at, "ApproximateFirstReceiveTimestamp": history.first_received_at}
    return WholeLetter(
        **{each.name: getattr(letter, each.name) for each in fields(DeadLetter)},
        attributes=history.attributes,
        system_attributes={
            "ApproximateReceiveCount": str(letter.receive_count),
            **{name: _milliseconds(moment) for name, moment in times.items() if moment is not None},
        },
    )


def whole(letter: DeadLetter) -> WholeLetter:
    """Return a letter that a WholeQueue received as what it is."""
    if not isinstance(letter, WholeLetter):
        raise TypeError("the letter was not received from a WholeQueue")
    return letter


def _milliseconds(moment: datetime) -> str:
    return str(round(moment.timestamp() * 1000))
