"""A queue, a function and a topic that fail in every way that AWS's do; faults are drawn by the test."""

from __future__ import annotations

import itertools
import threading
import uuid
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum

from b2bpilot.aws.functions import Invocation
from b2bpilot.aws.queue_attributes import Counters
from b2bpilot.aws.topic import Published
from b2bpilot.errors import AwsError, AwsThrottled, AwsUnreachable, PublishFailed
from b2bpilot.pipeline.dead_letter import DeadLetter, read_dead_letter
from b2bpilot.pipeline.delivery import deliveries
from b2bpilot.pipeline.message import Encoded
from tests.events import message, ours, received, sns_event


class Fault(StrEnum):
    NONE = "none"
    REFUSED = "refused"
    THROTTLED = "throttled"
    LOST_REQUEST = "lost request"
    LOST_ANSWER = "lost answer"
    PARTIAL = "partial"
    CRASH = "crash"


class Crash(BaseException):
    """The process is killed, or Ctrl-C: no `except Exception` sees it."""


def dead_letter(*, redrives: int = 0, redriven_by: str = "an-earlier-run") -> DeadLetter:
    beside = {"redrive": {"run_id": redriven_by, "attempt": redrives}} if redrives else {}
    return ours(read_dead_letter(received(sns_event(message(), **beside))))


def id_of(found: DeadLetter) -> str:
    assert found.message is not None
    return found.message.message_id


@dataclass
class Deployment:
    """All dead letters begin in the queue. `processed` counts how often a message was run or published."""

    dead_letters: Sequence[DeadLetter]
    faults: Iterator[Fault] = field(default_factory=lambda: itertools.repeat(Fault.NONE))
    poison: frozenset[str] = frozenset()
    """Message ids on which the function always fails."""
    is_subscribed: bool = True
    """Whether what the topic accepts reaches anybody."""

    def __post_init__(self) -> None:
        self.waiting = {one.queue_message_id: one for one in self.dead_letters}
        self.hidden: set[str] = set()
        self.receipts: dict[str, str] = {}
        self.processed: Counter[str] = Counter()
        self.failed: Counter[str] = Counter()
        self.deleted: set[str] = set()
        self._handing_out = threading.Lock()

    # the queue

    def receive(self, *, hidden_seconds: int, wait_seconds: int) -> list[DeadLetter]:
        self._fail(next(self.faults), before=True)
        with self._handing_out:
            visible = [one for key, one in self.waiting.items() if key not in self.hidden][:10]
            fresh = [replace(one, receipt_handle=uuid.uuid4().hex) for one in visible]
            for one in fresh:
                self.hidden.add(one.queue_message_id)
                self.receipts[one.queue_message_id] = one.receipt_handle
        return fresh

    def extend(self, dead_letters: Sequence[DeadLetter], seconds: int) -> list[DeadLetter]:
        return []

    def release(self, dead_letters: Sequence[DeadLetter]) -> list[DeadLetter]:
        for one in dead_letters:
            self.hidden.discard(one.queue_message_id)
        return []

    def delete(self, dead_letters: Sequence[DeadLetter]) -> list[DeadLetter]:
        fault = next(self.faults)
        self._fail(fault, before=True)
        refused = [one for n, one in enumerate(dead_letters) if fault is Fault.PARTIAL and n % 2 == 0]
        for one in dead_letters:
            if one not in refused and self.receipts.get(one.queue_message_id) == one.receipt_handle:
                self.waiting.pop(one.queue_message_id, None)
                self.deleted.add(one.queue_message_id)
        self._fail(fault, before=False)
        return refused

    def counters(self) -> Counters:
        hidden = len(self.hidden & self.waiting.keys())
        return Counters(visible=len(self.waiting) - hidden, hidden=hidden, delayed=0)

    def time_passes(self) -> None:
        """Everything that was hidden is visible again."""
        self.hidden.clear()

    # the function and the topic

    def invoke(self, event: Mapping[str, object]) -> Invocation:
        fault = next(self.faults)
        self._fail(fault, before=True)
        message_id = deliveries(event)[0].message.message_id
        if fault is Fault.PARTIAL or message_id in self.poison:
            self.failed[message_id] += 1
            return Invocation(error="boom", result=None, log_tail="")
        self.processed[message_id] += 1
        self._fail(fault, before=False)
        return Invocation(error=None, result={"outcomes": ["stored"]}, log_tail="")

    def invoke_later(self, event: Mapping[str, object]) -> None:
        fault = next(self.faults)
        self._fail(fault, before=True)
        self._run_later(ours(read_dead_letter(received(dict(event)))))
        self._fail(fault, before=False)

    def publish_batch(self, messages: Sequence[Encoded]) -> list[Published]:
        fault = next(self.faults)
        try:
            self._fail(fault, before=True)
        except AwsError as exc:
            return [Published(error=exc)] * len(messages)
        results = []
        for n, encoded in enumerate(messages):
            if fault is Fault.PARTIAL and n % 2:
                results.append(Published(error=PublishFailed("InternalError")))
            else:
                if self.is_subscribed:
                    self._run_later(ours(read_dead_letter(received(encoded.body))))
                results.append(Published(sns_message_id="x"))
        try:
            self._fail(fault, before=False)
        except AwsError as exc:
            return [Published(error=exc)] * len(messages)
        return results

    def _run_later(self, found: DeadLetter) -> None:
        """Lambda runs it by itself; what fails comes back as a new dead letter."""
        if id_of(found) in self.poison:
            self.failed[id_of(found)] += 1
            self.waiting[found.queue_message_id] = found
        else:
            self.processed[id_of(found)] += 1

    def safe(self) -> set[str]:
        """The messages that are still in the queue, under whatever dead letter."""
        return {id_of(one) for one in self.waiting.values()}

    def _fail(self, fault: Fault, *, before: bool) -> None:
        match fault:
            case Fault.CRASH if before:
                raise Crash
            case Fault.REFUSED if before:
                raise AwsError("InternalError")
            case Fault.THROTTLED if before:
                raise AwsThrottled("Rate Exceeded")
            case Fault.LOST_REQUEST if before:
                raise AwsUnreachable("connection refused", is_unknown=True)
            case Fault.LOST_ANSWER if not before:
                raise AwsUnreachable("read timeout", is_unknown=True)
