"""Webhooks from the field: what is a message is published and stored whole, and what is none is not."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta

import pytest

from b2bpilot.pipeline.database import DatabaseManager
from b2bpilot.pipeline.delivery import Delivery
from b2bpilot.pipeline.message import decode, message_id_for
from b2bpilot.pipeline.outcome import DeliveryOutcome
from b2bpilot.pipeline.processing import process
from b2bpilot.pipeline.several_values import pairs_of, values_of
from tests.events import new_sid
from tests.lambdas.cases import CALLBACKS, CASES, MESSAGES, Case
from tests.lambdas.webhook_deployment import Topic, call, json_event, json_text_event, signed_form


def named(case: Case) -> str:
    return case.name


@pytest.mark.parametrize("case", MESSAGES, ids=named)
def test_a_message_from_the_field_is_published_with_all_its_values(topic: Topic, case: Case) -> None:
    answer = call(case.request)

    assert (answer["statusCode"], answer["body"].endswith("<Response/>")) == (200, True)
    message = decode(topic.published()[0]["Message"])
    assert Counter(pairs_of(message.params)) == Counter(case.pairs)
    assert message.message_id == message_id_for(dict(case.pairs)["MessageSid"])


def test_messages_from_the_field_are_stored_with_all_their_values(topic: Topic, database_url: str) -> None:
    with DatabaseManager(database_url) as database:
        for case in MESSAGES:
            call(case.request)
            message = decode(topic.published()[0]["Message"])
            delivery = Delivery(message=message, sns_message_id="1", published_at=None)
            outcome = process(delivery, database=database, replier=None, lease=timedelta(seconds=30))
            row = database.get_submission_by_message_id(message.message_id)

            assert (case.name, outcome) == (case.name, DeliveryOutcome.STORED)
            assert row is not None
            assert Counter(pairs_of(row.params or {})) == Counter(case.pairs), case.name


@pytest.mark.parametrize("case", [case for case in CASES if case.name in CALLBACKS], ids=named)
def test_a_status_callback_is_logged_and_answered_and_not_published(
    topic: Topic, caplog: pytest.LogCaptureFixture, case: Case
) -> None:
    with caplog.at_level("INFO"):
        answer = call(case.request)

    assert (answer["statusCode"], answer["headers"]["content-type"]) == (200, "text/xml; charset=utf-8")
    assert answer["body"].endswith("<Response/>")
    assert "x-message-id" not in answer["headers"]
    assert topic.published() == []
    (record,) = (vars(record) for record in caplog.records if record.message == "Status callback received")
    sid = dict(case.pairs)["MessageSid"]
    assert (record["event"], record["state"]) == ("status_callback", "delivered")
    assert (record["message_sid"], record["message_id"]) == (sid, message_id_for(sid))


CALLBACK = {"MessageSid": "SM" + "1" * 32, "From": "+15005550006", "To": "+15005550012"}


@pytest.mark.parametrize(
    "state",
    [
        *("accepted", "canceled", "delivered", "failed", "partially_delivered", "queued", "read"),
        *("scheduled", "sending", "sent", "undelivered"),
    ],
)
@pytest.mark.parametrize("fields", [("MessageStatus",), ("SmsStatus",), ("MessageStatus", "SmsStatus")])
def test_every_outbound_state_makes_a_status_callback(
    topic: Topic, state: str, fields: tuple[str, ...]
) -> None:
    sent = CALLBACK | dict.fromkeys(fields, state)

    for request in (signed_form(sent.items()), json_event(sent)):
        assert call(request)["statusCode"] == 200
    assert topic.published() == []


@pytest.mark.parametrize(
    "states",
    [
        [("SmsStatus", "received")],
        [("SmsStatus", "receiving")],
        [("MessageStatus", "received")],
        [("MessageStatus", "delivered"), ("SmsStatus", "received")],
        [("MessageStatus", "received"), ("SmsStatus", "delivered")],
        [("MessageStatus", "delivered"), ("SmsStatus", "")],
        [("MessageStatus", ""), ("SmsStatus", "")],
        [("MessageStatus", "delivered"), ("SmsStatus", "teleported")],
        [("MessageStatus", "teleported")],
        [("MessageStatus", "Delivered")],
        [("MessageStatus", " delivered")],
        [("MessageStatus", "cancelled")],
        [("MessageStatus", "delivered"), ("MessageStatus", "received")],
        [("MessageStatus", "received"), ("MessageStatus", "delivered")],
        [("messagestatus", "delivered")],
        [("Status", "delivered"), ("EventType", "onDeliveryUpdated")],
        [("Body", "MessageStatus=delivered")],
        [],
    ],
)
def test_what_may_be_a_message_is_published(topic: Topic, states: list[tuple[str, str]]) -> None:
    call(signed_form([*CALLBACK.items(), *states]))

    (published,) = topic.published()
    assert Counter(pairs_of(decode(published["Message"]).params)) == Counter([*CALLBACK.items(), *states])


def test_a_status_callback_without_the_newer_sid_is_one_all_the_same(topic: Topic) -> None:
    assert call(signed_form([("SmsSid", new_sid()), ("SmsStatus", "sent")]))["statusCode"] == 200
    assert topic.published() == []


@pytest.mark.parametrize("name", ["SmsSid", "SmsMessageSid"])
def test_a_message_that_has_only_an_older_sid_is_published_under_it(topic: Topic, name: str) -> None:
    sid = new_sid()

    assert call(signed_form([(name, sid), ("SmsStatus", "received"), ("Body", "hi")]))["statusCode"] == 200
    assert decode(topic.published()[0]["Message"]).message_id == message_id_for(sid)


def test_only_a_signed_request_is_taken_for_a_status_callback(
    topic: Topic, caplog: pytest.LogCaptureFixture
) -> None:
    request = signed_form((CALLBACK | {"MessageStatus": "delivered"}).items())
    request["headers"]["x-twilio-signature"] = "AAAA"

    assert call(request)["statusCode"] == 403
    assert not [record for record in caplog.records if record.message == "Status callback received"]


def test_a_test_message_that_says_how_it_was_delivered_is_a_test_message(topic: Topic) -> None:
    assert call(json_event({"test": "hello", "MessageStatus": "delivered"}))["statusCode"] == 200
    assert decode(topic.published()[0]["Message"]).test


def test_a_json_body_keeps_all_values_of_a_name(topic: Topic) -> None:
    sid = new_sid()
    body = f'{{"MessageSid": "{sid}", "Tag": "b", "Tag": "a", "Tag": "b", "List": ["x", "y"], "NumMedia": 0}}'

    assert call(json_text_event(body))["statusCode"] == 200

    message = decode(topic.published()[0]["Message"])
    assert (values_of(message.params, "Tag"), message.params["Tag"]) == (["b", "a", "b"], "b")
    assert message.params["List"] == '["x", "y"]'
    assert message.params["NumMedia"] == "0"


def test_a_test_message_keeps_all_values_of_a_name(topic: Topic) -> None:
    assert call(json_text_event('{"test": "hello", "Tag": "b", "Tag": "a"}'))["statusCode"] == 200
    assert values_of(decode(topic.published()[0]["Message"]).params, "Tag") == ["b", "a"]
