"""How a backfill reaches its subscriber: the function's own queue of events, or the queue that SNS delivers to."""

from __future__ import annotations

import threading
from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import replace

from b2bpilot.aws.functions import Function
from b2bpilot.aws.policies import where
from b2bpilot.aws.queue import BATCH, DeadLetterQueue, Outgoing
from b2bpilot.aws.queue_attributes import url_of
from b2bpilot.errors import AwsError, Refused
from b2bpilot.ops.environment import SEND_ONCE, Environment
from b2bpilot.ops.ports import DeadLetterSender, Invokable
from b2bpilot.ops.publish.order import Item
from b2bpilot.ops.publish.routes import PublishResult, PublishRoute
from b2bpilot.ops.sending.result import SendOutcome, result_after
from b2bpilot.ops.subscribers.discovery import TIMEOUTS, Subscriber, SubscriberKind
from b2bpilot.pipeline.notification import Addressed, envelope_for, event_for, raw_for

MOST_IN_A_ROW = 20
"""So many failures without a success between them are no accident of single messages: the rest would meet them, too."""
ACCEPTED = PublishResult(outcome=SendOutcome.ACCEPTED)


class BackfillRoute(PublishRoute):
    """Sends to one subscriber; what failed too often in a row is fatal."""

    def __init__(self, to: Addressed) -> None:
        self._to = to
        self._in_a_row = 0
        self._lock = threading.Lock()

    def send(self, items: Sequence[Item]) -> list[PublishResult]:
        return [self._judged(result) for result in self._deliver(items)]

    def close(self) -> None:
        """Nothing is held: boto3's connections end with their client."""

    @abstractmethod
    def _deliver(self, items: Sequence[Item]) -> list[PublishResult]: ...

    def _judged(self, result: PublishResult) -> PublishResult:
        with self._lock:
            is_failure = not (result.is_confirmed or result.is_throttled)
            self._in_a_row = self._in_a_row + 1 if is_failure else 0
            is_hopeless = self._in_a_row >= MOST_IN_A_ROW
        return replace(result, fatal=result.cause) if is_hopeless and result.fatal is None else result


class FunctionRoute(BackfillRoute):
    """Puts each event into the function's own queue, as SNS does: what fails there becomes a dead letter of the subscriber's."""

    most_items = 1

    def __init__(self, function: Invokable, to: Addressed) -> None:
        super().__init__(to)
        self._function = function

    def _deliver(self, items: Sequence[Item]) -> list[PublishResult]:
        return [self._invoked(item) for item in items]

    def _invoked(self, item: Item) -> PublishResult:
        try:
            self._function.invoke_later(event_for(item.message, self._to))
        except AwsError as exc:
            return _not_accepted(exc)
        return ACCEPTED


class QueueRoute(BackfillRoute):
    """Sends ten messages a call to the subscriber's queue, in SNS's envelope or, with raw delivery, without."""

    most_items = BATCH

    def __init__(self, queue: DeadLetterSender, to: Addressed, *, is_raw: bool) -> None:
        super().__init__(to)
        self._queue, self._is_raw = queue, is_raw

    def _deliver(self, items: Sequence[Item]) -> list[PublishResult]:
        unsent = {one.place: one.error for one in self._queue.send([self._outgoing(item) for item in items])}
        return [_not_accepted(unsent[place]) if place in unsent else ACCEPTED for place in range(len(items))]

    def _outgoing(self, item: Item) -> Outgoing:
        if not self._is_raw:
            return Outgoing(body=envelope_for(item.message, self._to))
        raw = raw_for(item.message, self._to)
        return Outgoing(body=raw.body, attributes=raw.attributes)


def route_to(environment: Environment, subscriber: Subscriber, *, run_id: str) -> BackfillRoute:
    """Return the way to the subscriber. Raises Refused, AwsError."""
    subscription = subscriber.subscription
    to = Addressed(topic_arn=subscription.topic_arn, subscription_arn=subscription.arn, run_id=run_id)
    access = where(environment.access, subscription.endpoint)
    if subscriber.kind is SubscriberKind.FUNCTION:
        return FunctionRoute(Function.connect(subscription.endpoint, access=access), to)
    url = url_of(access.client("sqs", TIMEOUTS), subscription.endpoint)
    if url is None:
        raise Refused(f"the queue of subscriber {subscriber.name} does not exist: {subscription.endpoint}")
    queue = DeadLetterQueue.connect(url, access=access, timeouts=SEND_ONCE)
    return QueueRoute(queue, to, is_raw=subscription.raw_delivery is True)


def _not_accepted(error: AwsError) -> PublishResult:
    after = result_after(error)
    return PublishResult(outcome=after.outcome, error=str(error), cause=error, fatal=after.fatal)
