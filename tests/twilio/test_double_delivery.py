"""How the double calls a webhook: as Twilio documents it, faults of the webhook included."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from twilio.request_validator import RequestValidator

from b2bpilot.local.twilio.server import TwilioDouble
from b2bpilot.local.twilio.store import ResourceFilter
from tests.twilio.double import TOKEN, add_application, add_number, add_service
from tests.twilio.webhook import Given, Server, running_webhook

OURS, THEIRS = "+15005550009", "+15005550006"
PARAMS = {"MessageSid": "SM" + "1" * 32, "From": THEIRS, "To": OURS, "Body": "hello", "FromZip": ""}
REFUSED = "http://127.0.0.1:9"


@pytest.fixture
def webhook() -> Iterator[Server]:
    with running_webhook() as found:
        yield found


def alerts(double: TwilioDouble) -> list[tuple[str, str]]:
    """Return error codes and URLs, the first one first."""
    found = double.store.all(ResourceFilter(kind="alert"))
    return [(each["error_code"], each["request_url"]) for each in reversed(found)]


def receive(double: TwilioDouble, **settings: Any) -> bool:
    """Let a message come to a number with these settings."""
    add_number(double, OURS, **settings)
    return double.receive(PARAMS)


def test_a_post_has_the_parameters_in_its_form_and_a_signature(double: TwilioDouble, webhook: Server) -> None:
    assert receive(double, sms_url=f"{webhook.url}/in?team=a#rc=3")

    (taken,) = webhook.taken
    assert (taken.method, taken.url, taken.params) == ("POST", f"{webhook.url}/in?team=a", PARAMS)
    assert RequestValidator(TOKEN).validate(taken.url, taken.params, taken.signature)


def test_a_get_has_the_parameters_in_its_query_and_signs_the_url(
    double: TwilioDouble, webhook: Server
) -> None:
    assert receive(double, sms_url=f"{webhook.url}/in?team=a", sms_method="GET")

    (taken,) = webhook.taken
    assert (taken.method, taken.params) == ("GET", {"team": "a", **PARAMS})
    assert RequestValidator(TOKEN).validate(taken.url, {}, taken.signature)


@pytest.mark.parametrize(
    ("given", "code"),
    [
        (Given(), None),
        (Given(status=204, content_type=None), None),
        (Given(body="", content_type="text/html"), None),
        (Given(body="Thank you!", content_type="text/plain; charset=utf-8"), None),
        (Given(body="{}", content_type="application/json"), "12300"),
        (Given(content_type=None), "11200"),
        (Given(body="<Response>"), "12100"),
        (Given(body="<html></html>", content_type="text/html"), "12100"),
        (Given(status=404), "11200"),
        (Given(status=503), "11200"),
        (Given(status=304), "11216"),
        (Given(status=302), "11216"),
        (Given(status=0), "11200"),
    ],
)
def test_an_answer_is_judged_as_twilio_does_it(
    double: TwilioDouble, webhook: Server, given: Given, code: str | None
) -> None:
    webhook.answers = [given]

    assert receive(double, sms_url=webhook.url) is (code is None)

    assert [found for found, _ in alerts(double)] == ([code] if code else [])
    assert len(webhook.taken) == 1


def test_what_is_stored_and_answered_wrongly_goes_to_the_fallback_too(
    double: TwilioDouble, webhook: Server
) -> None:
    webhook.answers = [Given(body="{}", content_type="application/json"), Given()]

    assert receive(double, sms_url=f"{webhook.url}/first", sms_fallback_url=f"{webhook.url}/second")

    first, second = webhook.taken
    assert first.params == PARAMS
    assert second.params == {**PARAMS, "ErrorCode": "12300", "ErrorUrl": f"{webhook.url}/first"}


@pytest.mark.parametrize(
    ("status", "method", "params"),
    [(301, "GET", {}), (302, "GET", {}), (303, "GET", {}), (307, "POST", PARAMS)],
)
def test_a_redirect_is_followed(
    double: TwilioDouble, webhook: Server, status: int, method: str, params: dict[str, str]
) -> None:
    webhook.answers = [Given(status=status, location="/there"), Given()]

    assert receive(double, sms_url=f"{webhook.url}/here")

    taken = webhook.taken[1]
    assert (taken.method, taken.url, taken.params) == (method, f"{webhook.url}/there", params)
    assert RequestValidator(TOKEN).validate(taken.url, taken.params, taken.signature)


def test_redirects_without_an_end_are_an_error(double: TwilioDouble, webhook: Server) -> None:
    webhook.answers = [Given(status=302, location="/round")]

    assert not receive(double, sms_url=webhook.url)

    assert [code for code, _ in alerts(double)] == ["11215"]


@pytest.mark.parametrize(
    ("overrides", "given", "requests"),
    [
        ("", Given(status=503), 1),
        ("rt=100", Given(seconds=0.5), 1),
        ("rc=3", Given(status=503), 1),
        ("rc=2&rp=5xx", Given(status=503), 3),
        ("rc=2&rp=4xx", Given(status=503), 1),
        ("rc=2&rp=4xx", Given(status=404), 3),
        ("rc=1&rp=all", Given(status=0), 2),
        ("rc=1&rp=rt&rt=100", Given(seconds=0.5), 2),
        ("rc=5&rp=all", Given(body="{}", content_type="application/json"), 1),
    ],
)
def test_a_webhook_is_called_again_only_as_its_overrides_say(
    double: TwilioDouble, webhook: Server, overrides: str, given: Given, requests: int
) -> None:
    webhook.answers = [given]

    assert not receive(double, sms_url=f"{webhook.url}#{overrides}")

    assert len(webhook.taken) == requests


def test_the_total_time_ends_the_tries_before_their_number_does(
    double: TwilioDouble, webhook: Server
) -> None:
    """Six tries of 100 ms each would fit without it; how many fit into it is up to the machine, and never more than three."""
    webhook.answers = [Given(seconds=0.5)]

    assert not receive(double, sms_url=f"{webhook.url}#rc=5&rp=all&rt=100&tt=250")

    assert 1 <= len(webhook.taken) <= 3


def test_all_tries_together_have_their_time(double: TwilioDouble, webhook: Server) -> None:
    webhook.answers = [Given(seconds=0.5)]

    assert not receive(double, sms_url=f"{webhook.url}#rc=5&rp=all&rt=15000&tt=100")

    assert [code for code, _ in alerts(double)] == ["11203"]
    assert len(webhook.taken) == 1


@pytest.mark.parametrize(
    "overrides",
    ["rc=9", "rc=-1", "rc=", "rp=5xx,foo", "rp=", "ct=1", "rt=99999", "tt=20000", "sni=x", "rc=\u0663"],
)
def test_an_override_that_is_none_is_an_error_and_the_url_is_not_called(
    double: TwilioDouble, webhook: Server, overrides: str
) -> None:
    assert not receive(double, sms_url=f"{webhook.url}#{overrides}")

    assert alerts(double) == [("11243", webhook.url)]
    assert webhook.taken == []


def test_a_connection_that_nobody_takes_is_an_error(double: TwilioDouble) -> None:
    assert not receive(double, sms_url=REFUSED)

    assert alerts(double) == [("11205", REFUSED)]


@pytest.mark.parametrize(("service_first", "decides"), [(False, "application"), (True, "service")])
def test_either_an_application_or_a_service_decides_where_both_are_set(
    double: TwilioDouble, webhook: Server, *, service_first: bool, decides: str
) -> None:
    application = add_application(double, sms_url=f"{webhook.url}/application")
    number = add_number(double, OURS, sms_url=f"{webhook.url}/number", sms_application_sid=application)
    add_service(double, number, inbound_request_url=f"{webhook.url}/service")
    double.decide_by_service(first=service_first)

    assert double.receive(PARAMS)

    assert [each.url for each in webhook.taken] == [f"{webhook.url}/{decides}"]


def test_while_the_webhook_is_called_the_message_is_being_received(
    double: TwilioDouble, webhook: Server
) -> None:
    assert receive(double, sms_url=webhook.url)

    found = double.store.get("message", PARAMS["MessageSid"])
    before = double.store.as_before(found or {})
    assert (before["status"], before["date_sent"]) == ("receiving", None)
    assert found is not None
    assert (found["status"], found["date_sent"]) == ("received", found["date_created"])
