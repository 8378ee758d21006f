"""The checks of Twilio, against a double of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from b2bpilot.local.twilio.server import TwilioDouble
from b2bpilot.ops.verify.check import CheckResult, Status
from b2bpilot.ops.verify.checks import twilio
from b2bpilot.ops.verify.deployment import Choices
from tests.breaking import breaks
from tests.ops.verify.deployments import STACK, TWILIO_SECRET, deployment, look
from tests.ops.verify.settings import function
from tests.twilio.double import (
    ACCOUNT_SID,
    TOKEN,
    add_application,
    add_number,
    add_service,
    running_double,
)

CODES = [check.code for check in twilio.CHECKS]
NUMBER = "+15005550001"
PREVIOUS = "https://old.example.com/webhook"
OVERRIDES = "#rc=3&rp=5xx,ct,rt&ct=2000&rt=4000"
GOOD = {
    "sms_url": STACK.webhook_url + OVERRIDES,
    "sms_method": "POST",
    "sms_fallback_url": "https://fallback.example.com/webhook",
}


@pytest.fixture
def double() -> Iterator[TwilioDouble]:
    with running_double() as found:
        yield found


def looked_at(
    double: TwilioDouble, *, token: str = TOKEN, asked: bool = True, urgent: str = ""
) -> dict[str, CheckResult]:
    secret = {"TWILIO_ACCOUNT_SID": ACCOUNT_SID, "TWILIO_AUTH_TOKEN": token}
    webhook = function(STACK.webhook_function_name)
    environment = {**webhook.environment, "PREVIOUS_WEBHOOK_URL": PREVIOUS}
    stack = replace(STACK, high_priority_numbers=urgent)
    known = {
        "stack": stack,
        TWILIO_SECRET: secret,
        ("function", webhook.name): replace(webhook, environment=environment),
    }
    at = deployment(known=known, twilio_api_url=double.url, choices=Choices(with_twilio=asked))
    return look(CODES, at)


def red(double: TwilioDouble) -> dict[str, CheckResult]:
    found = looked_at(double)
    return {code: one for code, one in found.items() if one.status in (Status.FAILED, Status.WARNING)}


def test_a_number_that_is_set_well_is_all_right(double: TwilioDouble) -> None:
    add_number(double, NUMBER, **GOOD)

    assert {one.status for one in looked_at(double).values()} == {Status.OK}


def test_a_number_that_still_has_the_previous_url_comes_here_as_well(double: TwilioDouble) -> None:
    add_number(double, NUMBER, **{**GOOD, "sms_url": PREVIOUS + OVERRIDES})

    assert red(double) == {}


def test_twilio_is_not_asked_unless_it_was_wished(double: TwilioDouble) -> None:
    found = looked_at(double, asked=False)

    assert {one.status for one in found.values()} == {Status.SKIPPED}
    assert "--with-twilio" in found["B2B090"].seen


@breaks("B2B090")
def test_a_wrong_token_is_found_and_not_shown(double: TwilioDouble) -> None:
    found = looked_at(double, token="f" * 32)

    assert found["B2B090"].status is Status.FAILED
    assert "f" * 32 not in found["B2B090"].seen
    assert {one.status for code, one in found.items() if code != "B2B090"} == {Status.SKIPPED}


@breaks("B2B091")
def test_messages_that_go_elsewhere_are_found_also_when_the_number_s_own_url_is_right(
    double: TwilioDouble,
) -> None:
    sid = add_number(double, NUMBER, **GOOD)
    service = add_service(double, sid, inbound_request_url="https://old.example.com/sqs")

    found = red(double)

    assert list(found) == ["B2B091"]
    assert f"messaging service {service}" in found["B2B091"].seen
    assert (
        found["B2B091"].fix
        == f"b2bpilot twilio cutover -e staging --region eu-west-1 --to stack --service {service}"
    )


@breaks("B2B092")
def test_a_webhook_that_is_called_with_get_is_found(double: TwilioDouble) -> None:
    add_number(double, NUMBER, **{**GOOD, "sms_method": "GET"})

    assert list(red(double)) == ["B2B092"]


@breaks("B2B093")
@pytest.mark.parametrize("fallback", ["", STACK.webhook_url])
def test_a_missing_fallback_is_a_warning(double: TwilioDouble, fallback: str) -> None:
    add_number(double, NUMBER, **{**GOOD, "sms_fallback_url": fallback})

    found = red(double)

    assert list(found) == ["B2B093"]
    assert found["B2B093"].status is Status.WARNING


@breaks("B2B094")
@pytest.mark.parametrize(
    ("overrides", "seen"),
    [
        ("", "a 5xx is not tried again"),
        ("#rc=3&rp=5xx,ct,rt", "a timeout is not tried again"),
        ("#rc=9&rp=5xx,foo&ct=1&rt=99999", "rc=9 is not 0 to 5, rp=5xx,foo has foo"),
    ],
)
def test_a_url_without_the_overrides_that_it_needs_is_a_warning(
    double: TwilioDouble, overrides: str, seen: str
) -> None:
    add_number(double, NUMBER, **{**GOOD, "sms_url": STACK.webhook_url + overrides})

    found = red(double)

    assert list(found) == ["B2B094"]
    assert seen in found["B2B094"].seen


def test_a_fallback_url_with_what_is_no_override_is_a_warning(double: TwilioDouble) -> None:
    add_number(double, NUMBER, **{**GOOD, "sms_fallback_url": "https://fallback.example.com/webhook#rp=foo"})

    assert "in the fallback URL rp=foo has foo" in red(double)["B2B094"].seen


@breaks("B2B095")
def test_another_number_without_a_url_is_a_warning(double: TwilioDouble) -> None:
    add_number(double, NUMBER, **GOOD)
    add_number(double, "+15005550002", **{**GOOD, "sms_url": ""})

    assert list(red(double)) == ["B2B095"]


def test_an_application_decides_over_the_number(double: TwilioDouble) -> None:
    application = add_application(double, **GOOD)
    add_number(double, NUMBER, sms_url="https://old.example.com", sms_application_sid=application)

    assert red(double) == {}
    assert f"application {application}" in looked_at(double)["B2B091"].seen


@pytest.mark.parametrize(
    ("code", "setting"),
    [
        ("B2B092", {"sms_method": "GET"}),
        ("B2B093", {"sms_fallback_url": ""}),
        ("B2B094", {"sms_url": STACK.webhook_url}),
    ],
)
def test_what_leads_here_is_looked_at_also_where_it_is_unclear_whether_it_decides(
    double: TwilioDouble, code: str, setting: dict[str, str]
) -> None:
    application = add_application(double, **{**GOOD, **setting})
    sid = add_number(double, NUMBER, sms_application_sid=application)
    add_service(double, sid, inbound_request_url="https://old.example.com")

    found = red(double)

    assert list(found) == ["B2B091", code]
    assert f"application {application}" in found[code].seen


def test_of_an_account_without_phone_numbers_nothing_is_said_to_be_right_or_wrong(
    double: TwilioDouble,
) -> None:
    found = looked_at(double)

    assert found["B2B091"].status is Status.WARNING
    assert "not read: webhook rules, WhatsApp senders and short codes" in found["B2B091"].seen
    assert {found[code].status for code in ("B2B092", "B2B093", "B2B094", "B2B095")} == {Status.SKIPPED}


def test_where_no_number_comes_here_what_was_not_read_is_named(double: TwilioDouble) -> None:
    add_number(double, NUMBER, sms_url="https://old.example.com")

    assert "not read: webhook rules, WhatsApp senders" in looked_at(double)["B2B091"].seen


def test_only_of_a_service_without_a_url_it_is_said_that_nothing_is_kept(double: TwilioDouble) -> None:
    add_number(double, NUMBER, **GOOD)
    add_number(double, "+15005550002", **{**GOOD, "sms_url": ""})
    of_a_number = looked_at(double)["B2B095"].seen
    sid = add_number(double, "+15005550003", **GOOD)
    add_service(double, sid, inbound_request_url=None)

    assert "not delivered" in of_a_number
    assert "not kept" not in of_a_number
    assert "a service's is not kept either" in looked_at(double)["B2B095"].seen


def test_an_application_that_is_gone_is_not_to_be_fixed_by_a_cut_over_that_refuses_it(
    double: TwilioDouble,
) -> None:
    add_number(double, NUMBER, **GOOD)
    gone = "AP" + "0" * 32
    add_number(double, "+15005550002", **GOOD, sms_application_sid=gone)

    found = red(double)["B2B095"]

    assert f"application {gone} does not exist" in found.seen
    assert not found.fix


@pytest.mark.parametrize("to_here", ["application", "service"])
def test_where_an_application_and_a_service_differ_nobody_can_tell_whether_it_comes_here(
    double: TwilioDouble, to_here: str
) -> None:
    urls = {"application": "https://old.example.com", "service": "https://old.example.com"}
    urls[to_here] = GOOD["sms_url"]
    application = add_application(double, **{**GOOD, "sms_url": urls["application"]})
    sid = add_number(double, NUMBER, **GOOD, sms_application_sid=application)
    service = add_service(double, sid, inbound_request_url=urls["service"])

    found = looked_at(double)["B2B091"]

    assert found.status is Status.WARNING
    assert (
        f"of 1 it is unclear: application {application}, messaging service {service} are both set"
        in found.seen
    )
    assert f"--service {service}" in (found.fix or "")


def test_what_was_not_read_is_named_where_all_is_well(double: TwilioDouble) -> None:
    add_number(double, NUMBER, **GOOD)

    found = looked_at(double)

    for code in ("B2B091", "B2B094", "B2B095"):
        assert "not read: webhook rules, WhatsApp senders and short codes" in found[code].seen


@breaks("B2B195")
@pytest.mark.parametrize(
    ("urgent", "status", "told"),
    [
        ("", Status.OK, "HighPriorityNumbers names none"),
        (NUMBER, Status.OK, "1 of 1 number"),
        (
            f"12345, {NUMBER}",
            Status.OK,
            "1 of 2 numbers; not looked for: 12345, as short codes are not listed",
        ),
        (
            f"{NUMBER}, +15005559999",
            Status.WARNING,
            f"+15005559999: not found among the 1 number that were listed; {twilio.NOT_READ}",
        ),
    ],
)
def test_a_number_with_a_slip_in_it_is_told_of_those_with_high_priority(
    double: TwilioDouble, urgent: str, status: Status, told: str
) -> None:
    add_number(double, NUMBER, **GOOD)

    found = looked_at(double, urgent=urgent)["B2B195"]

    assert (found.status, found.seen, found.fix) == (status, told, None)
