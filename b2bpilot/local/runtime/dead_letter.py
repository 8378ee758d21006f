"""The queues that take what Lambda gives up (docs/aws-facts.md#lambda-dead-letters)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from b2bpilot.local.runtime.events import Event
from b2bpilot.pipeline.arn import name_of

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
    """Sends dead letters. A queue's URL is asked for once."""

    def __init__(self, client: SQSClient) -> None:
        self._client = client
        self._urls: dict[str, str] = {}

    def send(self, arn: str, event: Event, reason: GivenUp) -> None:
        """Send the original event as it came."""
        self._client.send_message(
            QueueUrl=self._url(arn),
            MessageBody=event.payload.decode(),
            MessageAttributes=attributes(event.request_id, reason),
        )

    def _url(self, arn: str) -> str:
        if arn not in self._urls:
            self._urls[arn] = self._client.get_queue_url(QueueName=name_of(arn))["QueueUrl"]
        return self._urls[arn]
