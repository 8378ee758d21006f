"""The dead-letter queue: look, give back, delete, put back. Nothing that was received stays hidden by us."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol, Self, TypeVar

from b2bpilot.aws.attempts import THROTTLED, may_be_done_in_batch
from b2bpilot.aws.failures import translated
from b2bpilot.aws.queue_attributes import Counters, QueueAttributes, counters, queue_attributes
from b2bpilot.aws.session import AwsAccess, Timeouts
from b2bpilot.errors import AwsError, AwsThrottled
from b2bpilot.pipeline.dead_letter import DeadLetter, read_dead_letter

if TYPE_CHECKING:
    from types_boto3_sqs import SQSClient
    from types_boto3_sqs.type_defs import BatchResultErrorEntryTypeDef

BATCH = 10
SILENCE = "SQS did not say what became of the message"
BATCH_BYTES = 262_144
"""SQS takes 1 MiB together (docs/aws-facts.md#sqs-size), older endpoints a quarter; a longer message goes alone."""


class Received(Protocol):
    """What can be changed or deleted: something with the receipt of its last receive."""

    @property
    def receipt_handle(self) -> str: ...


@dataclass(frozen=True, slots=True)
class Receipt:
    """All that is kept of a dead letter to return it to the queue, or to delete it."""

    receipt_handle: str
    queue_message_id: str = ""


Judge = Callable[[DeadLetter], DeadLetter]
AnyReceived = TypeVar("AnyReceived", bound=Received)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outgoing:
    """A message to put into the queue. `attributes` are SQS's own form: {name: {"DataType", "StringValue"}}."""

    body: str = field(repr=False)
    attributes: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    @property
    def size_bytes(self) -> int:
        attributes = sum(
            len(name) + len(str(value.get("DataType", ""))) + len(str(value.get("StringValue", "")).encode())
            for name, value in self.attributes.items()
        )
        return len(self.body.encode()) + attributes


@dataclass(frozen=True, slots=True, kw_only=True)
class Unsent:
    """A message that is not in the queue, or of which nobody knows, and why. `place` is its place in what was sent."""

    place: int
    message: Outgoing
    error: AwsError

    @property
    def is_unknown(self) -> bool:
        """Whether the message may be in the queue all the same."""
        return self.error.is_unknown


class DeadLetterQueue:
    """One queue by its URL. boto3's clients may be shared by threads, so this may too."""

    def __init__(
        self, client: SQSClient, url: str, *, judge: Judge = lambda dead_letter: dead_letter
    ) -> None:
        """`judge` tells whose each dead letter is; without it they are nobody's, and nothing can be done with them."""
        self.url = url
        self._client = client
        self._judge = judge

    @classmethod
    def connect(
        cls,
        url: str,
        *,
        access: AwsAccess | None = None,
        timeouts: Timeouts | None = None,
        judge: Judge = lambda dead_letter: dead_letter,
    ) -> Self:
        return cls((access or AwsAccess()).client("sqs", timeouts), url, judge=judge)

    def counters(self) -> Counters:
        """Return about how many messages there are: SQS's counters lag a minute (docs/aws-facts.md#sqs-counters). Raises
        AwsError."""
        return counters(self._client, self.url)

    def attributes(self) -> QueueAttributes:
        """Return how long the queue keeps messages and where it moves them. Raises AwsError."""
        return queue_attributes(self._client, self.url)

    def receive(self, *, hidden_seconds: int, wait_seconds: int = 1) -> list[DeadLetter]:
        """Return up to ten dead letters and hide them from others for `hidden_seconds`. Raises AwsError."""
        with translated("sqs:ReceiveMessage"):
            answer = self._client.receive_message(
                QueueUrl=self.url,
                MaxNumberOfMessages=BATCH,
                VisibilityTimeout=hidden_seconds,
                WaitTimeSeconds=wait_seconds,
                MessageAttributeNames=["All"],
                MessageSystemAttributeNames=["All"],
            )
        return [self._judge(read_dead_letter(dict(message))) for message in answer.get("Messages", [])]

    def release(self, dead_letters: Sequence[AnyReceived]) -> list[AnyReceived]:
        """Make dead letters visible again at once; return those for which SQS refused it (their receipt expired).

        Raises AwsError when no call of ten was answered; a call that failed beside others counts as refused.
        """
        return self.extend(dead_letters, 0)

    def extend(self, dead_letters: Sequence[AnyReceived], seconds: int) -> list[AnyReceived]:
        """Hide dead letters for `seconds` from now; returns and raises as `release` does."""

        def change(batch: Sequence[AnyReceived]) -> list[str]:
            with translated("sqs:ChangeMessageVisibility"):
                answer = self._client.change_message_visibility_batch(
                    QueueUrl=self.url,
                    Entries=[
                        {
                            "Id": str(n),
                            "ReceiptHandle": dead_letter.receipt_handle,
                            "VisibilityTimeout": seconds,
                        }
                        for n, dead_letter in enumerate(batch)
                    ],
                )
            return [entry["Id"] for entry in answer.get("Successful", [])]

        return _refused(dead_letters, change)

    def delete(self, dead_letters: Sequence[AnyReceived]) -> list[AnyReceived]:
        """Delete dead letters; return those that SQS did not delete: a 200 can hold failed entries
        (docs/aws-facts.md#sqs-batches).

        Raises as `release` does.
        """

        def delete(batch: Sequence[AnyReceived]) -> list[str]:
            with translated("sqs:DeleteMessage"):
                answer = self._client.delete_message_batch(
                    QueueUrl=self.url,
                    Entries=[
                        {"Id": str(n), "ReceiptHandle": dead_letter.receipt_handle}
                        for n, dead_letter in enumerate(batch)
                    ],
                )
            return [entry["Id"] for entry in answer.get("Successful", [])]

        return _refused(dead_letters, delete)

    def send(self, messages: Sequence[Outgoing]) -> list[Unsent]:
        """Put messages into the queue and return those that are not known to be in it. Never raises AwsError:
        what was accepted before a failure must not be forgotten."""
        return [unsent for batch in _by_size(messages) for unsent in self._send_one_batch(batch)]

    def _send_one_batch(self, batch: Sequence[tuple[int, Outgoing]]) -> list[Unsent]:
        try:
            with translated("sqs:SendMessage"):
                answer = self._client.send_message_batch(
                    QueueUrl=self.url,
                    Entries=[
                        {
                            "Id": str(n),
                            "MessageBody": message.body,
                            "MessageAttributes": message.attributes,  # type: ignore[typeddict-item]  # a TypedDict per attribute
                        }
                        for n, (_, message) in enumerate(batch)
                    ],
                )
        except AwsError as exc:
            return [Unsent(place=place, message=message, error=exc) for place, message in batch]
        sent = {entry["Id"] for entry in answer.get("Successful", [])}
        errors = {failed["Id"]: _refusal(failed) for failed in answer.get("Failed", [])}
        silence = AwsError(SILENCE, is_unknown=True)
        return [
            Unsent(place=place, message=message, error=errors.get(str(n), silence))
            for n, (place, message) in enumerate(batch)
            if str(n) not in sent
        ]


def _refusal(failed: BatchResultErrorEntryTypeDef) -> AwsError:
    text = f"SQS refused the message: {failed['Code']}: {failed.get('Message', 'no reason given')}"
    if failed["Code"] in THROTTLED:
        return AwsThrottled(text)
    return AwsError(text, is_unknown=may_be_done_in_batch(failed))


def _refused(
    dead_letters: Sequence[AnyReceived], call: Callable[[Sequence[AnyReceived]], list[str]]
) -> list[AnyReceived]:
    """Run `call` on ten at a time; it returns the Ids that SQS confirmed. What is not confirmed is refused."""
    refused: list[AnyReceived] = []
    errors: list[AwsError] = []
    batches = list(_batches(dead_letters))
    for batch in batches:
        try:
            confirmed = set(call(batch))
        except AwsError as exc:
            errors.append(exc)
            confirmed = set()
        refused += [dead_letter for n, dead_letter in enumerate(batch) if str(n) not in confirmed]
    if errors and len(errors) == len(batches):
        raise errors[0]
    return refused


def _batches(dead_letters: Sequence[AnyReceived]) -> Iterator[Sequence[AnyReceived]]:
    for start in range(0, len(dead_letters), BATCH):
        yield dead_letters[start : start + BATCH]


def _by_size(messages: Sequence[Outgoing]) -> Iterator[list[tuple[int, Outgoing]]]:
    """Split messages, with their places, into what one SendMessageBatch takes."""
    batch: list[tuple[int, Outgoing]] = []
    size_bytes = 0
    for place, message in enumerate(messages):
        if batch and (len(batch) == BATCH or size_bytes + message.size_bytes > BATCH_BYTES):
            yield batch
            batch, size_bytes = [], 0
        batch.append((place, message))
        size_bytes += message.size_bytes
    if batch:
        yield batch
