"""The webhook behind an HTTP API, with Twilio's real signatures and a topic that a queue listens to."""

from __future__ import annotations

import base64
import importlib
import json
from typing import Any
from urllib.parse import quote, urlencode

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from twilio.request_validator import RequestValidator

from b2bpilot.pipeline.message import decode, message_id_for
from b2bpilot.twilio.signature import signature_for, url_for_body
from lambdas.webhook_handler import handler as webhook
from tests.events import new_sid
from tests.lambdas.webhook_deployment import FORM, TOKEN, URL, Topic, call, event, form, json_event, params


@pytest.mark.parametrize("encoded", [False, True])
def test_a_signed_form_is_published_verbatim(topic: Topic, encoded: bool) -> None:
    sent = params(Body="", FromZip="", ProfileName="Zoë & Søn+1")

    answer = call(form(sent, encoded=encoded))

    assert answer["statusCode"] == 200
    assert answer["headers"]["content-type"] == "text/xml; charset=utf-8"
    assert answer["body"].endswith("<Response/>")
    (published,) = topic.published()
    message = decode(published["Message"])
    assert message.params == sent
    assert message.message_id == message_id_for(sent["MessageSid"]) == answer["headers"]["x-message-id"]
    assert message.test is False
    assert published["MessageAttributes"]["source"]["Value"] == "twilio"


def test_twilios_retry_has_the_same_message_id(topic: Topic) -> None:
    sent = params()

    call(form(sent))
    call(form(sent))

    first, second = topic.published()
    assert json.loads(first["Message"])["message_id"] == json.loads(second["Message"])["message_id"]
    assert first["MessageId"] != second["MessageId"]


def test_header_names_may_have_any_case(topic: Topic) -> None:
    request = form(params())
    request["headers"] = {name.title(): value for name, value in request["headers"].items()}

    assert call(request)["statusCode"] == 200


def test_the_host_and_path_of_the_request_do_not_matter(topic: Topic) -> None:
    request = form(params())
    request |= {"rawPath": "/prod/webhook", "requestContext": {"stage": "prod"}}
    request["headers"] |= {"host": "evil.example.com", "x-forwarded-host": "evil.example.com"}

    assert call(request)["statusCode"] == 200


def test_the_new_token_is_taken_during_a_rotation(topic: Topic) -> None:
    sent = params()

    assert call(form(sent, signature_for("the-new-token", URL, sent)))["statusCode"] == 200


@pytest.mark.parametrize(
    ("settings_header", "secret", "algorithm", "status"),
    [
        ("key=SK1,algorithm=HMAC_SHA256", "shared-secret", "HMAC_SHA256", 200),
        ("key=SK1, algorithm=HMAC_SHA256", "shared-secret", "HMAC_SHA256", 200),
        ("key=SK1,algorithm=HMAC_SHA256", TOKEN, "HMAC_SHA256", 403),
        ("key=SK2,algorithm=HMAC_SHA256", "shared-secret", "HMAC_SHA256", 403),
        ("key=SK1,algorithm=HMAC_MD5", "shared-secret", "HMAC_SHA256", 403),
        ("algorithm=HMAC_SHA256", TOKEN, "HMAC_SHA256", 403),
    ],
)
def test_a_shared_key_signs_with_its_own_secret(
    topic: Topic, settings_header: str, secret: str, algorithm: str, status: int
) -> None:
    sent = params()
    request = form(sent, RequestValidator(secret).compute_signature(URL, sent, algorithm))
    request["headers"]["X-Twilio-Webhooks-Signature-Settings"] = settings_header

    assert call(request)["statusCode"] == status


def test_a_repeated_name_is_covered_by_the_signature(topic: Topic) -> None:
    pairs = [("MessageSid", new_sid()), ("Tag", "b"), ("Tag", "a")]
    signed = "".join(["MessageSid", pairs[0][1], "Taga", "Tagb"])
    signature = RequestValidator(TOKEN).compute_signature(URL + signed, {})

    answer = call(event(urlencode(pairs), {"content-type": FORM, "x-twilio-signature": signature}))

    assert answer["statusCode"] == 200


def test_a_json_body_with_test_becomes_a_test_message(topic: Topic) -> None:
    wanted = "7d1eea89-294a-5d6f-8bdc-73898d8ce9cc"

    answer = call(json_event({"test": "hello", "message_id": wanted, "NumMedia": 0}))

    assert answer["statusCode"] == 200
    message = decode(topic.published()[0]["Message"])
    assert (message.message_id, message.test) == (wanted, True)
    assert message.params == {"Body": "hello", "NumMedia": "0"}


def test_a_json_body_may_hold_twilios_parameters(topic: Topic) -> None:
    sent = params()

    assert call(json_event(sent))["statusCode"] == 200
    assert decode(topic.published()[0]["Message"]).params == sent


def forged_body() -> dict[str, Any]:
    request = json_event({"test": "pay Ana"})
    return {**request, "body": json.dumps({"test": "pay Bob"})}


def without_body_hash() -> dict[str, Any]:
    headers = {"content-type": "application/json", "x-twilio-signature": signature_for(TOKEN, URL, {})}
    return event(json.dumps({"test": "x"}), headers)


REJECTED: list[tuple[str, dict[str, Any], int, str]] = [
    ("no signature", form(params(), ""), 403, "signature"),
    ("a wrong signature", form(params(), "AAAA"), 403, "signature"),
    ("non-ASCII in the signature", form(params(), "ä" * 28), 403, "signature"),
    (
        "a changed parameter",
        {**form(sent := params()), "body": urlencode({**sent, "Body": "x"})},
        403,
        "signature",
    ),
    (
        "a dropped blank",
        {**form(sent := params()), "body": urlencode(sent).replace("&FromZip=", "")},
        403,
        "sig",
    ),
    ("no headers at all", {"body": "x"}, 403, "signature"),
    ("nothing", {}, 403, "signature"),
    ("broken base64", {**form(params()), "body": "%%%", "isBase64Encoded": True}, 403, "base64"),
    ("a forged JSON body", forged_body(), 403, "signature"),
    ("a JSON body whose hash is not signed", without_body_hash(), 403, "signature"),
    ("JSON signed by another", json_event({"test": 1}, token="other"), 403, "signature"),
    ("no SID", form({"Body": "hi"}), 400, "MessageSid"),
    ("a SID that is none", form(params(MessageSid="../../etc")), 400, "MessageSid"),
    ("JSON that is a list", json_event([1]), 400, "not a JSON object"),
    ("JSON without a SID", json_event({"Body": "x"}), 400, "MessageSid"),
    ("a test with a bad id", json_event({"test": 1, "message_id": "7"}), 400, "message_id"),
    (
        "another content type",
        event("hi", {"content-type": "text/plain", "x-twilio-signature": signature_for(TOKEN, URL, {})}),
        415,
        "content type",
    ),
    ("too much text", form(params(Body="x" * 262_144)), 413, "larger than SNS takes"),
]


@pytest.mark.parametrize(("case", "request_", "status", "reason"), REJECTED)
def test_what_is_rejected_is_not_published_and_says_why(
    topic: Topic, case: str, request_: dict[str, Any], status: int, reason: str
) -> None:
    answer = call(request_)

    assert (answer["statusCode"], reason in answer["body"]) == (status, True), case
    assert topic.published() == []


def test_a_configured_query_is_part_of_what_is_signed(topic: Topic, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PUBLIC_WEBHOOK_URL", f"{URL}?tenant=a")
    importlib.reload(webhook)
    sent = params()

    assert call(form(sent, signature_for(TOKEN, f"{URL}?tenant=a", sent)))["statusCode"] == 200
    assert call(form(sent, signature_for(TOKEN, URL, sent)))["statusCode"] == 403


@pytest.mark.parametrize("name", ["API_WEBHOOK_URL", "PREVIOUS_WEBHOOK_URL"])
def test_while_the_url_moves_the_other_configured_one_is_taken_too(
    topic: Topic, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    other = "https://old.example.com/webhook"
    sent = params()
    request = form(sent, signature_for(TOKEN, other, sent))
    assert call(request)["statusCode"] == 403

    monkeypatch.setenv(name, f"{other}#rc=3")
    importlib.reload(webhook)

    assert call(request)["statusCode"] == 200
    assert call(form(sent))["statusCode"] == 200
    assert (
        call(form(sent, signature_for(TOKEN, "https://evil.example.com/webhook", sent)))["statusCode"] == 403
    )


def test_when_sns_refuses_twilio_is_asked_to_try_again(topic: Topic) -> None:
    topic.sns.delete_topic(TopicArn=topic.arn)

    assert call(form(params()))["statusCode"] == 503


def test_a_missing_setting_is_503_and_no_message_is_taken(
    topic: Topic, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PUBLIC_WEBHOOK_URL")
    importlib.reload(webhook)

    assert call(form(params()))["statusCode"] == 503
    assert topic.published() == []


NAMES = st.text(st.characters(codec="utf-8"), min_size=1, max_size=20)
VALUES = st.text(st.characters(codec="utf-8"), max_size=100)


@given(others=st.dictionaries(NAMES, VALUES, max_size=8))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
def test_no_parameter_of_twilios_breaks_it(topic: Topic, others: dict[str, str]) -> None:
    sent = {**others, "MessageSid": new_sid()}

    answer = call(form(sent))

    assert answer["statusCode"] == 200
    assert decode(topic.published()[0]["Message"]).params == sent


@given(
    body=st.binary(max_size=300),
    content_type=st.sampled_from([FORM, "application/json", "text/plain", ""]) | st.text(max_size=20),
    signature=st.text(max_size=30),
    query=st.text(max_size=40).map(quote) | st.text(max_size=40),
    encoded=st.booleans(),
)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
def test_no_byte_string_makes_it_answer_5xx_or_200(
    topic: Topic, *, body: bytes, content_type: str, signature: str, query: str, encoded: bool
) -> None:
    headers = {"content-type": content_type, "x-twilio-signature": signature}
    raw = base64.b64encode(body).decode() if encoded else body.decode("latin-1")
    request = event("", headers, query) | {"body": raw, "isBase64Encoded": encoded}

    assert call(request)["statusCode"] == 403


@given(body=st.binary(max_size=300), content_type=st.sampled_from([FORM, "application/json", "text/plain"]))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
def test_a_signed_byte_string_never_makes_it_answer_5xx(topic: Topic, body: bytes, content_type: str) -> None:
    url = url_for_body(URL, body)
    found = webhook_parameters(body) if content_type == FORM else {}
    headers = {"content-type": content_type, "x-twilio-signature": signature_for(TOKEN, url, found)}

    status = call(event(body, headers, url.partition("?")[2], encoded=True))["statusCode"]

    assert status in (200, 400, 415)
    topic.published()


def webhook_parameters(body: bytes) -> dict[str, str]:
    from lambdas.webhook_handler.request import form_parameters

    return dict(form_parameters(body))


def test_a_rejected_request_is_logged_with_the_id_that_it_claims(
    topic: Topic, caplog: pytest.LogCaptureFixture
) -> None:
    sent = params()
    call(form(sent, "AAAA"))

    (record,) = (record for record in caplog.records if record.message == "Request rejected")
    assert vars(record)["message_id"] == message_id_for(sent["MessageSid"])
    assert vars(record)["message_sid"] == sent["MessageSid"]
    assert vars(record)["reason"] == "the signature does not match"


def test_a_published_message_is_logged_with_the_id_that_sns_gave_it(
    topic: Topic, caplog: pytest.LogCaptureFixture
) -> None:
    sent = params()
    with caplog.at_level("INFO"):
        call(form(sent))

    (record,) = (record for record in caplog.records if record.message == "Message published")
    (published,) = topic.published()
    assert vars(record)["sns_message_id"] == published["MessageId"]
    assert vars(record)["message_sid"] == sent["MessageSid"]


def test_what_a_request_calls_a_sid_is_logged_only_when_it_looks_like_one(
    topic: Topic, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level("INFO"):
        call(form(params(MessageSid="+1 500 555 0006"), "AAAA"))
        call(json_event({"test": "x", "MessageSid": "+1 500 555 0006"}))

    rejected, published = (vars(record) for record in caplog.records if record.name == webhook.__name__)
    assert (rejected["message_id"], rejected["message_sid"]) == (None, None)
    assert published["message_sid"] is None


def test_a_message_that_sns_refused_is_logged_with_its_ids(
    topic: Topic, caplog: pytest.LogCaptureFixture
) -> None:
    topic.sns.delete_topic(TopicArn=topic.arn)
    sent = params()
    call(form(sent))

    (record,) = (vars(record) for record in caplog.records if record.message == "Message not published")
    assert record["message_sid"] == sent["MessageSid"]
    assert record["message_id"] == message_id_for(sent["MessageSid"])


@pytest.mark.parametrize(("to", "priority"), [("whatsapp:+15005550001", "high"), ("+15005550002", "normal")])
def test_what_is_sent_to_certain_numbers_has_high_priority_however_it_comes(
    topic: Topic, monkeypatch: pytest.MonkeyPatch, to: str, priority: str
) -> None:
    monkeypatch.setenv("HIGH_PRIORITY_NUMBERS", "12345, +15005550001")
    importlib.reload(webhook)

    for request in (form(params(To=to)), json_event(params(To=to)), json_event({"test": "x", "To": to})):
        assert call(request)["statusCode"] == 200

    found = [one["MessageAttributes"]["priority"]["Value"] for one in topic.published()]
    assert found == [priority] * 3
