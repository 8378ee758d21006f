"""The dead-letter queue: look, give back, delete. Nothing that was received stays hidden by us."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Self

from b2bpilot.aws.failures import translated
from b2bpilot.aws.session import AwsAccess
from b2bpilot.pipeline.deadletter import DeadLetter, dead_letter

if TYPE_CHECKING:
    from types_boto3_sqs import SQSClient

BATCH = 10


class DeadLetterQueue:
    """One queue by its URL."""

    def __init__(self, client: SQSClient, url: str) -> None:
        self.url = url
        self._client = client

    @classmethod
    def connect(cls, url: str, *, access: AwsAccess | None = None) -> Self:
        return cls((access or AwsAccess()).client("sqs"), url)

    def receive(self, *, hidden_seconds: int, wait_seconds: int = 1) -> list[DeadLetter]:
        """Return up to ten dead letters and hide them from others for `hidden_seconds`."""
        with translated("sqs:ReceiveMessage"):
            answer = self._client.receive_message(
                QueueUrl=self.url,
                MaxNumberOfMessages=BATCH,
                VisibilityTimeout=hidden_seconds,
                WaitTimeSeconds=wait_seconds,
                MessageAttributeNames=["All"],
                MessageSystemAttributeNames=["All"],
            )
        return [dead_letter(dict(message)) for message in answer.get("Messages", [])]

    def release(self, letters: Sequence[DeadLetter]) -> list[DeadLetter]:
        """Make letters visible again at once; return those for which SQS refused it (their receipt expired)."""
        refused: set[str] = set()
        for batch in _batches(letters):
            with translated("sqs:ChangeMessageVisibility"):
                answer = self._client.change_message_visibility_batch(
                    QueueUrl=self.url,
                    Entries=[
                        {"Id": str(n), "ReceiptHandle": letter.receipt_handle, "VisibilityTimeout": 0}
                        for n, letter in enumerate(batch)
                    ],
                )
            refused |= {batch[int(failed["Id"])].receipt_handle for failed in answer.get("Failed", [])}
        return [letter for letter in letters if letter.receipt_handle in refused]

    def delete(self, letters: Sequence[DeadLetter]) -> list[DeadLetter]:
        """Delete letters; return those that SQS did not delete: a 200 can hold failed entries (facts B2)."""
        refused: set[str] = set()
        for batch in _batches(letters):
            with translated("sqs:DeleteMessage"):
                answer = self._client.delete_message_batch(
                    QueueUrl=self.url,
                    Entries=[
                        {"Id": str(n), "ReceiptHandle": letter.receipt_handle}
                        for n, letter in enumerate(batch)
                    ],
                )
            refused |= {batch[int(failed["Id"])].receipt_handle for failed in answer.get("Failed", [])}
        return [letter for letter in letters if letter.receipt_handle in refused]


def _batches(letters: Sequence[DeadLetter]) -> Iterator[Sequence[DeadLetter]]:
    for start in range(0, len(letters), BATCH):
        yield letters[start : start + BATCH]
