"""The topic that all messages pass. Used by the functions too: imports boto3, errors and the message, nothing else of ours."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self
from urllib.parse import urlencode

from b2bpilot.aws.attempts import THROTTLED, may_be_done_in_batch
from b2bpilot.aws.failures import translated
from b2bpilot.aws.session import AwsAccess, Timeouts
from b2bpilot.errors import AwsError, AwsThrottled, PublishFailed
from b2bpilot.pipeline.message import MAXIMUM_BYTES, Encoded

if TYPE_CHECKING:
    from botocore.awsrequest import AWSRequest
    from types_boto3_sns import SNSClient
    from types_boto3_sns.type_defs import BatchResultErrorEntryTypeDef, PublishBatchRequestEntryTypeDef

ACTION = "sns:Publish"
BATCH_ENTRIES = 10
SILENCE = "SNS did not say what became of the message"


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """What became of one entry of a batch: SNS's id of it, or why there is none."""

    sns_message_id: str | None = None
    error: AwsError | None = None

    @property
    def is_unknown(self) -> bool:
        """Whether SNS may have taken it all the same: no answer came, or one that says nothing of it."""
        return self.error is not None and self.error.is_unknown


class Topic:
    """Publishes to one topic. boto3's clients may be shared by threads, so this may too."""

    def __init__(self, client: SNSClient, arn: str) -> None:
        self.arn = arn
        self._client = client

    @classmethod
    def connect(cls, arn: str, *, access: AwsAccess | None = None, timeouts: Timeouts | None = None) -> Self:
        client: SNSClient = (access or AwsAccess()).client("sns", timeouts)
        client.meta.events.register_first("request-created.sns", _encode_once)
        return cls(client, arn)

    def publish(self, message: Encoded) -> str:
        """Return SNS's id of the message: it is for logs, never a key (docs/aws-facts.md#sns-publishes-twice).

        Raises AwsError, which says whether SNS may have taken it; then it is a PublishFailed.
        """
        with translated(ACTION, otherwise=PublishFailed):
            response = self._client.publish(
                TopicArn=self.arn,
                Message=message.body,
                MessageAttributes=message.attributes,  # type: ignore[arg-type]  # a TypedDict per attribute
            )
        if not response.get("MessageId"):
            raise PublishFailed(SILENCE, is_unknown=True)
        return response["MessageId"]

    def publish_batch(self, messages: Sequence[Encoded]) -> list[Published]:
        """Publish any number of messages; result N belongs to message N. A failure is a result, never raised:
        what was accepted before it must not be forgotten."""
        return [result for batch in batches(messages) for result in self._publish_one_batch(batch)]

    def _publish_one_batch(self, batch: Sequence[Encoded]) -> list[Published]:
        """SNS answers 200 with some entries failed, and in any order: entries are matched by their Id
        (docs/aws-facts.md#sns-batches)."""
        try:
            with translated(ACTION, otherwise=PublishFailed):
                response = self._client.publish_batch(
                    TopicArn=self.arn,
                    PublishBatchRequestEntries=[_entry(str(n), message) for n, message in enumerate(batch)],
                )
        except AwsError as exc:
            return [Published(error=exc)] * len(batch)
        results = {
            entry["Id"]: Published(sns_message_id=entry["MessageId"])
            for entry in response.get("Successful", [])
        }
        results |= {failed["Id"]: _refused(failed) for failed in response.get("Failed", [])}
        silence = Published(error=PublishFailed(SILENCE, is_unknown=True))
        return [results.get(str(n), silence) for n in range(len(batch))]


def _refused(failed: BatchResultErrorEntryTypeDef) -> Published:
    text = f"SNS refused the message: {failed['Code']}: {failed.get('Message', 'no reason given')}"
    if failed["Code"] in THROTTLED:
        return Published(error=AwsThrottled(text))
    return Published(error=PublishFailed(text, is_unknown=may_be_done_in_batch(failed)))


def batches(messages: Sequence[Encoded]) -> Iterator[list[Encoded]]:
    """Split messages, in order, into what one PublishBatch takes: 10 entries and 262,144 bytes together."""
    batch: list[Encoded] = []
    size_bytes = 0
    for message in messages:
        if batch and (len(batch) == BATCH_ENTRIES or size_bytes + message.size_bytes > MAXIMUM_BYTES):
            yield batch
            batch, size_bytes = [], 0
        batch.append(message)
        size_bytes += message.size_bytes
    if batch:
        yield batch


def _encode_once(request: AWSRequest, **_: object) -> None:
    """botocore encodes a form each time it looks at the body, four times a call when it signs with awscrt: half of its CPU."""
    if isinstance(request.data, dict):
        request.data = urlencode(request.data, doseq=True).encode()


def _entry(entry_id: str, message: Encoded) -> PublishBatchRequestEntryTypeDef:
    return {
        "Id": entry_id,
        "Message": message.body,
        "MessageAttributes": message.attributes,  # type: ignore[typeddict-item]  # a TypedDict per attribute
    }
