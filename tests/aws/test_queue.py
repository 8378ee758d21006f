"""The dead-letter queue's calls: matched entry by entry, whatever SQS answers."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from botocore.stub import Stubber

from b2bpilot.aws.queue import DeadLetterQueue, Outgoing, Receipt
from b2bpilot.aws.queue_attributes import Counters, RedrivePolicy
from b2bpilot.aws.session import AwsAccess
from b2bpilot.errors import AwsError
from tests.aws.conftest import REGION
from tests.aws_clients import client

URL = "https://sqs.eu-west-1.amazonaws.com/123456789012/letters"
ERROR_CODE = {"ErrorCode": {"DataType": "Number", "StringValue": "200"}}


def stubbed() -> tuple[DeadLetterQueue, Stubber]:
    client = AwsAccess(region=REGION, access_key_id="x", secret_access_key="y").client("sqs")
    return DeadLetterQueue(client, URL), Stubber(client)


@pytest.fixture
def queue(access: AwsAccess) -> DeadLetterQueue:
    sqs = client("sqs")
    other = sqs.create_queue(QueueName="other")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=other, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    url = sqs.create_queue(
        QueueName="letters",
        Attributes={
            "MessageRetentionPeriod": "1209600",
            "RedrivePolicy": f'{{"deadLetterTargetArn": "{arn}", "maxReceiveCount": "5"}}',
        },
    )["QueueUrl"]
    return DeadLetterQueue.connect(url, access=access)


def receipts(count: int) -> list[Receipt]:
    return [Receipt(f"handle {n}") for n in range(count)]


def failed(entry_id: str) -> dict[str, Any]:
    return {"Id": entry_id, "Code": "ReceiptHandleIsInvalid", "Message": "expired", "SenderFault": True}


def confirmed(*ids: int) -> list[dict[str, Any]]:
    return [{"Id": str(n)} for n in ids]


def sent(*ids: int) -> list[dict[str, Any]]:
    return [{"Id": str(n), "MessageId": f"m{n}", "MD5OfMessageBody": "0" * 32} for n in ids]


def test_counters_tell_the_visible_from_the_hidden(queue: DeadLetterQueue) -> None:
    queue.send([Outgoing(body=str(n)) for n in range(12)])
    assert len(queue.receive(hidden_seconds=30)) == 10

    assert queue.counters() == Counters(visible=2, hidden=10, delayed=0)
    assert queue.counters().total == 12


def test_attributes_say_how_long_dead_letters_stay_and_where_they_go(queue: DeadLetterQueue) -> None:
    attributes = queue.attributes()

    assert attributes.retention == timedelta(days=14)
    assert attributes.arn == "arn:aws:sqs:eu-west-1:123456789012:letters"
    assert attributes.redrive_policy == RedrivePolicy(
        target_arn="arn:aws:sqs:eu-west-1:123456789012:other", max_receive_count=5
    )


def test_a_queue_without_a_redrive_policy_has_none(access: AwsAccess) -> None:
    url = client("sqs").create_queue(QueueName="plain")["QueueUrl"]
    assert DeadLetterQueue.connect(url, access=access).attributes().redrive_policy is None


def test_what_is_sent_keeps_its_attributes_and_their_types(queue: DeadLetterQueue) -> None:
    assert queue.send([Outgoing(body="{}", attributes=ERROR_CODE)]) == []

    (dead_letter,) = queue.receive(hidden_seconds=30)
    assert dead_letter.failure.code == "200"
    assert dead_letter.attributes == ERROR_CODE
    assert dead_letter.first_received_at is not None
    assert queue.send([Outgoing(body=dead_letter.body, attributes=dead_letter.attributes)]) == []


def test_extend_hides_and_release_shows(queue: DeadLetterQueue) -> None:
    queue.send([Outgoing(body="one")])
    dead_letters = queue.receive(hidden_seconds=0)
    assert queue.extend(dead_letters, 30) == []
    assert queue.receive(hidden_seconds=30, wait_seconds=0) == []
    assert queue.release(dead_letters) == []
    assert len(queue.receive(hidden_seconds=30)) == 1


@pytest.mark.parametrize("method", ["release", "delete"])
def test_refused_and_forgotten_entries_are_returned(method: str) -> None:
    queue, stub = stubbed()
    call = {"release": "change_message_visibility_batch", "delete": "delete_message_batch"}[method]
    stub.add_response(call, {"Successful": confirmed(2, 0), "Failed": [failed("1")]})
    dead_letters = receipts(4)
    with stub:
        assert getattr(queue, method)(dead_letters) == [dead_letters[1], dead_letters[3]]


@pytest.mark.parametrize("method", ["release", "delete"])
def test_a_call_that_fails_beside_others_leaves_its_dead_letters_refused(method: str) -> None:
    queue, stub = stubbed()
    call = {"release": "change_message_visibility_batch", "delete": "delete_message_batch"}[method]
    stub.add_client_error(call, "InternalError", "sorry", 500)
    stub.add_response(call, {"Successful": confirmed(0, 1), "Failed": []})
    dead_letters = receipts(12)
    with stub:
        assert getattr(queue, method)(dead_letters) == dead_letters[:10]


def test_when_no_call_is_answered_that_is_raised() -> None:
    queue, stub = stubbed()
    stub.add_client_error("delete_message_batch", "InternalError", "sorry", 500)
    with stub, pytest.raises(AwsError, match="sqs:DeleteMessage failed: InternalError: sorry; nobody knows"):
        queue.delete(receipts(3))


def test_nothing_to_do_asks_nothing() -> None:
    queue, stub = stubbed()
    with stub:
        assert (queue.release([]), queue.delete([]), queue.send([])) == ([], [], [])


def test_what_is_not_sent_is_returned_with_its_place_and_reason() -> None:
    queue, stub = stubbed()
    refusal = {"Id": "1", "Code": "InvalidMessageContents", "Message": "NUL", "SenderFault": True}
    stub.add_response("send_message_batch", {"Successful": sent(*range(2, 10)), "Failed": [refusal]})
    stub.add_client_error("send_message_batch", "InternalError", "sorry", 500)
    with stub:
        unsent = queue.send([Outgoing(body=f"body {n}") for n in range(11)])

    assert [(one.place, one.message.body, str(one.error)) for one in unsent] == [
        (0, "body 0", "SQS did not say what became of the message"),
        (1, "body 1", "SQS refused the message: InvalidMessageContents: NUL"),
        (10, "body 10", "sqs:SendMessage failed: InternalError: sorry; nobody knows whether AWS did it"),
    ]


def test_long_messages_are_sent_in_smaller_batches() -> None:
    queue, stub = stubbed()
    for ids in ((0,), (0, 1), (0,)):
        stub.add_response("send_message_batch", {"Successful": sent(*ids), "Failed": []})
    with stub:
        assert queue.send([Outgoing(body="x" * size) for size in (300_000, 100_000, 100_000, 100_000)]) == []
    stub.assert_no_pending_responses()
