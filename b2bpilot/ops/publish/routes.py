"""The two ways in: straight to the topic in batches, or through the webhook as Twilio comes, one by one."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from http import HTTPStatus
from typing import ClassVar

from b2bpilot.aws.topic import BATCH_ENTRIES, Published
from b2bpilot.errors import PilotError
from b2bpilot.ops.ports import Publisher
from b2bpilot.ops.publish.order import Item
from b2bpilot.ops.sending.result import SendOutcome, SendResult, result_after
from b2bpilot.pipeline.message import PilotMessage, Priority, encode
from b2bpilot.pipeline.priority import numbers_in, priority_of
from b2bpilot.twilio.webhook import WebhookAnswer, WebhookClient, WebhookUnreachable


class Via(StrEnum):
    """A route's name on the command line."""

    TOPIC = "topic"
    WEBHOOK = "webhook"


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishResult(SendResult):
    """What became of sending one message. `cause` is its error, for who raises it."""

    sns_message_id: str | None = None
    cause: PilotError | None = None


class PublishRoute(ABC):
    """Sends messages, in order; result N belongs to message N."""

    via: ClassVar[Via]
    most_items: ClassVar[int]
    """The maximum of one call."""

    @abstractmethod
    def send(self, items: Sequence[Item]) -> list[PublishResult]:
        """Raises nothing of ours."""

    @abstractmethod
    def close(self) -> None: ...

    def priority_of(self, message: PilotMessage) -> Priority:
        """Return the priority with which the message reaches the topic."""
        return message.priority


class TopicPublishRoute(PublishRoute):
    """Ten messages a call. A message counts as received when it is sent, not when it was composed."""

    via = Via.TOPIC
    most_items = BATCH_ENTRIES

    def __init__(self, topic: Publisher, *, clock: Callable[[], datetime]) -> None:
        self._topic, self._clock = topic, clock

    def send(self, items: Sequence[Item]) -> list[PublishResult]:
        now = self._clock()
        messages = [encode(replace(item.message, received_at=now)) for item in items]
        return [_of_published(published) for published in self._topic.publish_batch(messages)]

    def close(self) -> None:
        """Nothing is held: boto3's connections end with their client."""


class WebhookRoute(PublishRoute):
    """One signed request a message; each thread keeps a connection. A test travels as the JSON that marks it as one."""

    via = Via.WEBHOOK
    most_items = 1

    def __init__(self, connect: Callable[[], WebhookClient], *, high_priority_numbers: str) -> None:
        self._connect = connect
        self._high = numbers_in(high_priority_numbers)
        self._local = threading.local()
        self._clients: list[WebhookClient] = []

    def close(self) -> None:
        """End the connections, when no thread sends any more."""
        for client in self._clients:
            client.close()

    def send(self, items: Sequence[Item]) -> list[PublishResult]:
        return [self._send(item.message) for item in items]

    def priority_of(self, message: PilotMessage) -> Priority:
        """The webhook's to decide, by the number."""
        return priority_of(message.params, self._high)

    def _send(self, message: PilotMessage) -> PublishResult:
        try:
            return of_answer(post(self._client(), message))
        except WebhookUnreachable as exc:
            return _not_accepted(SendOutcome.UNKNOWN if exc.was_sent else SendOutcome.NOT_SENT, exc)

    def _client(self) -> WebhookClient:
        client: WebhookClient | None = getattr(self._local, "client", None)
        if client is None:
            client = self._local.client = self._connect()
            self._clients.append(client)
        return client


class WebhookRefused(PilotError):
    """The webhook answered something else than 200."""

    code = "webhook_refused"


def post(client: WebhookClient, message: PilotMessage) -> WebhookAnswer:
    """Post a real message as Twilio does, a test in the form that is marked as one. Raises WebhookUnreachable."""
    if message.test:
        return client.post_test(message.message_id, message.params)
    return client.post(message.params)


def of_answer(answer: WebhookAnswer) -> PublishResult:
    """Judge the webhook's answer: a 5xx may come from a publish that only timed out."""
    if answer.status == HTTPStatus.OK:
        return PublishResult(outcome=SendOutcome.ACCEPTED)
    error = WebhookRefused(f"the webhook answered {answer.status}: {' '.join(answer.body.split())[:200]}")
    match answer.status:
        case HTTPStatus.TOO_MANY_REQUESTS:
            return _not_accepted(SendOutcome.THROTTLED, error)
        case HTTPStatus.FORBIDDEN:
            return _not_accepted(SendOutcome.NOT_SENT, error, is_fatal=True)
        case status if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            return _not_accepted(SendOutcome.UNKNOWN, error)
    return _not_accepted(SendOutcome.NOT_SENT, error)


def _of_published(published: Published) -> PublishResult:
    if published.error is None:
        return PublishResult(outcome=SendOutcome.ACCEPTED, sns_message_id=published.sns_message_id)
    after = result_after(published.error)
    return _not_accepted(after.outcome, published.error, is_fatal=after.fatal is not None)


def _not_accepted(outcome: SendOutcome, cause: PilotError, *, is_fatal: bool = False) -> PublishResult:
    return PublishResult(outcome=outcome, error=str(cause), cause=cause, fatal=cause if is_fatal else None)
