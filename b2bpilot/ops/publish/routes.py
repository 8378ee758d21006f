"""The two ways in: straight to the topic in batches, or through the webhook as Twilio comes, one by one."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from http import HTTPStatus
from typing import Protocol

from b2bpilot.aws.topic import BATCH_ENTRIES, Published
from b2bpilot.errors import AwsDenied, AwsThrottled, CredentialsMissing, PilotError
from b2bpilot.ops.ports import Publisher
from b2bpilot.ops.publish.order import Item
from b2bpilot.pipeline.message import PilotMessage, encode
from b2bpilot.twilio.webhook import Answer, WebhookClient, WebhookUnreachable


class Via(StrEnum):
    """A route's name on the command line."""

    TOPIC = "topic"
    WEBHOOK = "webhook"


class Verdict(StrEnum):
    """What is known of one message after it was sent."""

    ACCEPTED = "accepted"
    """SNS has it; what became of it, only its row can tell."""
    FAILED = "failed"
    """Certainly not taken."""
    THROTTLED = "throttled"
    """Not taken; may be sent again at once, more slowly."""
    UNKNOWN = "unknown"
    """Perhaps taken: no answer came. Sent again it is stored once all the same, by its id."""
    FATAL = "fatal"
    """Not taken, for a reason that every other message would meet as well."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """What became of sending one item."""

    verdict: Verdict
    sns_message_id: str | None = None
    error: PilotError | None = None


class Route(Protocol):
    """Sends items, in order; result N belongs to item N. Raises nothing of ours."""

    via: Via
    most_items: int
    """So many go in one call."""

    def send(self, items: Sequence[Item]) -> list[Sent]: ...
    def close(self) -> None: ...


class TopicRoute:
    """Ten messages a call. A message counts as received when it is sent, not when it was composed."""

    via = Via.TOPIC
    most_items = BATCH_ENTRIES

    def __init__(self, topic: Publisher, *, clock: Callable[[], datetime]) -> None:
        self._topic, self._clock = topic, clock

    def send(self, items: Sequence[Item]) -> list[Sent]:
        now = self._clock()
        messages = [encode(replace(item.message, received_at=now)) for item in items]
        return [_of_published(published) for published in self._topic.publish_batch(messages)]

    def close(self) -> None:
        """Nothing is held: boto3's connections end with their client."""


class WebhookRoute:
    """One signed request a message; each thread keeps a connection. A test travels as the JSON that marks it as one."""

    via = Via.WEBHOOK
    most_items = 1

    def __init__(self, connect: Callable[[], WebhookClient]) -> None:
        self._connect = connect
        self._local = threading.local()
        self._clients: list[WebhookClient] = []

    def close(self) -> None:
        """End the connections, when no thread sends any more."""
        for client in self._clients:
            client.close()

    def send(self, items: Sequence[Item]) -> list[Sent]:
        return [self._send(item.message) for item in items]

    def _send(self, message: PilotMessage) -> Sent:
        try:
            return of_answer(post(self._client(), message))
        except WebhookUnreachable as exc:
            return Sent(verdict=Verdict.UNKNOWN if exc.was_sent else Verdict.FAILED, error=exc)

    def _client(self) -> WebhookClient:
        client: WebhookClient | None = getattr(self._local, "client", None)
        if client is None:
            client = self._local.client = self._connect()
            self._clients.append(client)
        return client


class WebhookRefused(PilotError):
    """The webhook answered something else than 200."""

    code = "webhook_refused"


def post(client: WebhookClient, message: PilotMessage) -> Answer:
    """Post a real message as Twilio does, a test in the form that is marked as one. Raises WebhookUnreachable."""
    if message.test:
        return client.post_test(message.message_id, message.params)
    return client.post(message.params)


def of_answer(answer: Answer) -> Sent:
    """Judge the webhook's answer: a 5xx may come from a publish that only timed out."""
    if answer.status == HTTPStatus.OK:
        return Sent(verdict=Verdict.ACCEPTED)
    error = WebhookRefused(f"the webhook answered {answer.status}: {' '.join(answer.body.split())[:200]}")
    match answer.status:
        case HTTPStatus.TOO_MANY_REQUESTS:
            return Sent(verdict=Verdict.THROTTLED, error=error)
        case HTTPStatus.FORBIDDEN:
            return Sent(verdict=Verdict.FATAL, error=error)
        case status if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            return Sent(verdict=Verdict.UNKNOWN, error=error)
    return Sent(verdict=Verdict.FAILED, error=error)


def _of_published(published: Published) -> Sent:
    error = published.error
    if error is None:
        return Sent(verdict=Verdict.ACCEPTED, sns_message_id=published.sns_message_id)
    if isinstance(error, AwsThrottled):
        return Sent(verdict=Verdict.THROTTLED, error=error)
    if isinstance(error, AwsDenied | CredentialsMissing):
        return Sent(verdict=Verdict.FATAL, error=error)
    return Sent(verdict=Verdict.UNKNOWN if published.is_unknown else Verdict.FAILED, error=error)
