"""SQS as a discard, a restore and an edit see it, with a plan of failures; and the journal, which fails in the same plan."""

from __future__ import annotations

import itertools
import threading
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from b2bpilot.aws.queue import Outgoing, Received, Unsent
from b2bpilot.aws.queue_attributes import Counters
from b2bpilot.errors import AwsError
from b2bpilot.ops.dead_letters.archive import Origin
from b2bpilot.ops.runs.journal import Journal
from b2bpilot.pipeline.dead_letter import DeadLetter, read_dead_letter
from tests.events import message, ours, received, sns_event

ORIGIN = Origin(environment="staging", account_id="123456789012", region="eu-west-1")


class Killed(BaseException):
    """The process ends here, as with kill -9: nothing catches it, nothing after it happens."""


@dataclass
class Steps:
    """Counts what changes something, and kills the process before or after one of them; once dead, nothing is done."""

    kill_at: int | None = None
    after: bool = False
    taken: int = 0
    dead: bool = False
    lock: threading.RLock = field(default_factory=threading.RLock)

    def before(self) -> None:
        self.taken += 1
        if self.dead or (self.taken == self.kill_at and not self.after):
            self.die()

    def done(self) -> None:
        if self.taken == self.kill_at and self.after:
            self.die()

    def die(self) -> None:
        self.dead = True
        raise Killed


class DeadLetterQueue:
    """Messages are hidden until they are given back, deleted, or the time of a dead consumer is over (`expire`)."""

    def __init__(self, messages: Iterable[Mapping[str, Any]], steps: Steps | None = None) -> None:
        self.messages = {str(each["MessageId"]): dict(each) for each in messages}
        self.hidden: set[str] = set()
        self.now = 0.0
        """Moved on by long polls that bring nothing."""
        self.hidden_until: dict[str, float] = {}
        """What a run that was killed still hides."""
        self.counters_say: Callable[[Counters], Counters] = lambda true: true
        self.steps = steps or Steps()
        self.refuse_delete: set[str] = set()
        self.refuse_send: set[int] = set()
        self.no_answer_after_send = False
        self.delete_error: AwsError | None = None
        self.sent: list[Outgoing] = []
        self._handles: dict[str, str] = {}
        self._numbers = itertools.count()

    @property
    def bodies(self) -> list[str]:
        return sorted(str(each["Body"]) for each in self.messages.values())

    def expire(self, steps: Steps | None = None) -> None:
        self.hidden.clear()
        self.steps = steps or Steps()

    def clock(self) -> float:
        return self.now

    def counters(self) -> Counters:
        hidden = len(self.messages) - len(self._visible())
        return self.counters_say(Counters(visible=len(self.messages) - hidden, hidden=hidden, delayed=0))

    def _visible(self) -> list[str]:
        return [
            id_
            for id_ in self.messages
            if id_ not in self.hidden and self.hidden_until.get(id_, 0) <= self.now
        ]

    def receive(self, *, hidden_seconds: int, wait_seconds: int) -> list[DeadLetter]:
        with self.steps.lock:
            if self.steps.dead:
                raise Killed
            found = self._visible()[:10]
            self.hidden.update(found)
            self.now += 0 if found else wait_seconds
            return [self._dead_letter(id_) for id_ in found]

    def extend(self, dead_letters: Sequence[Received], seconds: int) -> list[Received]:
        return []

    def release(self, dead_letters: Sequence[Received]) -> list[Received]:
        with self.steps.lock:
            if self.steps.dead:
                raise Killed
            self.hidden.difference_update(
                self._handles[dead_letter.receipt_handle] for dead_letter in dead_letters
            )
            return []

    def delete(self, dead_letters: Sequence[DeadLetter]) -> list[DeadLetter]:
        with self.steps.lock:
            self.steps.before()
            if self.delete_error is not None:
                raise self.delete_error
            refused = []
            for dead_letter in dead_letters:
                id_ = self._handles[dead_letter.receipt_handle]
                if id_ in self.refuse_delete:
                    refused.append(dead_letter)
                else:
                    self.messages.pop(id_, None)
                    self.hidden.discard(id_)
            self.steps.done()
            return refused

    def send(self, messages: Sequence[Outgoing]) -> list[Unsent]:
        with self.steps.lock:
            self.steps.before()
            unsent = []
            for place, each in enumerate(messages):
                if len(self.sent) + len(unsent) in self.refuse_send:
                    error = AwsError("SQS refused the message: InternalError: no reason given")
                    unsent.append(Unsent(place=place, message=each, error=error))
                    continue
                self.sent.append(each)
                id_ = str(uuid.uuid4())
                self.messages[id_] = {
                    "MessageId": id_,
                    "Body": each.body,
                    "MessageAttributes": dict(each.attributes),
                    "Attributes": {"SentTimestamp": "4102444800000", "ApproximateReceiveCount": "0"},
                }
            if self.no_answer_after_send:
                error = AwsError("sqs:SendMessage failed: 500: upstream connection refused", is_unknown=True)
                unsent = [Unsent(place=n, message=each, error=error) for n, each in enumerate(messages)]
            self.steps.done()
            return unsent

    def _dead_letter(self, id_: str) -> DeadLetter:
        handle = f"handle-{next(self._numbers)}"
        self._handles[handle] = id_
        raw = self.messages[id_]
        return ours(read_dead_letter({**raw, "ReceiptHandle": handle}))


class SteppedJournal(Journal):
    """A journal that can be killed before or after each write."""

    steps = Steps()

    def write(self, *entries: Mapping[str, object]) -> None:
        with self.steps.lock:
            self.steps.before()
            super().write(*entries)
            self.steps.done()


def dead(**changes: Any) -> dict[str, Any]:
    """A message as SQS gives it for a run that failed."""
    return received(
        sns_event(message(**changes)),
        RequestID=("String", str(uuid.uuid4())),
        ErrorCode=("Number", "200"),
        ErrorMessage=("String", "no customer"),
    )
