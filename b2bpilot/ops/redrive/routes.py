"""The three ways back for a dead letter, and what each can say about the result."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Protocol

from b2bpilot.aws.functions import Invocation
from b2bpilot.aws.processor import FATAL, AttemptResult, attempt
from b2bpilot.aws.topic import Published
from b2bpilot.errors import AwsError, AwsThrottled
from b2bpilot.pipeline.dead_letter import DeadLetter, encoded_for_topic, event_for_invoke
from b2bpilot.pipeline.message import Encoded

NOT_TRIED = "not sent: the call before it was refused"


class Via(StrEnum):
    """A route's name on the command line."""

    INVOKE = "invoke"
    ASYNC = "async"
    TOPIC = "topic"


class Verdict(StrEnum):
    """What a route says of one dead letter. Only the first two let it be deleted."""

    PROCESSED = "processed"
    """The function ran and the message is completed."""
    ACCEPTED = "accepted"
    """AWS has it; what became of it, only the row can tell."""
    FAILED = "failed"
    BUSY = "in progress"
    """The function left it alone, because a lease on it holds: nothing is known of the message itself."""
    THROTTLED = "throttled"
    """Not sent; may be sent again at once, more slowly."""
    NOT_SENT = "not sent"
    """Nor would it be: the call was refused, or one before it."""
    UNKNOWN = "unknown"
    """Perhaps sent: no answer came. It stays in the queue, and the claim absorbs a second time."""


ATTEMPTED = {
    AttemptResult.PROCESSED: Verdict.PROCESSED,
    AttemptResult.FAILED: Verdict.FAILED,
    AttemptResult.DISCARDED: Verdict.FAILED,
    AttemptResult.BUSY: Verdict.BUSY,
    AttemptResult.UNKNOWN: Verdict.UNKNOWN,
    AttemptResult.THROTTLED: Verdict.THROTTLED,
    AttemptResult.NOT_TRIED: Verdict.NOT_SENT,
    AttemptResult.REFUSED: Verdict.NOT_SENT,
}
"""What an attempt says to who redrives by it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """What became of sending one dead letter."""

    verdict: Verdict
    error: str | None = None
    fatal: AwsError | None = None
    """What must be raised, once the results that came with it are in the journal."""

    @property
    def confirmed(self) -> bool:
        return self.verdict in (Verdict.PROCESSED, Verdict.ACCEPTED)


class Route(Protocol):
    """Sends dead letters, in order; result N belongs to dead letter N. Raises nothing of AWS's: what it accepted before a failure
    must not be forgotten."""

    via: Via
    sends_batches: bool
    """Whether ten dead letters are one call; else they are ten, better made side by side."""
    keeps: bool
    """Whether what was accepted is kept by AWS until it is processed or a dead letter again."""

    def send(self, dead_letters: Sequence[DeadLetter], *, run_id: str) -> list[Sent]: ...


class Invokable(Protocol):
    """The part of aws.functions.Function that the routes use."""

    def invoke(self, event: Mapping[str, Any]) -> Invocation: ...
    def invoke_later(self, event: Mapping[str, Any]) -> None: ...


class Publisher(Protocol):
    """The part of aws.topic.Topic that the route uses."""

    def publish_batch(self, messages: Sequence[Encoded]) -> list[Published]: ...


class InvokeRoute:
    """Runs the function now. What fails stays where it is and cannot loop (docs/aws-facts.md#synchronous-runs)."""

    via = Via.INVOKE
    sends_batches = False
    keeps = True

    def __init__(self, function: Invokable) -> None:
        self._function = function

    def send(self, dead_letters: Sequence[DeadLetter], *, run_id: str) -> list[Sent]:
        return _one_by_one(dead_letters, lambda dead_letter: self._send(dead_letter, run_id))

    def _send(self, dead_letter: DeadLetter, run_id: str) -> Sent:
        made = attempt(self._function, dead_letter, run_id=run_id)
        return Sent(verdict=ATTEMPTED[made.result], error=made.error or None, fatal=made.fatal)


class AsyncRoute:
    """Puts the event into the function's own queue. What fails again comes back as a new dead letter."""

    via = Via.ASYNC
    sends_batches = False
    keeps = True

    def __init__(self, function: Invokable) -> None:
        self._function = function

    def send(self, dead_letters: Sequence[DeadLetter], *, run_id: str) -> list[Sent]:
        return _one_by_one(dead_letters, lambda dead_letter: self._send(dead_letter, run_id))

    def _send(self, dead_letter: DeadLetter, run_id: str) -> Sent:
        try:
            self._function.invoke_later(event_for_invoke(dead_letter, run_id=run_id, is_accepted_only=True))
        except AwsError as exc:
            return sent_after(exc)
        return Sent(verdict=Verdict.ACCEPTED)


class TopicRoute:
    """Publishes the inner message again with all its attributes: it reaches every subscriber, and without one nobody."""

    via = Via.TOPIC
    sends_batches = True
    keeps = False

    def __init__(self, topic: Publisher) -> None:
        self._topic = topic

    def send(self, dead_letters: Sequence[DeadLetter], *, run_id: str) -> list[Sent]:
        published = self._topic.publish_batch(
            [encoded_for_topic(dead_letter, run_id=run_id) for dead_letter in dead_letters]
        )
        return [_published(result) for result in published]


def sent_after(error: AwsError) -> Sent:
    """Judge a call that failed."""
    match error:
        case AwsThrottled():
            return Sent(verdict=Verdict.THROTTLED, error=str(error))
        case _ if isinstance(error, FATAL):
            return Sent(verdict=Verdict.NOT_SENT, error=str(error), fatal=error)
    return Sent(verdict=Verdict.UNKNOWN if error.is_unknown else Verdict.NOT_SENT, error=str(error))


def _one_by_one(dead_letters: Sequence[DeadLetter], send: Callable[[DeadLetter], Sent]) -> list[Sent]:
    """Send until a call is refused for good."""
    results: list[Sent] = []
    for dead_letter in dead_letters:
        results.append(send(dead_letter))
        if results[-1].fatal:
            break
    return results + [Sent(verdict=Verdict.NOT_SENT, error=NOT_TRIED)] * (len(dead_letters) - len(results))


def _published(result: Published) -> Sent:
    if result.error is None:
        return Sent(verdict=Verdict.ACCEPTED)
    return sent_after(result.error)
