"""AWS around the redriver: a queue, its mapping with several containers, and a processor; faults are drawn by the test."""

from __future__ import annotations

import functools
import itertools
import json
import uuid
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any

from b2bpilot.aws.functions import Invocation
from b2bpilot.aws.mappings import MappingReading, MappingState
from b2bpilot.aws.queue import Outgoing, Unsent
from b2bpilot.aws.queue_attributes import Counters
from b2bpilot.errors import AwsThrottled, AwsUnreachable
from b2bpilot.ops.redrive_in_aws import switch as remote
from b2bpilot.pipeline.dead_letter import DeadLetter
from b2bpilot.pipeline.delivery import deliveries
from b2bpilot.pipeline.message import PilotMessage
from b2bpilot.pipeline.remote_run import RemoteRun, SubscriberEvidence
from lambdas.dead_letter_redriver.dead_letters import dead_letter_of
from lambdas.dead_letter_redriver.redriver import ContainerRedriver
from lambdas.dead_letter_redriver.subscribers import KnownSubscribers
from lambdas.dead_letter_redriver.switch import Switch
from tests.events import SUBSCRIPTION_ARN, sns_event

QUEUES_OWN_SECONDS = 2160
PROCESSOR_ARN = "arn:aws:lambda:eu-west-1:123456789012:function:b2b-pilot-background-processor-staging"


class Fault(StrEnum):
    NONE = "none"
    THROTTLED = "throttled"
    LOST_REQUEST = "lost request"
    LOST_ANSWER = "lost answer"
    PARTIAL = "partial"
    CRASH = "crash"


class Crash(BaseException):
    """Lambda ends the function in the middle of a batch."""


@dataclass(eq=False)
class QueuedMessage:
    """A message in the queue."""

    body: str
    sent_at: float
    attributes: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    id: str = field(default_factory=lambda: str(uuid.uuid4()))
    receive_count: int = 0
    visible_at: float = 0

    @functools.cached_property
    def message_id(self) -> str:
        return deliveries(json.loads(self.body))[0].message.message_id

    def record(self) -> dict[str, Any]:
        return {
            "messageId": self.id,
            "receiptHandle": self.id,
            "body": self.body,
            "attributes": {
                "SentTimestamp": str(int(self.sent_at * 1000)),
                "ApproximateReceiveCount": str(self.receive_count),
            },
            "messageAttributes": {
                name: {"dataType": value["DataType"], "stringValue": value["StringValue"]}
                for name, value in self.attributes.items()
            },
        }


@dataclass
class Deployment:
    """Time moves only by `run`. `tries` counts the runs of the processor by message, `completed` are its rows."""

    poison: frozenset[str] = frozenset()
    discarded: frozenset[str] = frozenset()
    faults: Iterator[Fault] = field(default_factory=lambda: itertools.repeat(Fault.NONE))
    containers: int = 3
    throttles: int = 0
    """So many calls of the processor are refused at first."""
    evidence: SubscriberEvidence = field(default_factory=lambda: SubscriberEvidence(nameless_are_ours=True))
    """What the command saw of who is subscribed."""

    def __post_init__(self) -> None:
        self.time = 1_790_000_000.0
        self.dead_letters: dict[str, QueuedMessage] = {}
        self.state = MappingState.DISABLED
        self.all_tags: dict[str, str] = {}
        self.tries: Counter[str] = Counter()
        self.completed: set[str] = set()
        self.leased_until = 0.0
        """Until then another run holds the lease of every message."""
        self.counted = 0
        """How often the queue's counters were read."""
        self.partial_sends = 0
        """So many calls that write dead letters take every other one only."""
        self._turn = itertools.cycle([self._container() for _ in range(self.containers)])

    def put(self, messages: Sequence[PilotMessage]) -> None:
        for one in messages:
            self.put_body(json.dumps(sns_event(one)))

    def put_body(self, body: str, attributes: Mapping[str, Mapping[str, Any]] | None = None) -> QueuedMessage:
        dead_letter = QueuedMessage(
            body=body, sent_at=self.time, attributes=attributes or {}, visible_at=self.time
        )
        self.dead_letters[dead_letter.id] = dead_letter
        return dead_letter

    def begin(self, *, run_id: str = "run-1", longest: timedelta = timedelta(hours=6)) -> RemoteRun:
        self.time += 2
        run = remote.announce(self, run_id=run_id, max_failures=0.2, longest=longest, evidence=self.evidence)
        self.enable(max_concurrency=2)
        self.time += 2
        return run

    def run(self, *, seconds: float = 120) -> None:
        """Let the mapping hand out dead letters until it is off, at the longest for so many seconds."""
        end = self.time + seconds
        while self.state.is_on and self.time < end:
            if not self.deliver():
                self.time += 1

    def deliver(self) -> bool:
        """Hand one batch to the next container, and delete what it does not name."""
        batch = [
            dead_letter for dead_letter in self.dead_letters.values() if dead_letter.visible_at <= self.time
        ][:10]
        if not batch:
            return False
        for dead_letter in batch:
            dead_letter.visible_at = self.time + QUEUES_OWN_SECONDS
            dead_letter.receive_count += 1
        self.time += 0.1
        try:
            found = [dead_letter_of(dead_letter.record()) for dead_letter in batch]
            stay = next(self._turn).redrive(found, seconds_left=lambda: 360)
        except Crash:
            return True
        names = {dead_letter.queue_message_id for dead_letter in stay}
        for dead_letter in batch:
            if dead_letter.id not in names:
                del self.dead_letters[dead_letter.id]
        return True

    def safe(self) -> set[str]:
        """The messages that are completed or still in the queue."""
        return self.completed | {dead_letter.message_id for dead_letter in self.dead_letters.values()}

    def visible(self) -> int:
        return sum(dead_letter.visible_at <= self.time for dead_letter in self.dead_letters.values())

    def now(self) -> datetime:
        return datetime.fromtimestamp(self.time, UTC)

    def container(self) -> ContainerRedriver:
        return next(self._turn)

    def _container(self) -> ContainerRedriver:
        return ContainerRedriver(
            queue=self,
            processor=self,
            switch=Switch(self, clock=lambda: self.time),
            own=KnownSubscribers(
                subscription_arns=frozenset({SUBSCRIPTION_ARN}), function_arns=frozenset({PROCESSOR_ARN})
            ),
            now=self.now,
            clock=lambda: self.time,
        )

    # the queue

    def counters(self) -> Counters:
        self.counted += 1
        self._fault()
        visible = self.visible()
        return Counters(visible=visible, hidden=len(self.dead_letters) - visible, delayed=0)

    def extend(self, dead_letters: Sequence[DeadLetter], seconds: int) -> list[DeadLetter]:
        self._fault()
        for one in dead_letters:
            self.dead_letters[one.queue_message_id].visible_at = self.time + seconds
        return []

    def send(self, messages: Sequence[Outgoing]) -> list[Unsent]:
        fault = next(self.faults) if messages else Fault.NONE
        if messages and self.partial_sends:
            self.partial_sends -= 1
            fault = Fault.PARTIAL
        unsent = [
            Unsent(place=place, message=one, error=AwsUnreachable("no answer", is_unknown=True))
            for place, one in enumerate(messages)
            if fault in (Fault.THROTTLED, Fault.LOST_REQUEST, Fault.LOST_ANSWER)
            or (fault is Fault.PARTIAL and place % 2)
        ]
        refused = set() if fault is Fault.LOST_ANSWER else {one.place for one in unsent}
        for place, one in enumerate(messages):
            if place not in refused:
                self.put_body(one.body, one.attributes)
        if fault is Fault.CRASH:
            raise Crash
        return unsent

    # the processor

    def invoke(self, event: Mapping[str, Any]) -> Invocation:
        fault = next(self.faults)
        self._raise(fault, before=True)
        if self.throttles:
            self.throttles -= 1
            raise AwsThrottled("AWS throttled lambda:InvokeFunction")
        if self.time < self.leased_until:
            return Invocation(error=None, result={"outcomes": ["in_progress"]}, log_tail="")
        message_id = deliveries(json.loads(json.dumps(event, allow_nan=False)))[0].message.message_id
        self.tries[message_id] += 1
        if message_id in self.poison or fault is Fault.PARTIAL:
            return Invocation(error="boom \x00", result=None, log_tail="")
        if message_id in self.discarded:
            return Invocation(error=None, result={"outcomes": ["discarded"]}, log_tail="")
        self.completed.add(message_id)
        self._raise(fault, before=False)
        return Invocation(error=None, result={"outcomes": ["stored"]}, log_tail="")

    # the mapping

    def read(self) -> MappingReading:
        self._fault()
        return MappingReading(state=self.state, max_concurrency=2, read_at=self.now().replace(microsecond=0))

    def enable(self, *, max_concurrency: int) -> None:
        self.state = MappingState.ENABLED

    def disable(self) -> None:
        self._fault()
        self.state = MappingState.DISABLED

    def tags(self) -> dict[str, str]:
        return dict(self.all_tags)

    def write_tags(self, tags: dict[str, str]) -> None:
        self.all_tags |= tags

    def _fault(self) -> None:
        fault = next(self.faults)
        self._raise(fault, before=True)
        self._raise(fault, before=False)

    def _raise(self, fault: Fault, *, before: bool) -> None:
        match fault:
            case Fault.THROTTLED if before:
                raise AwsThrottled("slow down")
            case Fault.LOST_REQUEST if before:
                raise AwsUnreachable("no answer", is_unknown=True)
            case Fault.LOST_ANSWER if not before:
                raise AwsUnreachable("no answer", is_unknown=True)
            case Fault.CRASH if before:
                raise Crash


def error_of(found: QueuedMessage) -> str:
    return str(found.attributes["ErrorMessage"]["StringValue"])
