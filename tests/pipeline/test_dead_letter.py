import json
import re
from typing import Any

import pytest
from hypothesis import given

from b2bpilot.errors import MessageUnreadable
from b2bpilot.pipeline.dead_letter import (
    FailureKind,
    Shape,
    encoded_for_topic,
    event_for_invoke,
    read_dead_letter,
)
from b2bpilot.pipeline.delivery import MOST_ATTEMPTS, RedriveMark, deliveries, redrive_of
from b2bpilot.pipeline.message import decode, encode
from tests.events import TOPIC_ARN, message, notification, ours, received, sns_event
from tests.odd_dead_letters import KNOWN, PLACES, RAW, odd_dead_letters, with_odd

ERROR = {
    "RequestID": ("String", "045aed0d-5e0a-4e8d-96dc-2a992a1cf962"),
    "ErrorCode": ("Number", "200"),
    "ErrorMessage": ("String", "boom"),
}
TIMED_OUT = "RequestId: 7b8b Error: Task timed out after 300.00 seconds"
ZERO = "Function not invoked. Function isconfigured with zero reserved concurrent executions"


def destination(event: dict[str, Any], **changes: Any) -> dict[str, Any]:
    record = {
        "version": "1.0",
        "timestamp": "2026-10-01T12:48:16.568Z",
        "requestContext": {
            "requestId": "e4b4",
            "condition": "RetriesExhausted",
            "approximateInvokeCount": 3,
        },
        "requestPayload": event,
        "responseContext": {"statusCode": 200, "functionError": "Unhandled"},
        "responsePayload": {"errorMessage": "boom", "errorType": "RuntimeError"},
    }
    return {**record, **changes}


def envelope(of: Any) -> dict[str, Any]:
    found = notification(of)
    del found["Subject"]
    found["SigningCertURL"] = found.pop("SigningCertUrl")
    found["UnsubscribeURL"] = found.pop("UnsubscribeUrl")
    return found


SENT = message()
SHAPES: list[tuple[Shape, dict[str, Any]]] = [
    (Shape.LAMBDA, received(sns_event(SENT), **ERROR)),
    (Shape.DESTINATION, received(destination(sns_event(SENT)))),
    (Shape.SUBSCRIPTION, received(envelope(SENT))),
    (Shape.RAW, received(encode(SENT).body)),
]


@pytest.mark.parametrize(("shape", "dead_letter"), SHAPES)
def test_every_shape_yields_the_inner_message(shape: Shape, dead_letter: dict[str, Any]) -> None:
    decoded = read_dead_letter(dead_letter)

    assert decoded.shape is shape
    assert decoded.unreadable is None
    assert decoded.message is not None
    assert decoded.message.params == SENT.params
    assert decoded.message.message_id == SENT.message_id


@pytest.mark.parametrize(("shape", "dead_letter"), SHAPES)
def test_every_shape_becomes_an_event_that_the_processor_reads(
    shape: Shape, dead_letter: dict[str, Any]
) -> None:
    event = event_for_invoke(ours(read_dead_letter(dead_letter)), run_id="run-1")

    (arrived,) = deliveries(event)
    assert arrived.message.params == SENT.params
    assert arrived.redrive is not None
    assert (arrived.redrive.run_id, arrived.redrive.attempt) == ("run-1", 1)


@pytest.mark.parametrize(("shape", "dead_letter"), SHAPES)
def test_every_shape_is_unwrapped_once_for_the_topic(shape: Shape, dead_letter: dict[str, Any]) -> None:
    encoded = encoded_for_topic(ours(read_dead_letter(dead_letter)), run_id="run-1")

    assert encoded.body == encode(SENT).body
    if shape is not Shape.RAW:
        assert encode(SENT).attributes.items() <= encoded.attributes.items()
    assert encoded.attributes["redrive_attempt"]["StringValue"] == "1"


def test_an_event_that_was_redriven_counts_on() -> None:
    again = received(sns_event(SENT, redrive={"run_id": "run-1", "attempt": 2}), **ERROR)

    assert read_dead_letter(again).redrives == 2
    assert event_for_invoke(ours(read_dead_letter(again)), run_id="run-2")["redrive"] == {
        "run_id": "run-2",
        "attempt": 3,
    }


@pytest.mark.parametrize(
    ("attributes", "kind"),
    [
        (ERROR, FailureKind.EXCEPTION),
        ({**ERROR, "ErrorMessage": ("String", TIMED_OUT)}, FailureKind.TIMEOUT),
        ({**ERROR, "ErrorCode": ("Number", "429")}, FailureKind.THROTTLED),
        ({"ErrorMessage": ("String", ZERO)}, FailureKind.ZERO_CONCURRENCY),
        ({}, FailureKind.UNKNOWN),
    ],
)
def test_the_failure_is_told_from_what_lambda_wrote(
    attributes: dict[str, tuple[str, str]], kind: FailureKind
) -> None:
    assert read_dead_letter(received(sns_event(SENT), **attributes)).failure.kind is kind


@pytest.mark.parametrize("missing", ERROR)
def test_each_error_attribute_may_be_missing(missing: str) -> None:
    attributes = {name: value for name, value in ERROR.items() if name != missing}

    assert read_dead_letter(received(sns_event(SENT), **attributes)).message is not None


@pytest.mark.parametrize(
    ("condition", "removed", "kind"),
    [
        ("RetriesExhausted", (), FailureKind.EXCEPTION),
        ("EventAgeExceeded", ("responsePayload", "responseContext"), FailureKind.THROTTLED),
        ("ZeroReservedConcurrency", ("responsePayload", "responseContext"), FailureKind.ZERO_CONCURRENCY),
    ],
)
def test_the_failure_of_a_destination_record(
    condition: str, removed: tuple[str, ...], kind: FailureKind
) -> None:
    record = destination(sns_event(SENT), requestContext={"requestId": "e4b4", "condition": condition})
    record = {name: value for name, value in record.items() if name not in removed}

    assert read_dead_letter(received(record)).failure.kind is kind


NESTED = notification(SENT) | {"Message": json.dumps(envelope(SENT))}
UNREADABLE: list[tuple[str | dict[str, Any], str]] = [
    ("hello, this is not JSON", "not JSON"),
    ("7", "not a JSON object"),
    ({"hello": "world"}, "the body names no schema"),
    (NESTED, "envelope inside an envelope"),
    ({"Records": []}, "no Records"),
    ({"Records": [{"Sns": {"Message": 7}}]}, "no Sns.Message"),
    ({"Records": [{"eventSource": "aws:s3"}]}, "no Sns.Message"),
    ({"Records": sns_event(SENT)["Records"] * 2}, "holds 2 records"),
    (destination({"Records": "x"}), "no Records"),
    (destination({}, requestPayload=None), "not a JSON object"),
]


@pytest.mark.parametrize(("body", "reason"), UNREADABLE)
def test_what_cannot_be_read_says_why_and_is_never_sent(body: str | dict[str, Any], reason: str) -> None:
    dead_letter = read_dead_letter(received(body, **ERROR))

    assert dead_letter.shape is Shape.UNREADABLE
    assert dead_letter.failure.kind is FailureKind.UNREADABLE
    assert dead_letter.unreadable is not None
    assert reason in dead_letter.unreadable
    with pytest.raises(MessageUnreadable, match=reason):
        event_for_invoke(dead_letter, run_id="r")
    with pytest.raises(MessageUnreadable, match=reason):
        encoded_for_topic(dead_letter, run_id="r")


@pytest.mark.parametrize("odd", RAW, ids=[f"{odd[:20]!a}" for odd in RAW])
def test_no_value_at_any_place_breaks_the_decoder(odd: str) -> None:
    for body, place in PLACES:
        dead_letter = read_dead_letter(received(with_odd(body, place, odd)))

        assert (
            (dead_letter.message is None)
            == (dead_letter.event is None)
            == (dead_letter.unreadable is not None)
        )
        assert isinstance(dead_letter.failure.text, str | None)
        assert isinstance(dead_letter.failure.request_id, str | None)
        assert len(dead_letter.unreadable or "") < 120


@given(odd_dead_letters())
def test_what_can_be_read_is_sent_as_it_is_and_the_rest_says_why(found: dict[str, Any]) -> None:
    dead_letter = ours(read_dead_letter(found))
    if dead_letter.event is None:
        assert dead_letter.unreadable
        for send in (event_for_invoke, encoded_for_topic):
            with pytest.raises(MessageUnreadable, match=re.escape(dead_letter.unreadable)):
                send(dead_letter, run_id="run-1")
        return
    payload = json.dumps(event_for_invoke(dead_letter, run_id="run-1"), allow_nan=False).encode()
    (arrived,) = deliveries(json.loads(payload))
    assert arrived.message == dead_letter.message
    attempt = min(dead_letter.redrives + 1, MOST_ATTEMPTS)
    assert arrived.redrive == RedriveMark(run_id="run-1", attempt=attempt)
    encoded = encoded_for_topic(dead_letter, run_id="run-1")
    values = {name: value.get("StringValue", "") for name, value in encoded.attributes.items()}
    assert encoded.size_bytes > 0
    assert decode(encoded.body, values) == dead_letter.message


@pytest.mark.parametrize(
    ("name", "text"),
    [("an error that is a number", "5"), ("an error that is a list", '["a"]')],
)
def test_an_error_that_is_no_text_is_read_as_text(name: str, text: str) -> None:
    dead_letter = read_dead_letter(received(KNOWN[name]))

    assert (dead_letter.failure.kind, dead_letter.failure.text) == (FailureKind.EXCEPTION, text)
    assert dead_letter.unreadable is None


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("a time before all times", "time '0001-01-01T00:00:00+05:00' cannot be"),
        ("a number without end", "the body holds a number that is too large"),
    ],
)
def test_a_value_that_cannot_be_makes_the_dead_letter_unreadable(name: str, reason: str) -> None:
    assert read_dead_letter(received(KNOWN[name])).unreadable == reason


@pytest.mark.parametrize(
    "attributes", ['"x"', "[]", '{"source": null}', '{"source": {}}', '{"source": {"Value": 5}}']
)
def test_attributes_that_sns_never_wrote_are_not_published_without(attributes: str) -> None:
    body = with_odd(sns_event(SENT), ("Records", 0, "Sns", "MessageAttributes"), attributes)

    assert "ttribute" in str(read_dead_letter(received(body)).unreadable)


@pytest.mark.parametrize(
    "odd", [{"Attributes": None}, {"Attributes": {"SentTimestamp": "soon", "ApproximateReceiveCount": "x"}}]
)
def test_what_sqs_says_of_a_dead_letter_may_be_missing_or_odd(odd: dict[str, Any]) -> None:
    dead_letter = read_dead_letter({**received(sns_event(SENT)), **odd, "MessageAttributes": ["x"]})

    assert (dead_letter.sent_at, dead_letter.receive_count) == (None, 0)
    assert dead_letter.unreadable is None


@pytest.mark.parametrize("attempt", [None, "x", -1, float("inf"), float("nan"), "9" * 5_000, [1]])
def test_a_mark_that_no_redrive_wrote_is_none(attempt: object) -> None:
    assert redrive_of({"redrive": {"run_id": "r", "attempt": attempt}}) is None


@pytest.mark.parametrize("run_id", [None, 5, ["r"], "", "call +15005550006, please", "r" * 101])
def test_a_run_id_that_no_redrive_wrote_is_none(run_id: object) -> None:
    assert redrive_of({"redrive": {"run_id": run_id, "attempt": 1}}) is None


def test_a_defect_of_the_decoder_is_the_reason_of_its_dead_letter_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def defect(*_: object) -> None:
        raise KeyError("surprise")

    monkeypatch.setattr("b2bpilot.pipeline.dead_letter.deliveries", defect)

    dead_letter = read_dead_letter(received(sns_event(SENT), **ERROR))
    assert dead_letter.unreadable == "this version fails to read it: KeyError"
    assert dead_letter.event is None


def test_a_reason_holds_no_phone_number_and_no_long_text() -> None:
    number, text = (
        read_dead_letter(received(with_odd(sns_event(SENT), ("Records", 0, "Sns", "Message", "source"), odd)))
        for odd in ('"+15005550006"', json.dumps("two pallets, please " * 20))
    )

    assert number.unreadable == "source '+***' is unknown"
    assert len(str(text.unreadable)) < 80


def test_a_rebuilt_event_has_lambdas_spelling() -> None:
    event = event_for_invoke(ours(read_dead_letter(received(envelope(SENT)))), run_id="r")

    sns = event["Records"][0]["Sns"]
    assert sns["Subject"] is None
    assert "SigningCertUrl" in sns
    assert "UnsubscribeURL" not in sns
    assert sns["TopicArn"] == TOPIC_ARN
