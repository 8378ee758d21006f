"""The ways back for a dead letter, and what each can say about the result."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from b2bpilot.aws.processor import AttemptResult, attempt
from b2bpilot.aws.topic import Published
from b2bpilot.errors import AwsError
from b2bpilot.ops.environment import Environment
from b2bpilot.ops.ports import DeliveryGuard, Invokable, Publisher
from b2bpilot.ops.redrive.subscription_guard import SubscriptionGuard
from b2bpilot.ops.redrive.via import RedriveVia
from b2bpilot.ops.sending.result import SendOutcome, SendResult, result_after
from b2bpilot.pipeline.dead_letter import (
    DeadLetter,
    encoded_for_topic,
    event_for_invoke,
)

NOT_TRIED = "not sent: the call before it was refused"
ATTEMPTED = {
    AttemptResult.PROCESSED: SendOutcome.PROCESSED,
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
    does: ClassVar[str]
    """What it does, as a plan says it."""
    concurrency: ClassVar[int] = 32
    """Calls at once where none were asked for: what only accepts answers at once."""
    sends_batches: ClassVar[bool] = False
    """Whether ten dead letters are one call; else they are ten, better made side by side."""
    answers: ClassVar[bool] = False
    """Whether it says what became of the message; else only the row can."""
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
    does = "runs the processor now; what fails stays where it is"
    concurrency = 16
    answers = True

    def __init__(self, function: Invokable) -> None:
        self._function = function

    @classmethod
    def connect(cls, environment: Environment, *, is_proved: bool) -> InvokeRoute:  # noqa: ARG003  # Lambda keeps it
        return cls(environment.function())

    def send(self, dead_letters: Sequence[DeadLetter], *, run_id: str) -> list[SendResult]:
        return _one_by_one(dead_letters, lambda dead_letter: self._send(dead_letter, run_id))

    def _send(self, dead_letter: DeadLetter, run_id: str) -> SendResult:
        made = attempt(self._function, dead_letter, run_id=run_id)
        return SendResult(outcome=ATTEMPTED[made.result], error=made.error or None, fatal=made.fatal)


class AsyncRoute(Route):
    """Puts the event into the function's own queue. What fails again comes back as a new dead letter."""

    via = RedriveVia.ASYNC
    does = "the processor's own queue takes the event; what fails again comes back as a new dead letter"

    def __init__(self, function: Invokable) -> None:
        self._function = function

    @classmethod
    def connect(cls, environment: Environment, *, is_proved: bool) -> AsyncRoute:  # noqa: ARG003  # Lambda keeps it
        return cls(environment.function())

    def send(self, dead_letters: Sequence[DeadLetter], *, run_id: str) -> list[SendResult]:
        return _one_by_one(dead_letters, lambda dead_letter: self._send(dead_letter, run_id))

    def _send(self, dead_letter: DeadLetter, run_id: str) -> SendResult:
        try:
            self._function.invoke_later(event_for_invoke(dead_letter, run_id=run_id, is_accepted_only=True))
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


ROUTES: Mapping[RedriveVia, type[Route]] = {
    route.via: route for route in (InvokeRoute, AsyncRoute, TopicRoute)
}


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
