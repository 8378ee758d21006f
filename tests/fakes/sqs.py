"""The one SQS of tests without a server: as strict as docs/aws-facts.md says that SQS is, and as forgetful."""

from __future__ import annotations

import itertools
import uuid
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Self

from b2bpilot.aws.queue import DeadLetterQueue, Judge
from b2bpilot.aws.queue_attributes import Counters
from b2bpilot.pipeline.dead_letter import DeadLetter
from tests.events import ours
from tests.fakes.faults import Fault, Faults, refusal

MOST_IN_BATCH = 10
"""docs/aws-facts.md#sqs-batches"""
MOST_BYTES = 1_048_576
"""docs/aws-facts.md#sqs-size"""
MOST_IN_FLIGHT = 120_000
"""docs/aws-facts.md#sqs-in-flight"""
LONGEST_POLL_SECONDS = 20
LONGEST_HIDDEN_SECONDS = 43_200
FAR_AWAY = 4_102_444_800.0
"""In the year 2100: what a test sends is younger than what was there, whatever time the test goes by."""


@dataclass(slots=True, eq=False)
class QueuedMessage:
    """A message in the queue. `receives` is the count that the next receive shows."""

    id: str
    body: str
    attributes: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    sent_at: str | None = None
    receives: int = 1
    visible_at: float = 0.0
    handle: str = ""

    @classmethod
    def of(cls, received: Mapping[str, Any]) -> Self:
        """The message that SQS gives in this way."""
        system = received.get("Attributes", {})
        return cls(
            id=str(received["MessageId"]),
            body=received["Body"],
            attributes=received.get("MessageAttributes", {}),
            sent_at=system.get("SentTimestamp"),
            receives=max(1, int(system.get("ApproximateReceiveCount", 1))),
        )

    def received(self) -> dict[str, Any]:
        """Everything that a receive can ask for."""
        sent = {} if self.sent_at is None else {"SentTimestamp": self.sent_at}
        return {
            "MessageId": self.id,
            "ReceiptHandle": self.handle,
            "Body": self.body,
            "Attributes": {"ApproximateReceiveCount": str(self.receives), **sent},
            "MessageAttributes": dict(self.attributes),
        }


class FakeSqs:
    """The client of one queue. Time passes by long polls that bring nothing, by `seconds_per_call`, and by the test."""

    def __init__(
        self,
        messages: Iterable[Mapping[str, Any]] = (),
        *,
        faults: Faults | None = None,
        seconds_per_call: float = 0.0,
        counters_say: Callable[[Counters], Counters] = lambda true: true,
        lag_seconds: float = 0.0,
        polls_take_time: bool = True,
        began_at: float = FAR_AWAY,
    ) -> None:
        """`began_at` is the time of SQS's clock when `now` is 0."""
        self.messages = {one.id: one for one in map(QueuedMessage.of, messages)}
        self.faults = faults or Faults()
        self.now = 0.0
        self.counters_say = counters_say
        self.refuse_delete: set[str] = set()
        """Ids that SQS does not delete."""
        self.refuse_send: set[int] = set()
        """Of all that is ever sent, by number from 0 on."""
        self.calls: list[str] = []
        self.sizes: defaultdict[str, list[int]] = defaultdict(list)
        """How many entries each batch had, by the call."""
        self.sent: list[str] = []
        """The bodies."""
        self.deleted: set[str] = set()
        self.unanswered: set[str] = set()
        """Received by calls whose answer got lost: nobody can give them back before their time is over."""
        self.longest_hidden = 0.0
        self._seconds_per_call = seconds_per_call
        self._polls_take_time = polls_take_time
        self._began_at = began_at
        self._lag_seconds = lag_seconds
        self._history = [(float("-inf"), self._count())]
        self._handles: dict[str, str] = {}
        self._numbers = itertools.count()
        self._sends = itertools.count()

    # what a test asks and does

    def clock(self) -> float:
        return self.now

    def hidden(self) -> set[str]:
        """What nobody else could receive at this moment."""
        return {one.id for one in self.messages.values() if one.visible_at > self.now}

    @property
    def bodies(self) -> list[str]:
        return sorted(one.body for one in self.messages.values())

    def put(self, received: Mapping[str, Any]) -> QueuedMessage:
        message = QueuedMessage.of(received)
        message.visible_at = self.now
        self.messages[message.id] = message
        return message

    def hide(self, queue_message_id: str, *, until: float) -> None:
        """Let another consumer have it, or a run that was killed."""
        self.messages[queue_message_id].visible_at = until
        self.messages[queue_message_id].handle = "somebody-else-s"

    def expire(self, faults: Faults | None = None) -> None:
        """Let the time pass of whatever was hidden; the next process has `faults` of its own."""
        for message in self.messages.values():
            message.visible_at = self.now
        self.faults = faults or Faults()

    # what the client does

    def receive_message(
        self,
        *,
        MaxNumberOfMessages: int = 1,  # noqa: N803  # boto3's names, here and below
        VisibilityTimeout: int = 30,  # noqa: N803
        WaitTimeSeconds: int = 0,  # noqa: N803
        MessageAttributeNames: Sequence[str] = (),  # noqa: N803
        MessageSystemAttributeNames: Sequence[str] = (),  # noqa: N803
        **_: object,
    ) -> dict[str, Any]:
        _require(1 <= MaxNumberOfMessages <= MOST_IN_BATCH, "InvalidParameterValue")
        _require(0 <= WaitTimeSeconds <= LONGEST_POLL_SECONDS, "InvalidParameterValue")
        _require(0 <= VisibilityTimeout <= LONGEST_HIDDEN_SECONDS, "InvalidParameterValue")
        with self._call("receive") as fault:
            visible = self._visible(MaxNumberOfMessages)
            if fault.is_partial:
                visible = visible[: len(visible) // 2 if WaitTimeSeconds else 0]
            if not visible and self._polls_take_time:
                self.now += WaitTimeSeconds
            given = [self._hand_out(message, VisibilityTimeout) for message in visible]
            if fault.is_done:
                self.unanswered.update(message.id for message in visible)
            for message in given:
                if not MessageAttributeNames:
                    del message["MessageAttributes"]
                if not MessageSystemAttributeNames:
                    del message["Attributes"]
            return {"Messages": given} if given else {}

    def change_message_visibility_batch(
        self,
        *,
        Entries: Sequence[Mapping[str, Any]],  # noqa: N803
        **_: object,
    ) -> dict[str, Any]:
        """A receive that is over, or was not the last one, keeps nothing hidden (docs/aws-facts.md#sqs-receives)."""
        _require_batch(Entries)
        is_release = all(entry["VisibilityTimeout"] == 0 for entry in Entries)
        with self._call("release" if is_release else "extend", len(Entries)) as fault:
            done, failed = [], []
            for place, entry in enumerate(Entries):
                message = self._of_last(entry["ReceiptHandle"])
                if (fault.is_partial and place % 2 == 0) or message is None or message.visible_at <= self.now:
                    failed.append(_failed(entry, "MessageNotInflight"))
                else:
                    self._hide(message, entry["VisibilityTimeout"])
                    done.append({"Id": entry["Id"]})
            return {"Successful": done, "Failed": failed}

    def delete_message_batch(
        self,
        *,
        Entries: Sequence[Mapping[str, Any]],  # noqa: N803
        **_: object,
    ) -> dict[str, Any]:
        """With an older receive's handle SQS says that it succeeded, and deletes nothing (docs/aws-facts.md#sqs-receives)."""
        _require_batch(Entries)
        with self._call("delete", len(Entries)) as fault:
            done, failed = [], []
            for place, entry in enumerate(Entries):
                handle = entry["ReceiptHandle"]
                queue_message_id = self._handles.get(handle)
                if queue_message_id is None:
                    failed.append(_failed(entry, "ReceiptHandleIsInvalid"))
                elif (fault.is_partial and place % 2 == 0) or queue_message_id in self.refuse_delete:
                    failed.append(_failed(entry, "InternalError", is_ours=False))
                else:
                    if self._of_last(handle):
                        del self.messages[queue_message_id]
                        self.deleted.add(queue_message_id)
                    done.append({"Id": entry["Id"]})
            return {"Successful": done, "Failed": failed}

    def send_message_batch(
        self,
        *,
        Entries: Sequence[Mapping[str, Any]],  # noqa: N803
        **_: object,
    ) -> dict[str, Any]:
        _require_batch(Entries)
        sizes = [len(entry["MessageBody"].encode()) for entry in Entries]
        _require(sum(sizes) <= MOST_BYTES, "BatchRequestTooLong")
        with self._call("send", len(Entries)) as fault:
            done, failed = [], []
            for place, entry in enumerate(Entries):
                is_refused = next(self._sends) in self.refuse_send
                if is_refused or (fault.is_partial and place % 2):
                    failed.append(_failed(entry, "InternalError"))
                    continue
                message = QueuedMessage(
                    str(uuid.uuid4()),
                    entry["MessageBody"],
                    dict(entry.get("MessageAttributes") or {}),
                    sent_at=str(int((self._began_at + self.now) * 1000)),
                )
                message.visible_at = self.now
                self.messages[message.id] = message
                self.sent.append(message.body)
                done.append({"Id": entry["Id"], "MessageId": message.id})
            return {"Successful": done, "Failed": failed}

    def get_queue_attributes(self, **_: object) -> dict[str, Any]:
        """The counters lag (docs/aws-facts.md#sqs-counters)."""
        with self._call("counters"):
            said = self.counters_say(self._lagging())
            return {
                "Attributes": {
                    "QueueArn": "arn:aws:sqs:eu-west-1:123456789012:dead-letters",
                    "MessageRetentionPeriod": "1209600",
                    "ApproximateNumberOfMessages": str(said.visible),
                    "ApproximateNumberOfMessagesNotVisible": str(said.hidden),
                    "ApproximateNumberOfMessagesDelayed": str(said.delayed),
                }
            }

    # how

    @contextmanager
    def _call(self, name: str, size: int | None = None) -> Iterator[Fault]:
        faults = self.faults
        with faults.lock:
            self.now += self._seconds_per_call
            self.calls.append(name)
            if size is not None:
                self.sizes[name].append(size)
            with faults.around(name) as fault:
                yield fault
                self._note()

    def _visible(self, most: int) -> list[QueuedMessage]:
        visible = (one for one in self.messages.values() if one.visible_at <= self.now)
        batch = list(itertools.islice(visible, most))
        _require(len(self.messages) < MOST_IN_FLIGHT or len(self.hidden()) < MOST_IN_FLIGHT, "OverLimit", 403)
        return batch

    def _hand_out(self, message: QueuedMessage, seconds: int) -> dict[str, Any]:
        message.handle = f"handle-{next(self._numbers)}"
        self._handles[message.handle] = message.id
        self._hide(message, seconds)
        received = message.received()
        message.receives += 1
        return received

    def _of_last(self, handle: str) -> QueuedMessage | None:
        """The message, if this is the handle of its last receive."""
        message = self.messages.get(self._handles.get(handle, ""))
        return message if message is not None and message.handle == handle else None

    def _hide(self, message: QueuedMessage, seconds: float) -> None:
        self.longest_hidden = max(self.longest_hidden, seconds)
        message.visible_at = self.now + seconds

    def _count(self) -> Counters:
        hidden = len(self.hidden())
        return Counters(visible=len(self.messages) - hidden, hidden=hidden, delayed=0)

    def _note(self) -> None:
        if self._lag_seconds:
            self._history.append((self.now, self._count()))

    def _lagging(self) -> Counters:
        if not self._lag_seconds:
            return self._count()
        until = self.now - self._lag_seconds
        return next(count for at, count in reversed(self._history) if at <= until)


class FakeQueue(DeadLetterQueue):
    """The real queue of a fake SQS. What is in it is ours, unless `judge` says otherwise."""

    def __init__(
        self, messages: Iterable[Mapping[str, Any]] = (), *, judge: Judge = ours, **options: Any
    ) -> None:
        self.sqs = FakeSqs(messages, **options)
        super().__init__(self.sqs, "https://sqs.example/dead-letters", judge=judge)  # type: ignore[arg-type]  # what a queue uses

    def receive(self, *, hidden_seconds: int, wait_seconds: int = 1) -> list[DeadLetter]:
        """One at a time: what stands in front is seen first, however many threads receive."""
        with self.sqs.faults.lock:
            return super().receive(hidden_seconds=hidden_seconds, wait_seconds=wait_seconds)


def _require(is_so: bool, code: str, status: int = 400) -> None:
    if not is_so:
        raise refusal(code, status)


def _require_batch(entries: Sequence[Mapping[str, Any]]) -> None:
    _require(bool(entries), "EmptyBatchRequest")
    _require(len(entries) <= MOST_IN_BATCH, "TooManyEntriesInBatchRequest")
    _require(len({entry["Id"] for entry in entries}) == len(entries), "BatchEntryIdsNotDistinct")


def _failed(entry: Mapping[str, Any], code: str, *, is_ours: bool = True) -> dict[str, Any]:
    return {"Id": entry["Id"], "Code": code, "Message": "sorry", "SenderFault": is_ours}
