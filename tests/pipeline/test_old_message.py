"""What a message of the SQS version's queue may look like, and what stays there because nobody can say what it is."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

import pytest

from b2bpilot.errors import MessageUnreadable
from b2bpilot.pipeline.message import Source, message_id_for
from b2bpilot.pipeline.old_message import old_message
from b2bpilot.pipeline.queued import delivery_in, queue_records
from b2bpilot.pipeline.several_values import values_of
from tests.events import TWILIO_PARAMS, queue_event, queue_record

SENT_AT = datetime(2026, 10, 1, 12, 45, tzinfo=UTC)
SID = TWILIO_PARAMS["MessageSid"]
FORM = urlencode(TWILIO_PARAMS)
EVENT = {"version": "2.0", "headers": {"host": "x"}, "requestContext": {"http": {"method": "POST"}}}
OURS = {"message_sid": SID, "from_number": "+15005550006", "to_number": "+15005550001", "body": "Two"}


def read(body: Any) -> dict[str, str]:
    found = old_message(body if isinstance(body, str) else json.dumps(body), sent_at=SENT_AT)
    assert found.message_id == message_id_for(SID)
    assert (found.source, found.received_at, found.test) == (Source.TWILIO, SENT_AT, False)
    return dict(found.params)


@pytest.mark.parametrize(
    "body",
    [
        TWILIO_PARAMS,
        FORM,
        json.dumps(FORM),
        json.dumps(json.dumps(TWILIO_PARAMS)),
        {"params": TWILIO_PARAMS},
        {"type": "inbound", "at": 1790858700, "data": {"twilio": TWILIO_PARAMS}},
        {"payload": json.dumps(TWILIO_PARAMS)},
        {"body": FORM},
        {**EVENT, "body": FORM, "isBase64Encoded": False},
        {**EVENT, "body": base64.b64encode(FORM.encode()).decode(), "isBase64Encoded": True},
        {"event": {**EVENT, "body": FORM}},
        {"Type": "Notification", "Message": json.dumps({"params": TWILIO_PARAMS})},
        {name: [value] for name, value in TWILIO_PARAMS.items()},
        {"first": TWILIO_PARAMS, "again": TWILIO_PARAMS},
        {"params": TWILIO_PARAMS, "meta": {"message_sid": SID}},
        {"message_sid": SID, "params": TWILIO_PARAMS},
        {"message_sid": SID, "from": "+15005550006", "data": json.dumps(TWILIO_PARAMS)},
        {**EVENT, "message_sid": SID, "body": FORM},
    ],
    ids=[
        *("json", "form", "form as a json string", "json twice"),
        *("under a key", "two levels down", "json as text", "form under a key"),
        *("api event", "api event in base64", "api event under a key", "sns envelope", "lists", "the same twice"),
        *("sid noted beside it", "sid noted above it", "sid and sender above text", "sid in an api event"),
    ],
)  # fmt: skip
def test_twilios_parameters_are_found_and_kept_to_the_letter(body: Any) -> None:
    assert read(body) == TWILIO_PARAMS


@pytest.mark.parametrize(
    ("body", "sid_name"),
    [
        (OURS, "MessageSid"),
        ({"messageSid": SID, "from": "+15005550006", "To": "+15005550001", "Body": "Two"}, "MessageSid"),
        ({"SMS-SID": SID, "From": "+15005550006", "to": "+15005550001", "BODY": "Two"}, "SmsSid"),
    ],
)
def test_other_spellings_of_what_is_read_become_twilios(body: dict[str, str], sid_name: str) -> None:
    said = {"From": "+15005550006", "To": "+15005550001", "Body": "Two"}
    assert read(body) == {sid_name: SID, **said}


def test_what_twilio_spelled_wins_and_the_other_stays_beside_it() -> None:
    params = read({"MessageSid": SID, "body": "lower", "Body": "Twilio's", "NumMedia": 2, "gone": None})
    assert params == {"MessageSid": SID, "body": "lower", "Body": "Twilio's", "NumMedia": "2"}


def test_several_values_are_kept_as_the_webhook_keeps_them() -> None:
    params = read({"MessageSid": SID, "Body": "", "MediaUrl": ["a", "b"]})
    assert list(values_of(params, "MediaUrl")) == ["a", "b"]


def test_the_text_of_a_message_is_not_looked_through() -> None:
    body = {**TWILIO_PARAMS, "Body": urlencode({"MessageSid": "SM" + "9" * 32, "From": "x"})}
    assert read(body) == body


@pytest.mark.parametrize(
    ("body", "why"),
    [
        ("", "not JSON"),
        ("no JSON", "not JSON"),
        ("[]", "not a JSON object"),
        ("{}", "no MessageSid"),
        ('"', "not JSON"),
        ({"Body": "hello"}, "no MessageSid"),
        ({"MessageSid": ""}, "no MessageSid"),
        ({"MessageSid": "not a sid"}, "no MessageSid"),
        ({"messages": [TWILIO_PARAMS]}, "no MessageSid"),
        ({"MessageSid": SID}, "neither From nor Body"),
        ({"message_sid": SID, "params": {"From": "+15005550006", "Body": "hello"}}, "neither From nor Body"),
        ({"a": {"b": {"c": {"d": TWILIO_PARAMS}}}}, "no MessageSid"),
        ({"a": TWILIO_PARAMS, "b": {**TWILIO_PARAMS, "MessageSid": "SM" + "9" * 32}}, "2 messages"),
        ({"body": "%%%", "isBase64Encoded": True}, "no MessageSid"),
        ("MessageSid=SM1&" + "&".join(f"a{n}=1" for n in range(2_001)), "2,000 fields"),
        ('{"a":' * 200 + "1" + "}" * 200, "nested too deeply"),
    ],
)
def test_what_is_no_message_or_more_than_one_stays_in_the_queue(body: Any, why: str) -> None:
    with pytest.raises(MessageUnreadable, match=why):
        old_message(body if isinstance(body, str) else json.dumps(body), sent_at=SENT_AT)


def test_only_the_old_queue_is_read_so() -> None:
    (record,) = queue_records(queue_event(queue_record(TWILIO_PARAMS)))
    assert delivery_in(record, is_old=True).message.params == TWILIO_PARAMS
    with pytest.raises(MessageUnreadable, match="names no schema"):
        delivery_in(record)


def test_a_message_of_the_old_queue_was_received_when_it_was_sent_there() -> None:
    (record,) = queue_records(queue_event(queue_record(FORM)))
    delivery = delivery_in(record, is_old=True)
    assert (
        delivery.message.received_at
        == delivery.published_at
        == datetime(2026, 10, 9, 16, 43, 26, 327000, UTC)
    )
