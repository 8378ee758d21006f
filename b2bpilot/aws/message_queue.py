"""The queue between topic and processor, as the processor needs it: for how long a message stays out of sight."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from math import ceil
from typing import TYPE_CHECKING, Self

from b2bpilot.aws.failures import translated
from b2bpilot.aws.queue_attributes import url_of
from b2bpilot.aws.session import AwsAccess, Timeouts

if TYPE_CHECKING:
    from types_boto3_sqs import SQSClient

TIMEOUTS = Timeouts(connect_seconds=2, read_seconds=3, attempts=2)
"""A network that leads to no SQS must not take the time of the batch."""


class MessageQueue:
    def __init__(self, client: SQSClient, arn: str) -> None:
        self._client, self._arn = client, arn

    @classmethod
    def connect(cls, arn: str, *, access: AwsAccess | None = None) -> Self:
        return cls((access or AwsAccess()).client("sqs", TIMEOUTS), arn)

    def hide(self, pauses: Sequence[tuple[str, timedelta]]) -> None:
        """Let each of up to ten receipts be hidden for so long from now. Of those that SQS refuses, the receipt has expired:
        they are visible already, or another run's. Raises AwsError."""
        url = url_of(self._client, self._arn)
        if url is None:
            return
        with translated("sqs:ChangeMessageVisibility"):
            self._client.change_message_visibility_batch(
                QueueUrl=url,
                Entries=[
                    {
                        "Id": str(n),
                        "ReceiptHandle": receipt,
                        "VisibilityTimeout": ceil(pause.total_seconds()),
                    }
                    for n, (receipt, pause) in enumerate(pauses)
                ],
            )
