"""The ways back for a dead letter, and what each can say about the result."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from b2bpilot.aws.processor import AttemptResult, ProcessorAttempt, attempt, attempt_with
from b2bpilot.aws.queue import DeadLetterQueue
from b2bpilot.aws.queue_attributes import url_of
from b2bpilot.aws.topic import Published
from b2bpilot.errors import AwsError, MessageUnreadable, Refused, UsageError
from b2bpilot.ops.environment import SEND_ONCE, Environment
from b2bpilot.ops.ports import DeadLetterSender, DeliveryGuard, Invokable, Publisher
from b2bpilot.ops.recipient import Recipient
from b2bpilot.ops.redrive.failing_again import require_return
from b2bpilot.ops.redrive.queue_event import event_for_queue, outgoing_of
from b2bpilot.ops.redrive.subscription_guard import SubscriptionGuard
from b2bpilot.ops.redrive.via import RedriveVia
from b2bpilot.ops.sending.result import SendOutcome, SendResult, result_after
from b2bpilot.pipeline.arn import name_of
from b2bpilot.pipeline.dead_letter import (
    DeadLetter,
    encoded_for_topic,
    event_for_invoke,
)
from b2bpilot.pipeline.outcome import subscriber_proof_in

NOT_TRIED = "not sent: the call before it was refused"
ATTEMPTED = {
    AttemptResult.PROCESSED: SendOutcome.PROCESSED,
    AttemptResult.RETURNED: SendOutcome.RETURNED,
    AttemptResult.FAILED: SendOutcome.FAILED,
    AttemptResult.DISCARDED: SendOutcome.FAILED,
    AttemptResult.BUSY: SendOutcome.BUSY,
    AttemptResult.UNKNOWN: SendOutcome.UNKNOWN,
    AttemptResult.THROTTLED: SendOutcome.THROTTLED,
    AttemptResult.NOT_TRIED: SendOutcome.NOT_SENT,
    AttemptResult.REFUSED: SendOutcome.NOT_SENT,
}
"""What an attempt says to who redrives by it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SentDeadLetter:
    """A dead letter, and what became of sending it."""

    dead_letter: DeadLetter
    result: SendResult


class Route(ABC):
    """Sends dead letters, in order; result N belongs to dead letter N. Raises nothing of AWS's: what it accepted before a failure
    must not be forgotten."""

    via: ClassVar[RedriveVia]
    does: str
    """What it does, as a plan says it."""
    concurrency: ClassVar[int] = 32
    """Calls at once where none were asked for: what only accepts answers at once."""
    sends_batches: ClassVar[bool] = False
    """Whether ten dead letters are one call; else they are ten, better made side by side."""
    answers: ClassVar[bool] = False
    """Whether it says what became of the message; else only the row can."""
    may_say_nothing: bool = False
    """Whether a run that only returns is a success: another subscriber's function may say no more."""
    keeps: ClassVar[bool] = True
    """Whether what was accepted is kept by AWS until it is processed or a dead letter again."""
    publishes: ClassVar[bool] = False
    """Whether the message's attributes travel with it, to every subscriber."""
    guard: DeliveryGuard | None = None
    """Who tells whether what is sent gets to the processor, where that is a question."""

    @classmethod
    @abstractmethod
    def connect(cls, environment: Environment, *, is_proved: bool) -> Route:
        """Return the route to the environment's processor. `is_proved`: the rows tell what arrived."""

    @abstractmethod
    def send(self, dead_letters: Sequence[DeadLetter], *, run_id: str) -> list[SendResult]: ...


class InvokeRoute(Route):
    """Runs the function now. What fails stays where it is and cannot loop (docs/aws-facts.md#synchronous-runs)."""

    via = RedriveVia.INVOKE
    concurrency = 16
    answers = True

    def __init__(self, function: Invokable, subscriber: Recipient | None = None) -> None:
        """Without a `subscriber` it is the processor."""
        self._function, self._subscriber = function, subscriber
        self.may_say_nothing = subscriber is not None
        self.does = f"runs {_function_of(subscriber)} now; what fails stays where it is"

    @classmethod
    def connect(cls, environment: Environment, *, is_proved: bool) -> InvokeRoute:  # noqa: ARG003  # Lambda keeps it
        return cls(environment.function(), environment.other)

    def send(self, dead_letters: Sequence[DeadLetter], *, run_id: str) -> list[SendResult]:
        return _one_by_one(dead_letters, lambda dead_letter: self._send(dead_letter, run_id))

    def _send(self, dead_letter: DeadLetter, run_id: str) -> SendResult:
        made = self._attempt(dead_letter, run_id)
        return SendResult(outcome=ATTEMPTED[made.result], error=made.error or None, fatal=made.fatal)

    def _attempt(self, dead_letter: DeadLetter, run_id: str) -> ProcessorAttempt:
        if self._subscriber is None:
            return attempt(self._function, dead_letter, run_id=run_id)
        event = _event(dead_letter, self._subscriber, run_id)
        if isinstance(event, str):
            return ProcessorAttempt(dead_letter=dead_letter, result=AttemptResult.NOT_TRIED, error=event)
        return attempt_with(self._function, dead_letter, event, proof=subscriber_proof_in)


class AsyncRoute(Route):
    """Puts the event into the function's own queue. What fails again comes back as a new dead letter."""

    via = RedriveVia.ASYNC

    def __init__(self, function: Invokable, subscriber: Recipient | None = None) -> None:
        self._function, self._marked_for = function, subscriber.mark if subscriber else None
        self.does = f"{_function_of(subscriber)}'s own queue takes the event; what fails again comes back as a new dead letter"

    @classmethod
    def connect(cls, environment: Environment, *, is_proved: bool) -> AsyncRoute:  # noqa: ARG003  # Lambda keeps it
        """Raises Refused where what fails again would not come back, and AwsError."""
        require_return(environment)
        return cls(environment.function(), environment.other)

    def send(self, dead_letters: Sequence[DeadLetter], *, run_id: str) -> list[SendResult]:
        return _one_by_one(dead_letters, lambda dead_letter: self._send(dead_letter, run_id))

    def _send(self, dead_letter: DeadLetter, run_id: str) -> SendResult:
        try:
            self._function.invoke_later(
                event_for_invoke(
                    dead_letter, run_id=run_id, is_accepted_only=True, subscriber=self._marked_for
                )
            )
        except AwsError as exc:
            return result_after(exc)
        return SendResult(outcome=SendOutcome.ACCEPTED)


class TopicRoute(Route):
    """Publishes the inner message again with all its attributes: it reaches every subscriber, and without one nobody."""

    via = RedriveVia.TOPIC
    does = "publishes the message again, to every subscriber"
    sends_batches = True
    keeps = False
    publishes = True

    def __init__(self, topic: Publisher, guard: DeliveryGuard | None = None) -> None:
        self._topic, self.guard = topic, guard

    @classmethod
    def connect(cls, environment: Environment, *, is_proved: bool) -> TopicRoute:
        return cls(environment.topic(), SubscriptionGuard(environment, is_proved=is_proved))

    def send(self, dead_letters: Sequence[DeadLetter], *, run_id: str) -> list[SendResult]:
        published = self._topic.publish_batch(
            [encoded_for_topic(dead_letter, run_id=run_id) for dead_letter in dead_letters]
        )
        return [_published(result) for result in published]


class SourceQueueRoute(Route):
    """Puts the message back into the subscriber's queue. What fails again comes back as a new dead letter."""

    via = RedriveVia.QUEUE
    sends_batches = True

    def __init__(self, queue: DeadLetterSender, name: str) -> None:
        self._queue = queue
        self.does = f"queue {name} takes the message; what fails again comes back as a new dead letter"

    @classmethod
    def connect(cls, environment: Environment, *, is_proved: bool) -> SourceQueueRoute:  # noqa: ARG003  # the queue keeps it
        """Raises Refused where what fails again would not come back, and AwsError."""
        arn = environment.recipient.source_queue_arn
        url = url_of(environment.access.client("sqs"), arn) if arn else None
        if arn is None or url is None:
            raise Refused(f"{environment.recipient.asker} has no queue", hint="redrive with --via invoke")
        queue = DeadLetterQueue.connect(url, access=environment.access, timeouts=SEND_ONCE)
        policy = queue.attributes().redrive_policy
        if policy is None or policy.target_arn != environment.recipient.dead_letter_queue_arn:
            raise Refused(
                f"queue {name_of(arn)} does not send what fails to {name_of(environment.recipient.dead_letter_queue_arn)}: what "
                "fails again would not come back",
                hint="set its redrive policy, or redrive with --via invoke",
            )
        return cls(queue, name_of(arn))

    def send(self, dead_letters: Sequence[DeadLetter], *, run_id: str) -> list[SendResult]:
        outgoing, results = [], {}
        for place, dead_letter in enumerate(dead_letters):
            try:
                outgoing.append((place, outgoing_of(dead_letter, run_id=run_id)))
            except MessageUnreadable as exc:
                results[place] = SendResult(outcome=SendOutcome.NOT_SENT, error=str(exc))
        unsent = {one.place: one.error for one in self._queue.send([message for _, message in outgoing])}
        for n, (place, _) in enumerate(outgoing):
            results[place] = result_after(unsent[n]) if n in unsent else ACCEPTED
        return [results[place] for place in range(len(dead_letters))]


ACCEPTED = SendResult(outcome=SendOutcome.ACCEPTED)
ROUTES: Mapping[RedriveVia, type[Route]] = {
    route.via: route for route in (InvokeRoute, AsyncRoute, TopicRoute, SourceQueueRoute)
}


def route_for(recipient: Recipient, asked: RedriveVia | None) -> RedriveVia:
    """Return the route: `invoke` unless another one was asked for, for it alone says what became of the message; the queue where
    no function is known behind it. Raises UsageError for one that the recipient does not have."""
    ways, why = _ways(recipient)
    if asked is None or asked in ways:
        return asked or ways[0]
    why = "it reaches every subscriber" if asked is RedriveVia.TOPIC else why
    raise UsageError(
        f"--via {asked} cannot be used with {recipient.asker}: {why}", hint=f"use --via {' or '.join(ways)}"
    )


def _ways(recipient: Recipient) -> tuple[tuple[RedriveVia, ...], str]:
    """Return the routes to a recipient, the usual one first, and why there is no other."""
    invoke = RedriveVia.INVOKE
    if recipient.is_processor:
        return (invoke, RedriveVia.ASYNC, RedriveVia.TOPIC), "no queue stands before the processor"
    if recipient.source_queue_arn is None:
        return (invoke, RedriveVia.ASYNC), "no queue stands before its function"
    if recipient.function is None:
        return (RedriveVia.QUEUE,), recipient.no_function
    return (invoke, RedriveVia.QUEUE), "its function takes events of its queue"


def _function_of(subscriber: Recipient | None) -> str:
    return f"function {subscriber.function_in_words}" if subscriber else "the processor"


def _event(dead_letter: DeadLetter, subscriber: Recipient, run_id: str) -> dict[str, Any] | str:
    """Return what the subscriber's function gets, or why there is no such event."""
    try:
        if subscriber.source_queue_arn is None:
            return event_for_invoke(dead_letter, run_id=run_id, subscriber=subscriber.mark)
        return event_for_queue(dead_letter, queue_arn=subscriber.source_queue_arn, run_id=run_id)
    except MessageUnreadable as exc:
        return str(exc)


def _one_by_one(
    dead_letters: Sequence[DeadLetter], send: Callable[[DeadLetter], SendResult]
) -> list[SendResult]:
    """Send until a call is refused for good."""
    results: list[SendResult] = []
    for dead_letter in dead_letters:
        results.append(send(dead_letter))
        if results[-1].fatal:
            break
    not_tried = SendResult(outcome=SendOutcome.NOT_SENT, error=NOT_TRIED)
    return results + [not_tried] * (len(dead_letters) - len(results))


def _published(result: Published) -> SendResult:
    if result.error is None:
        return SendResult(outcome=SendOutcome.ACCEPTED)
    return result_after(result.error)
