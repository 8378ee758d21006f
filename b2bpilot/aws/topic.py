"""The topic that all messages pass. Used by the functions too: imports boto3, errors and the message, nothing else of ours."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import urlencode

from botocore import exceptions as boto

from b2bpilot.aws.failures import THROTTLED, error_code, translated, was_not_sent
from b2bpilot.aws.session import AwsAccess, Timeouts
from b2bpilot.errors import AwsError, AwsThrottled, PublishFailed
from b2bpilot.pipeline.message import MAXIMUM_BYTES, Encoded

if TYPE_CHECKING:
    from botocore.awsrequest import AWSRequest
    from types_boto3_sns import SNSClient
    from types_boto3_sns.type_defs import PublishBatchRequestEntryTypeDef

BATCH_ENTRIES = 10
SERVER_ERROR = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """What became of one entry of a batch: SNS's id of it, or why there is none."""

    sns_message_id: str | None = None
    error: AwsError | None = None
    is_unknown: bool = False
    """Whether SNS may have taken it all the same: no answer came, or one that says nothing of it."""


class _Heard(threading.local):
    """What a thread's call came to so far: boto3 raises the last attempt's end alone, which says nothing of the others."""

    is_unclear = False


class Topic:
    """Publishes to one topic. boto3's clients may be shared by threads, so this may too."""

    def __init__(self, client: SNSClient, arn: str) -> None:
        self.arn = arn
        self._client = client
        self._heard = _Heard()

    @classmethod
    def connect(cls, arn: str, *, access: AwsAccess | None = None, timeouts: Timeouts | None = None) -> Self:
        client: SNSClient = (access or AwsAccess()).client("sns", timeouts)
        client.meta.events.register_first("request-created.sns", _encode_once)
        topic = cls(client, arn)
        client.meta.events.register("response-received.sns", topic._note)
        return topic

    def publish(self, message: Encoded) -> str:
        """Return SNS's id of the message: it is for logs, never a key (facts C13).

        Raises AwsError; PublishFailed among them also where nobody can tell whether SNS took it.
        """
        with self._call():
            response = self._client.publish(
                TopicArn=self.arn,
                Message=message.body,
                MessageAttributes=message.attributes,  # type: ignore[arg-type]  # a TypedDict per attribute
            )
        return response["MessageId"]

    def publish_batch(self, messages: Sequence[Encoded]) -> list[Published]:
        """Publish any number of messages; result N belongs to message N. A failure is a result, never raised:
        what was accepted before it must not be forgotten."""
        return [result for batch in batches(messages) for result in self._publish_one_batch(batch)]

    def _publish_one_batch(self, batch: Sequence[Encoded]) -> list[Published]:
        """SNS answers 200 with some entries failed, and in any order: entries are matched by their Id (facts C1)."""
        try:
            with self._call():
                response = self._client.publish_batch(
                    TopicArn=self.arn,
                    PublishBatchRequestEntries=[_entry(str(n), message) for n, message in enumerate(batch)],
                )
        except AwsError as exc:
            return [Published(error=exc, is_unknown=self._heard.is_unclear)] * len(batch)
        results = {
            entry["Id"]: Published(sns_message_id=entry["MessageId"])
            for entry in response.get("Successful", [])
        }
        for failed in response.get("Failed", []):
            text = f"SNS refused the message: {failed['Code']}: {failed.get('Message', 'no reason given')}"
            kind = AwsThrottled if failed["Code"] in THROTTLED else PublishFailed
            results[failed["Id"]] = Published(error=kind(text))
        silence = PublishFailed("SNS did not say what became of the message")
        unanswered = Published(error=silence, is_unknown=True)
        return [results.get(str(n), unanswered) for n in range(len(batch))]

    @contextmanager
    def _call(self) -> Iterator[None]:
        """Translate what is raised. After an attempt without a clear answer no later one makes sure that nothing was sent."""
        self._heard.is_unclear = False
        try:
            with translated("sns:Publish", otherwise=PublishFailed):
                yield
        except PublishFailed as exc:
            self._heard.is_unclear |= _is_unclear(exc.__cause__)
            raise
        except AwsError as exc:
            if not self._heard.is_unclear:
                raise
            text = "sns:Publish: an attempt got no answer, so nobody knows whether AWS did it; the last one"
            raise PublishFailed(f"{text}: {exc}", hint=exc.hint) from exc

    def _note(
        self, exception: Exception | None, parsed_response: Mapping[str, Any] | None, **_: object
    ) -> None:
        """Hear how one attempt ended."""
        answer = boto.ClientError(parsed_response, "Publish") if parsed_response else None  # type: ignore[arg-type]
        self._heard.is_unclear |= _is_unclear(exception or answer)


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


def _is_unclear(cause: BaseException | None) -> bool:
    """No answer after the request was sent, or one that blames the service itself, is no refusal."""
    if isinstance(cause, boto.ClientError):
        status = int(cause.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
        return status >= SERVER_ERROR and error_code(cause) not in THROTTLED
    return isinstance(cause, boto.HTTPClientError | boto.SSLError) and not was_not_sent(cause)


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
