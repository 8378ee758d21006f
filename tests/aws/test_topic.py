"""Publishing, one by one and in batches."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import pytest
from botocore.exceptions import ReadTimeoutError
from botocore.stub import Stubber

from b2bpilot.aws.session import AwsAccess, Timeouts
from b2bpilot.aws.topic import Published, Topic, batches
from b2bpilot.errors import AwsDenied, AwsUnreachable, PublishFailed
from b2bpilot.pipeline.message import MAXIMUM_BYTES, Encoded, PilotMessage, Source, encode, new_message_id
from tests.aws.conftest import REGION
from tests.aws_clients import client

ARN = "arn:aws:sns:eu-west-1:123456789012:b2b-pilot-messages-staging"


def message(body: str = "hello") -> Encoded:
    return encode(
        PilotMessage(
            message_id=new_message_id(),
            source=Source.CLI,
            received_at=datetime(2026, 10, 1, tzinfo=UTC),
            params={"Body": body},
        )
    )


def stubbed() -> tuple[Topic, Stubber]:
    client = AwsAccess(region=REGION, access_key_id="x", secret_access_key="y").client("sns")
    return Topic(client, ARN), Stubber(client)


def texts(results: list[Published]) -> list[str | None]:
    return [str(result.error) if result.error else result.sns_message_id for result in results]


def test_publish_returns_the_id_that_sns_gave(access: AwsAccess) -> None:
    arn = client("sns").create_topic(Name="messages")["TopicArn"]
    assert len(Topic.connect(arn, access=access).publish(message())) == 36


def test_a_subscriber_gets_each_attribute_with_its_type_and_its_bytes(access: AwsAccess) -> None:
    sns, sqs = (client(name) for name in ("sns", "sqs"))
    arn, url = sns.create_topic(Name="messages")["TopicArn"], sqs.create_queue(QueueName="raw")["QueueUrl"]
    queue = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    sns.subscribe(TopicArn=arn, Protocol="sqs", Endpoint=queue)
    typed = {
        "amount": {"DataType": "Number", "StringValue": "111"},
        "photo": {"DataType": "Binary", "BinaryValue": b"\x02\x03\x04"},
        "tags": {"DataType": "String.Array", "StringValue": '["a"]'},
    }
    Topic.connect(arn, access=access).publish_batch([Encoded(body="hello", attributes=typed)])
    (got,) = sqs.receive_message(QueueUrl=url)["Messages"]
    assert json.loads(got["Body"])["MessageAttributes"] == {
        "amount": {"Type": "Number", "Value": "111"},
        "photo": {"Type": "Binary", "Value": "AgME"},
        "tags": {"Type": "String.Array", "Value": '["a"]'},
    }


def test_a_refused_publish_is_a_failed_one(access: AwsAccess) -> None:
    with pytest.raises(PublishFailed, match="sns:Publish failed: NotFound"):
        Topic.connect(ARN, access=access).publish(message())


def test_a_denied_publish_names_the_action() -> None:
    topic, stub = stubbed()
    stub.add_client_error("publish", "AuthorizationError", "User x is not authorized", 403)
    with stub, pytest.raises(AwsDenied, match="AWS denied sns:Publish: User x") as raised:
        topic.publish(message())
    assert "sns:Publish" in str(raised.value.hint)


def test_an_endpoint_that_nobody_listens_on_is_unreachable() -> None:
    access = AwsAccess(
        region=REGION, access_key_id="x", secret_access_key="y", endpoint_url="http://127.0.0.1:9"
    )
    topic = Topic.connect(ARN, access=access, timeouts=Timeouts(connect_seconds=1, attempts=1))
    with pytest.raises(AwsUnreachable, match=r"http://127\.0\.0\.1:9/"):
        topic.publish(message())


class Silent:
    """A client whose answers never arrive."""

    def publish(self, **_: Any) -> None:
        raise ReadTimeoutError(endpoint_url="https://sns")

    publish_batch = publish


def test_a_publish_without_an_answer_is_said_to_be_unknown() -> None:
    with pytest.raises(PublishFailed, match="nobody knows whether AWS did it"):
        Topic(Silent(), ARN).publish(message())  # type: ignore[arg-type]  # two calls are all of it


@contextmanager
def heard_once() -> Iterator[str]:
    """An endpoint that takes one request, answers nothing, and refuses every connection after it."""
    listener = socket.create_server(("127.0.0.1", 0))
    port, gone = listener.getsockname()[1], threading.Event()

    def hear() -> None:
        connection, _ = listener.accept()
        connection.recv(100_000)
        listener.close()
        gone.wait(20)
        connection.close()

    thread = threading.Thread(target=hear)
    thread.start()
    yield f"http://127.0.0.1:{port}"
    gone.set()
    thread.join()


def test_a_silence_stays_unknown_though_the_next_attempt_certainly_failed() -> None:
    with heard_once() as url:
        (result,) = impatient(url).publish_batch([message()])
    assert result.is_unknown
    assert "nobody knows whether AWS did it" in str(result.error)
    assert "Could not connect" in str(result.error)
    with heard_once() as url, pytest.raises(PublishFailed, match="nobody knows whether AWS did it"):
        impatient(url).publish(message())


def test_a_silence_is_forgotten_with_its_call() -> None:
    with heard_once() as url:
        topic = impatient(url)
        topic.publish_batch([message()])
        (result,) = topic.publish_batch([message()])
    assert not result.is_unknown


def impatient(url: str) -> Topic:
    access = AwsAccess(region=REGION, access_key_id="x", secret_access_key="y", endpoint_url=url)
    timeouts = Timeouts(connect_seconds=1, read_seconds=0.3, attempts=2)
    return Topic.connect(ARN, access=access, timeouts=timeouts)


def test_results_of_a_batch_are_matched_by_id_in_any_order() -> None:
    topic, stub = stubbed()
    answer = {
        "Successful": [{"Id": "2", "MessageId": "third"}, {"Id": "0", "MessageId": "first"}],
        "Failed": [{"Id": "1", "Code": "Throttled", "Message": "slow down", "SenderFault": False}],
    }
    stub.add_response("publish_batch", answer)
    with stub:
        results = topic.publish_batch([message() for _ in range(3)])
    assert texts(results) == ["first", "SNS refused the message: Throttled: slow down", "third"]


def test_an_entry_that_the_answer_forgets_is_not_taken_for_published() -> None:
    topic, stub = stubbed()
    stub.add_response("publish_batch", {"Successful": [{"Id": "1", "MessageId": "second"}]})
    with stub:
        results = topic.publish_batch([message(), message()])
    assert texts(results) == ["SNS did not say what became of the message", "second"]


def test_a_batch_that_fails_as_a_whole_does_not_lose_the_results_of_the_others() -> None:
    topic, stub = stubbed()
    accepted = [{"Id": str(n), "MessageId": f"id {n}"} for n in range(10)]
    stub.add_response("publish_batch", {"Successful": accepted})
    stub.add_client_error("publish_batch", "InternalError", "sorry", 500)
    with stub:
        results = topic.publish_batch([message() for _ in range(11)])
    assert texts(results) == [f"id {n}" for n in range(10)] + [
        "sns:Publish failed: InternalError: sorry; nobody knows whether AWS did it"
    ]


def test_batches_hold_ten_entries_in_order() -> None:
    messages = [message(str(n)) for n in range(23)]
    found = list(batches(messages))
    assert [len(batch) for batch in found] == [10, 10, 3]
    assert [entry for batch in found for entry in batch] == messages


def test_batches_stay_below_what_sns_takes() -> None:
    messages = [message("x" * 100_000) for _ in range(5)]
    found = list(batches(messages))
    assert [len(batch) for batch in found] == [2, 2, 1]
    assert all(sum(entry.size_bytes for entry in batch) <= MAXIMUM_BYTES for batch in found)


def test_a_message_reaches_sns_as_botocore_would_have_encoded_it(access: AwsAccess) -> None:
    arn = client("sns").create_topic(Name="messages")["TopicArn"]
    sent = message("Grüße & 100 % = \u65e5\u672c")
    bodies = []
    for sns in (Topic.connect(arn, access=access)._client, access.client("sns")):
        sns.meta.events.register_first("before-send.sns", lambda request, **_: bodies.append(request.body))
        Topic(sns, arn).publish(sent)
    ours, botocores = bodies
    assert ours == botocores.encode()
