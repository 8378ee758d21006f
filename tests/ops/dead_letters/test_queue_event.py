"""What a subscriber's queue, or the function behind it, gets again of a dead letter."""

from __future__ import annotations

import json
from typing import Any

import pytest

from b2bpilot.errors import MessageUnreadable, NotOurs
from b2bpilot.ops.redrive.queue_event import event_for_queue, outgoing_of
from b2bpilot.pipeline.dead_letter import DeadLetter, FailureKind, Shape, read_dead_letter
from b2bpilot.pipeline.message import encode
from tests.events import message, notification, ours, sns_event

QUEUE = "arn:aws:sqs:eu-west-1:123456789012:audit-b2b-pilot-prod"
SENT = message()


def text(value: str) -> dict[str, str]:
    return {"DataType": "String", "StringValue": value}


def moved(body: str, **attributes: Any) -> DeadLetter:
    return ours(
        read_dead_letter(
            {
                "MessageId": "m-1",
                "ReceiptHandle": "h-1",
                "Body": body,
                "Attributes": {"SentTimestamp": "1764000000000", "DeadLetterQueueSourceArn": QUEUE},
                "MessageAttributes": attributes,
            }
        )
    )


@pytest.mark.parametrize("body", [json.dumps(notification(SENT)), encode(SENT).body], ids=["envelope", "raw"])
def test_what_sqs_moved_goes_back_byte_for_byte_with_a_mark_that_counts(body: str) -> None:
    binary = {"DataType": "Binary", "BinaryValue": b"\x00\xff"}
    found = moved(body, own=text("1"), bytes=binary, ErrorMessage=text("boom"))
    assert (found.shape, found.failure.kind, found.message_id) == (
        Shape.QUEUE,
        FailureKind.GIVEN_UP,
        SENT.message_id,
    )

    sent = outgoing_of(found, run_id="run-1")

    assert (sent.body, sent.attributes["own"], sent.attributes["bytes"]) == (body, text("1"), binary)
    assert "ErrorMessage" not in sent.attributes
    again = moved(sent.body, **sent.attributes)
    assert (again.redrives, again.redriven_by) == (1, "run-1")
    assert outgoing_of(again, run_id="run-2").attributes["redrive_attempt"] == text("2")


def test_the_source_that_a_restore_named_stays_out_of_the_queue() -> None:
    sent = outgoing_of(moved(encode(SENT).body, DeadLetterQueueSourceArn=text(QUEUE)), run_id="run-1")

    assert sent.attributes.keys() == {"redrive_run_id", "redrive_attempt"}


def test_a_message_with_all_attributes_that_sqs_takes_goes_back_without_a_mark() -> None:
    own = {f"own{n}": text(str(n)) for n in range(9)}

    assert outgoing_of(moved(encode(SENT).body, **own), run_id="run-1").attributes == own


def test_its_function_gets_the_event_that_the_queue_s_mapping_would_make() -> None:
    binary = {"DataType": "Binary", "BinaryValue": b"\x00"}
    event = event_for_queue(
        moved(encode(SENT).body, own=text("1"), bytes=binary), queue_arn=QUEUE, run_id="run-1"
    )

    (record,) = event["Records"]
    assert (record["messageId"], record["body"], record["eventSource"]) == (
        "m-1",
        encode(SENT).body,
        "aws:sqs",
    )
    assert (record["eventSourceARN"], record["awsRegion"]) == (QUEUE, "eu-west-1")
    assert record["messageAttributes"]["own"]["stringValue"] == "1"
    assert record["messageAttributes"]["bytes"]["binaryValue"] == "AA=="
    assert record["attributes"]["SentTimestamp"] == "1764000000000"
    assert event["redrive"] == {"run_id": "run-1", "attempt": 1, "subscriber": QUEUE}


def test_neither_a_function_s_dead_letter_nor_another_s_goes_into_a_queue() -> None:
    of_a_function = ours(read_dead_letter({"MessageId": "m", "Body": json.dumps(sns_event(SENT))}))
    with pytest.raises(MessageUnreadable, match="no queue had it"):
        outgoing_of(of_a_function, run_id="run-1")
    with pytest.raises(NotOurs):
        outgoing_of(read_dead_letter({"MessageId": "m", "Body": encode(SENT).body}), run_id="run-1")
