"""What other publishers' attributes are, after a redrive on the topic."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from b2bpilot.pipeline.dead_letter import MOST_ATTRIBUTES, DeadLetter, encoded_for_topic, read_dead_letter
from b2bpilot.pipeline.message import encode
from lambdas.dead_letter_redriver.dead_letters import dead_letter_of
from tests.events import message, notification, ours, received, sns_event

SENT = message()
TYPED = {
    "priority": {"Type": "String", "Value": "normal"},
    "amount": {"Type": "Number", "Value": "111"},
    "photo": {"Type": "Binary", "Value": "AgME"},
    "tags": {"Type": "String.Array", "Value": '["a", 1]'},
}
PUBLISHED = {
    "priority": {"DataType": "String", "StringValue": "normal"},
    "amount": {"DataType": "Number", "StringValue": "111"},
    "photo": {"DataType": "Binary", "BinaryValue": b"\x02\x03\x04"},
    "tags": {"DataType": "String.Array", "StringValue": '["a", 1]'},
}


def published(dead_letter: DeadLetter) -> dict[str, dict[str, Any]]:
    """The attributes without the redrive's own."""
    found = encoded_for_topic(ours(dead_letter), run_id="run-1").attributes
    return {name: value for name, value in found.items() if not name.startswith("redrive_")}


def lambda_event() -> dict[str, Any]:
    found = sns_event(SENT)
    found["Records"][0]["Sns"]["MessageAttributes"] = TYPED
    return found


def destination() -> dict[str, Any]:
    return {"requestContext": {"condition": "RetriesExhausted"}, "requestPayload": lambda_event()}


@pytest.mark.parametrize(
    "body", [lambda_event(), destination(), notification(SENT) | {"MessageAttributes": TYPED}]
)
def test_every_type_survives_a_redrive_on_the_topic(body: dict[str, Any]) -> None:
    assert published(read_dead_letter(received(body))) == PUBLISHED


def test_a_raw_dead_letter_keeps_its_types_and_its_bytes() -> None:
    found = received(encode(SENT).body) | {"MessageAttributes": PUBLISHED}

    assert published(read_dead_letter(found)) == PUBLISHED


def test_the_redriver_hands_on_the_bytes_of_a_raw_dead_letter() -> None:
    attributes = {
        "amount": {"dataType": "Number", "stringValue": "111"},
        "photo": {"dataType": "Binary", "binaryValue": "AgME", "stringValue": None},
    }
    dead_letter = dead_letter_of(
        {"messageId": "m", "body": encode(SENT).body, "messageAttributes": attributes}
    )

    assert published(dead_letter) == {name: PUBLISHED[name] for name in attributes}


def test_the_error_of_a_raw_dead_letter_is_no_attribute_of_the_message() -> None:
    found = received(encode(SENT).body, ErrorCode=("Number", "200"), RequestID=("String", "r"))

    assert published(read_dead_letter(found)) == {}
    assert read_dead_letter(found).failure.code == "200"


def test_a_binary_attribute_that_is_no_base64_is_not_published_as_something_else() -> None:
    body = notification(SENT) | {"MessageAttributes": {"photo": {"Type": "Binary", "Value": "not base64!"}}}

    assert "holds no base64" in str(read_dead_letter(received(body)).unreadable)


@given(
    st.dictionaries(
        st.from_regex("[a-z]{1,8}", fullmatch=True).filter(lambda name: name != "priority"),
        st.one_of(
            st.tuples(
                st.sampled_from(["String", "Number", "String.Array", "Number.int"]),
                st.from_regex("[0-9]{1,5}", fullmatch=True),
            ),
            st.tuples(st.sampled_from(["Binary", "Binary.png"]), st.binary(min_size=1, max_size=30)),
        ),
        max_size=MOST_ATTRIBUTES,
    )
)
def test_whatever_sqs_holds_of_a_raw_dead_letter_is_what_the_topic_gets(
    drawn: dict[str, tuple[str, str | bytes]],
) -> None:
    attributes = {
        name: {"DataType": kind, "BinaryValue" if isinstance(value, bytes) else "StringValue": value}
        for name, (kind, value) in drawn.items()
    }
    dead_letter = read_dead_letter(received(encode(SENT).body) | {"MessageAttributes": attributes})

    assert published(dead_letter) == attributes
    assert json.dumps(dead_letter.event)
