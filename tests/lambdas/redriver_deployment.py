"""AWS around the redriver: a queue, its mapping with several containers, and a processor; faults are drawn by the test."""

from __future__ import annotations

import functools
import itertools
import json
import uuid
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from b2bpilot.aws.failures import translated
from b2bpilot.aws.functions import Invocation
from b2bpilot.aws.mappings import MappingReading, MappingState
from b2bpilot.errors import AwsThrottled
from b2bpilot.ops.redrive_in_aws import switch as remote
from b2bpilot.pipeline.delivery import deliveries
from b2bpilot.pipeline.message import PilotMessage
from b2bpilot.pipeline.remote_run import RemoteRun, SubscriberEvidence
from lambdas.dead_letter_redriver.dead_letters import dead_letter_of
from lambdas.dead_letter_redriver.redriver import ContainerRedriver
from lambdas.dead_letter_redriver.subscribers import KnownSubscribers
from lambdas.dead_letter_redriver.switch import Switch
from tests.events import SUBSCRIPTION_ARN, sns_event
from tests.fakes.faults import Crash, Fault, Faults
from tests.fakes.sqs import FakeQueue, QueuedMessage

QUEUES_OWN_SECONDS = 2160
PROCESSOR_ARN = "arn:aws:lambda:eu-west-1:123456789012:function:b2b-pilot-background-processor-staging"


CALLS = frozenset({"counters", "extend", "send", "invoke", "mapping"})
"""The calls of the function and the command that fail; what the mapping does itself does not."""


def record_of(message: QueuedMessage) -> dict[str, Any]:
    """The message as the mapping hands it to the function."""
    received = message.received()
    return {
        "messageId": received["MessageId"],
        "receiptHandle": received["ReceiptHandle"],
        "body": received["Body"],
        "attributes": received["Attributes"],
        "messageAttributes": {
            name: {"dataType": value["DataType"], "stringValue": value["StringValue"]}
            for name, value in received["MessageAttributes"].items()
        },
    }


def message_id_of(message: QueuedMessage) -> str:
    return _message_id(message.body)


@functools.lru_cache(maxsize=10_000)
def _message_id(body: str) -> str:
    return deliveries(json.loads(body))[0].message.message_id


@dataclass
class Deployment:
    """Time moves only by `run`. `tries` counts the runs of the processor by message, `completed` are its rows."""

    poison: frozenset[str] = frozenset()
    discarded: frozenset[str] = frozenset()
    planned: Iterable[Fault] = ()
    containers: int = 3
    throttles: int = 0
    """So many calls of the processor are refused at first."""
    evidence: SubscriberEvidence = field(default_factory=lambda: SubscriberEvidence(nameless_are_ours=True))
    """What the command saw of who is subscribed."""

    def __post_init__(self) -> None:
        self.queue = FakeQueue(faults=Faults(self.planned, among=CALLS), polls_take_time=False, began_at=0)
        self.time = 1_790_000_000.0
        self.state = MappingState.DISABLED
        self.all_tags: dict[str, str] = {}
        self.tries: Counter[str] = Counter()
        self.completed: set[str] = set()
        self.leased_until = 0.0
        """Until then another run holds the lease of every message."""
        self._turn = itertools.cycle([self._container() for _ in range(self.containers)])

    def put(self, messages: Sequence[PilotMessage]) -> None:
        for one in messages:
            self.put_body(json.dumps(sns_event(one)))

    def put_body(self, body: str, attributes: Mapping[str, Mapping[str, Any]] | None = None) -> QueuedMessage:
        return self.queue.sqs.put(
            {
                "MessageId": str(uuid.uuid4()),
                "Body": body,
                "MessageAttributes": attributes or {},
                "Attributes": {"SentTimestamp": str(int(self.time * 1000))},
            }
        )

    @property
    def time(self) -> float:
        return self.queue.sqs.now

    @time.setter
    def time(self, now: float) -> None:
        self.queue.sqs.now = now

    @property
    def dead_letters(self) -> dict[str, QueuedMessage]:
        return self.queue.sqs.messages

    @property
    def faults(self) -> Faults:
        return self.queue.sqs.faults

    def plan(self, *faults: Fault) -> None:
        """Let these be the faults from now on."""
        self.queue.sqs.faults = Faults(faults, among=CALLS)

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
        received = self.queue.sqs.receive_message(
            MaxNumberOfMessages=10, VisibilityTimeout=QUEUES_OWN_SECONDS, WaitTimeSeconds=20
        ).get("Messages", [])
        if not received:
            return False
        self.time += 0.1
        batch = [self.dead_letters[one["MessageId"]] for one in received]
        try:
            found = [dead_letter_of(record_of(message)) for message in batch]
            stay = next(self._turn).redrive(found, seconds_left=lambda: 360)
        except Crash:
            return True
        names = {dead_letter.queue_message_id for dead_letter in stay}
        done = [one for one in received if one["MessageId"] not in names]
        if done:
            self.queue.sqs.delete_message_batch(
                Entries=[{"Id": one["MessageId"], "ReceiptHandle": one["ReceiptHandle"]} for one in done]
            )
        return True

    def safe(self) -> set[str]:
        """The messages that are completed or still in the queue."""
        return self.completed | {message_id_of(dead_letter) for dead_letter in self.dead_letters.values()}

    def visible(self) -> int:
        return len(self.dead_letters) - len(self.queue.sqs.hidden())

    def now(self) -> datetime:
        return datetime.fromtimestamp(self.time, UTC)

    def container(self) -> ContainerRedriver:
        return next(self._turn)

    def _container(self) -> ContainerRedriver:
        return ContainerRedriver(
            queue=self.queue,
            processor=self,
            switch=Switch(self, clock=lambda: self.time),
            own=KnownSubscribers(
                subscription_arns=frozenset({SUBSCRIPTION_ARN}), function_arns=frozenset({PROCESSOR_ARN})
            ),
            now=self.now,
            clock=lambda: self.time,
        )

    # the processor

    def invoke(self, event: Mapping[str, Any]) -> Invocation:
        with translated("lambda:InvokeFunction"), self.faults.around("invoke") as fault:
            if self.throttles:
                self.throttles -= 1
                raise AwsThrottled("AWS throttled lambda:InvokeFunction")
            if self.time < self.leased_until:
                return Invocation(error=None, result={"outcomes": ["in_progress"]}, log_tail="")
            message_id = deliveries(json.loads(json.dumps(event, allow_nan=False)))[0].message.message_id
            self.tries[message_id] += 1
            if message_id in self.poison or fault.is_partial:
                return Invocation(error="boom \x00", result=None, log_tail="")
            if message_id in self.discarded:
                return Invocation(error=None, result={"outcomes": ["discarded"]}, log_tail="")
            self.completed.add(message_id)
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
        with translated("lambda:GetEventSourceMapping"), self.faults.around("mapping"):
            pass


def error_of(found: QueuedMessage) -> str:
    return str(found.attributes["ErrorMessage"]["StringValue"])
