"""The queues that take what Lambda gives up (facts A3), and how full they are."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from b2bpilot.local.runtime.events import Event
from b2bpilot.local.runtime.metrics import Metrics

if TYPE_CHECKING:
    from types_boto3_sqs import SQSClient
    from types_boto3_sqs.type_defs import MessageAttributeValueTypeDef

ERROR_MESSAGE_BYTES = 1024
NOT_INVOKED = "Function not invoked. Function isconfigured with zero reserved concurrent executions"
RATE_EXCEEDED = "Rate Exceeded."


@dataclass(frozen=True, slots=True, kw_only=True)
class GivenUp:
    """Why an event is not tried again. `code` is the HTTP status of the invoke: 200 for an ordinary exception."""

    code: int | None
    message: str


def attributes(request_id: str, reason: GivenUp) -> dict[str, MessageAttributeValueTypeDef]:
    """The three attributes; the code may be missing, and so may a message that would be empty."""
    found: dict[str, MessageAttributeValueTypeDef] = {
        "RequestID": {"DataType": "String", "StringValue": request_id},
    }
    if reason.code is not None:
        found["ErrorCode"] = {"DataType": "Number", "StringValue": str(reason.code)}
    text = reason.message.encode()[:ERROR_MESSAGE_BYTES].decode(errors="ignore")
    if text:
        found["ErrorMessage"] = {"DataType": "String", "StringValue": text}
    return found


class DeadLetterQueues:
    """Sends dead letters, and measures the queues it was told of."""

    def __init__(self, client: SQSClient, metrics: Metrics) -> None:
        self._client = client
        self._metrics = metrics
        self._urls: dict[str, str] = {}
        self._filled_since: dict[str, float] = {}

    def watch(self, arn: str) -> None:
        self._url(arn)

    def send(self, arn: str, event: Event, reason: GivenUp) -> None:
        """Send the original event as it came."""
        self._client.send_message(
            QueueUrl=self._url(arn),
            MessageBody=event.payload.decode(),
            MessageAttributes=attributes(event.request_id, reason),
        )

    def measure(self) -> None:
        """Add the AWS/SQS metrics of every queue that holds something, and once more when it has become empty.

        The age is counted from when the queue was first seen with something in it.
        """
        for arn, url in list(self._urls.items()):
            found = self._client.get_queue_attributes(
                QueueUrl=url, AttributeNames=["ApproximateNumberOfMessages"]
            )
            depth = int(found["Attributes"]["ApproximateNumberOfMessages"])
            if depth or arn in self._filled_since:
                self._report(arn, depth)

    def _report(self, arn: str, depth: int) -> None:
        name = arn.rpartition(":")[2]
        since = self._filled_since.setdefault(arn, time.time())
        if not depth:
            del self._filled_since[arn]
        self._metrics.queue("ApproximateNumberOfMessagesVisible", name, depth)
        self._metrics.queue("ApproximateAgeOfOldestMessage", name, time.time() - since if depth else 0)

    def _url(self, arn: str) -> str:
        if arn not in self._urls:
            self._urls[arn] = self._client.get_queue_url(QueueName=arn.rpartition(":")[2])["QueueUrl"]
        return self._urls[arn]
