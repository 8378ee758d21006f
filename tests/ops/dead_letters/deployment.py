"""The queue, a function and a topic that fail in every way that AWS's do; faults are drawn by the test."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from b2bpilot.aws.failures import translated
from b2bpilot.aws.functions import Invocation
from b2bpilot.aws.topic import Published
from b2bpilot.errors import AwsError, PublishFailed
from b2bpilot.pipeline.dead_letter import DeadLetter, read_dead_letter
from b2bpilot.pipeline.delivery import deliveries
from b2bpilot.pipeline.message import Encoded, PilotMessage
from b2bpilot.pipeline.owner import OURS
from tests.events import message, ours, received, sns_event
from tests.fakes.faults import Fault, Faults
from tests.fakes.sqs import FakeQueue


def dead_letter(
    of: PilotMessage | None = None, *, redrives: int = 0, redriven_by: str = "an-earlier-run"
) -> DeadLetter:
    beside = {"redrive": {"run_id": redriven_by, "attempt": redrives}} if redrives else {}
    return ours(read_dead_letter(received(sns_event(of or message(), **beside))))


def id_of(found: DeadLetter) -> str:
    assert found.message is not None
    return found.message.message_id


CALLS = frozenset({"receive", "delete", "invoke", "publish"})
"""The calls that fail. The others give back, or only ask."""


def raw(of: DeadLetter) -> dict[str, Any]:
    """The message as SQS gives it."""
    sent_at = {"SentTimestamp": str(int(of.sent_at.timestamp() * 1000))} if of.sent_at else {}
    return {
        "MessageId": of.queue_message_id,
        "Body": of.body,
        "MessageAttributes": of.attributes,
        "Attributes": {"ApproximateReceiveCount": str(of.receive_count), **sent_at},
    }


@dataclass
class Deployment:
    """All dead letters begin in the queue. `processed` counts how often a message was run or published."""

    dead_letters: Sequence[DeadLetter]
    planned: Iterable[Fault] = ()
    poison: frozenset[str] = frozenset()
    """Message ids on which the function always fails."""
    is_subscribed: bool = True
    """Whether what the topic accepts reaches anybody."""
    queue_class: type[FakeQueue] = FakeQueue

    def __post_init__(self) -> None:
        self.faults = Faults(self.planned, among=CALLS)
        self.owners = {one.queue_message_id: one.owner for one in self.dead_letters}
        self.queue = self.queue_class(judge=self._owned, faults=self.faults, polls_take_time=False)
        self.processed: Counter[str] = Counter()
        self.failed: Counter[str] = Counter()
        self._message_ids: dict[str, str] = {}
        for one in self.dead_letters:
            self.put(one)

    def put(self, dead_letter: DeadLetter) -> None:
        self._message_ids[dead_letter.queue_message_id] = id_of(dead_letter)
        self.queue.sqs.put(raw(dead_letter))

    def _owned(self, dead_letter: DeadLetter) -> DeadLetter:
        return replace(dead_letter, owner=self.owners.get(dead_letter.queue_message_id, OURS))

    @property
    def waiting(self) -> set[str]:
        """What is in the queue, visible or not, by its ids there."""
        return set(self.queue.sqs.messages)

    @property
    def hidden(self) -> set[str]:
        return self.queue.sqs.hidden()

    @property
    def deleted(self) -> set[str]:
        return self.queue.sqs.deleted

    # the function and the topic

    def invoke(self, event: Mapping[str, object]) -> Invocation:
        message_id = deliveries(event)[0].message.message_id
        with self._call("invoke", "lambda:InvokeFunction") as fault:
            if fault.is_partial or message_id in self.poison:
                self.failed[message_id] += 1
                return Invocation(error="boom", result=None, log_tail="")
            self.processed[message_id] += 1
        return Invocation(error=None, result={"outcomes": ["stored"]}, log_tail="")

    def invoke_later(self, event: Mapping[str, object]) -> None:
        with self._call("invoke", "lambda:InvokeFunction"):
            self._run_later(ours(read_dead_letter(received(dict(event)))))

    def publish_batch(self, messages: Sequence[Encoded]) -> list[Published]:
        results = []
        try:
            with self._call("publish", "sns:Publish") as fault:
                for n, encoded in enumerate(messages):
                    if fault.is_partial and n % 2:
                        results.append(Published(error=PublishFailed("InternalError")))
                        continue
                    if self.is_subscribed:
                        self._run_later(ours(read_dead_letter(received(encoded.body))))
                    results.append(Published(sns_message_id="x"))
        except AwsError as exc:
            return [Published(error=exc)] * len(messages)
        return results

    def _run_later(self, dead_letter: DeadLetter) -> None:
        """Lambda runs it by itself; what fails comes back as a new dead letter."""
        if id_of(dead_letter) in self.poison:
            self.failed[id_of(dead_letter)] += 1
            self.put(dead_letter)
        else:
            self.processed[id_of(dead_letter)] += 1

    def safe(self) -> set[str]:
        """The messages that are still in the queue, under whatever dead letter."""
        return {self._message_ids[one] for one in self.queue.sqs.messages}

    @contextmanager
    def _call(self, name: str, action: str) -> Iterator[Fault]:
        with translated(action), self.faults.around(name) as fault:
            yield fault
