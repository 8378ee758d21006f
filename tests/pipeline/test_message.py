import json
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from b2bpilot.errors import MessageTooLarge, MessageUnreadable
from b2bpilot.pipeline.delivery import deliveries
from b2bpilot.pipeline.message import (
    MAXIMUM_BYTES,
    MessageType,
    PilotMessage,
    Priority,
    Source,
    decode,
    encode,
    message_id_for,
    parse_message_id,
)
from tests.events import message, sns_event

ANY_TEXT = st.text(st.characters(codec=None, exclude_categories=()), max_size=200)
PARAMS = st.dictionaries(st.text(min_size=1, max_size=30), ANY_TEXT, max_size=10)
MESSAGES = st.builds(
    PilotMessage,
    message_id=st.uuids().map(str),
    source=st.sampled_from(Source),
    received_at=st.datetimes(min_value=datetime(2000, 1, 1), max_value=datetime(2100, 1, 1)).map(  # noqa: DTZ001
        lambda moment: moment.replace(tzinfo=UTC, microsecond=moment.microsecond // 1000 * 1000)
    ),
    params=PARAMS,
    test=st.booleans(),
    priority=st.sampled_from(Priority),
)


@given(MESSAGES)
def test_a_message_survives_the_way_through_sns(sent: PilotMessage) -> None:
    (arrived,) = deliveries(json.loads(json.dumps(sns_event(sent))))

    assert arrived.message == sent


@given(MESSAGES)
def test_attributes_never_hold_user_text(sent: PilotMessage) -> None:
    for value in encode(sent).attributes.values():
        assert value["StringValue"].isascii()
        assert value["StringValue"]


@pytest.mark.parametrize(
    ("params", "test", "expected"),
    [
        ({"Body": "hi", "NumMedia": "0"}, False, MessageType.TEXT),
        ({}, False, MessageType.TEXT),
        ({"NumMedia": "1"}, False, MessageType.MEDIA),
        ({"ButtonPayload": "yes", "NumMedia": "0"}, False, MessageType.BUTTON),
        ({"Latitude": "1.0", "Longitude": "2.0"}, False, MessageType.LOCATION),
        ({"NumMedia": "1"}, True, MessageType.TEST),
    ],
)
def test_the_type_is_told_from_the_parameters(
    params: dict[str, str], test: bool, expected: MessageType
) -> None:
    built = PilotMessage(
        message_id="x", source=Source.TWILIO, received_at=datetime.now(UTC), params=params, test=test
    )

    assert built.message_type is expected


def test_the_id_of_a_twilio_message_depends_on_its_sid_alone() -> None:
    assert message_id_for("SM0123456789abcdef0123456789abcdef") == "7d1eea89-294a-5d6f-8bdc-73898d8ce9cc"


def test_an_id_is_brought_to_its_canonical_spelling() -> None:
    assert parse_message_id("7D1EEA89294A5D6F8BDC73898D8CE9CC") == "7d1eea89-294a-5d6f-8bdc-73898d8ce9cc"


def test_a_message_of_exactly_the_limit_is_encoded_and_one_byte_more_is_not() -> None:
    room = MAXIMUM_BYTES - encode(message(params={"Body": ""})).size_bytes
    assert encode(message(params={"Body": "x" * room})).size_bytes == MAXIMUM_BYTES

    with pytest.raises(MessageTooLarge, match="262,145 bytes"):
        encode(message(params={"Body": "x" * (room + 1)}))


def test_a_time_in_another_zone_is_written_in_utc() -> None:
    east = datetime.fromisoformat("2026-10-01T14:45:06.812+02:00")

    assert '"received_at": "2026-10-01T12:45:06.812Z"' in encode(message(received_at=east)).body


def _body(**changes: object) -> str:
    document = json.loads(encode(message()).body)
    return json.dumps({**document, **changes})


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("hello", "not JSON"),
        ("[" * 100_000, "nested too deeply"),
        (_body(note=[[]])[:-3].replace("[[", "[" * 200) + "]" * 200 + "}", "nested too deeply"),
        (_body(note=0).replace('"note": 0', '"note": NaN'), "not JSON"),
        (_body(note=0).replace('"note": 0', '"note": 1e999'), "a number that is too large"),
        (_body(note=0).replace('"note": 0', f'"note": {"9" * 5_000}'), "a number that is too large"),
        (_body(received_at="0001-01-01T00:00:00+05:00"), "time '0001-01-01T00:00:00\\+05:00' cannot be"),
        (_body(received_at="9999-12-31T23:59:59-05:00"), "cannot be"),
        ("[1]", "not a JSON object"),
        ("null", "not a JSON object"),
        (json.dumps({"Type": "Notification", "Message": "{}"}), "envelope inside an envelope"),
        (json.dumps({"Records": []}), "envelope inside an envelope"),
        (json.dumps({"hello": "world"}), "the body names no schema"),
        (_body(schema=2), "schema is 2; this version reads 1"),
        (_body(message_id="7"), "message_id '7' is not a UUID"),
        (_body(message_id=None), "is not a UUID"),
        (_body(source="pigeon"), "source 'pigeon' is unknown"),
        (_body(received_at="yesterday"), "time 'yesterday' is not ISO 8601"),
        (_body(params=[]), "params is not an object of strings"),
        (_body(params={"NumMedia": 0}), "params is not an object of strings"),
    ],
)
def test_what_is_not_a_message_says_why(body: str, reason: str) -> None:
    with pytest.raises(MessageUnreadable, match=reason):
        decode(body)


@given(
    st.text() | st.recursive(st.none() | st.text() | st.integers(), st.lists, max_leaves=5).map(json.dumps)
)
def test_any_other_text_is_unreadable_and_nothing_worse(text: str) -> None:
    with pytest.raises(MessageUnreadable):
        decode(text)


def test_an_unknown_priority_is_unreadable() -> None:
    with pytest.raises(MessageUnreadable, match="priority 'urgent' is unknown"):
        decode(encode(message()).body, {"priority": "urgent"})


def test_received_at_without_a_zone_is_utc() -> None:
    decoded = decode(_body(received_at="2026-10-01T12:45:06"))

    assert decoded.received_at.utcoffset() == timedelta(0)
