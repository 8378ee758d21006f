"""The checks of a pair: two worlds side by side. tests/local/test_pair.py has two real ones."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from b2bpilot.aws.schedules import Schedule
from b2bpilot.local.twilio.server import TwilioDouble
from b2bpilot.ops.asking import InquiryAnswer
from b2bpilot.ops.publish.routes import PublishResult
from b2bpilot.ops.sending.result import SendOutcome
from b2bpilot.ops.verify.check import CheckResult, Status
from b2bpilot.ops.verify.checks import pair
from b2bpilot.ops.verify.checks.pair import RowAcross
from b2bpilot.ops.verify.deployment import Choices, Deployment
from b2bpilot.ops.verify.end_to_end_message import SecondSending
from b2bpilot.twilio.webhook_setting import PAIR_OVERRIDES, RECOMMENDED_OVERRIDES
from tests.breaking import breaks
from tests.ops.verify.deployments import STACK, TWILIO_SECRET, deployment, look
from tests.ops.verify.settings import function
from tests.twilio.double import ACCOUNT_SID, TOKEN, add_number, running_double

HERE = replace(STACK, pair_region="eu-central-1")
THERE = replace(
    STACK, region="eu-central-1", pair_region="eu-west-1", webhook_url="https://hooks2.example.com/webhook"
)
TEMPLATE = "Resources: {Topic: {Type: 'AWS::SNS::Topic', Properties: {TopicName: b2b}}}"
SCHEDULE = Schedule(
    name="stale", description="", expression="rate(1 minute)", is_enabled=True, target={},
    created_at=datetime(2026, 1, 1, tzinfo=UTC),
)  # fmt: skip
SECRET = {"TWILIO_ACCOUNT_SID": ACCOUNT_SID, "TWILIO_AUTH_TOKEN": TOKEN}
CODES = [check.code for check in pair.CHECKS]


def across_with(events: dict[str, int] | None, *, is_found: bool = True, taken: bool = True) -> RowAcross:
    outcome = SendOutcome.ACCEPTED if taken else SendOutcome.NOT_SENT
    sent = PublishResult(outcome=outcome, error=None if taken else "the webhook answered 403")
    second = SecondSending(sent=sent, rows=1, events=events, log_error=None if events else "no permission")
    return RowAcross(message_id="0d2c7a52-6a2b-5b0f-8f43-0f9b6f1f3c11", is_found=is_found, second=second)


def world(stack: Any, known: dict[Any, Any], **settings: Any) -> Deployment:
    same = {"stack": stack, "template": TEMPLATE, "schedule": SCHEDULE, TWILIO_SECRET: SECRET}
    webhook = function(stack.webhook_function_name)
    environment = {"PUBLIC_WEBHOOK_URL": stack.webhook_url}
    same[("function", webhook.name)] = replace(webhook, environment=environment)
    return deployment(known={**same, **known}, **settings)


def looked_at(
    *, here: dict[Any, Any] | None = None, there: dict[Any, Any] | None = None, **settings: Any
) -> dict[str, CheckResult]:
    choices = {"choices": Choices(with_twilio=True), **settings}
    mine = world(HERE, {"row across": across_with({"duplicate": 1}), **(here or {})}, **choices)
    mine.other = InquiryAnswer(value=world(THERE, there or {}, **choices))
    return look(CODES, mine)


def red(**settings: Any) -> dict[str, CheckResult]:
    found = looked_at(here={"pair's numbers": [], **settings.pop("here", {})}, **settings)
    return {code: one for code, one in found.items() if one.status in (Status.FAILED, Status.WARNING)}


def test_two_sides_that_are_alike_are_all_right() -> None:
    assert red() == {}


@breaks("B2B200")
def test_a_side_that_does_not_answer_is_named_and_nothing_else_is_asked_of_it() -> None:
    mine = world(HERE, {})
    mine.other = InquiryAnswer(error="no environment 'staging': stack b2b-pilot-staging does not exist")
    found = look(CODES, mine)

    assert found["B2B200"].status is Status.FAILED
    assert found["B2B200"].seen.startswith("eu-central-1 does not answer: no environment 'staging'")
    assert {one.status for code, one in found.items() if code != "B2B200"} == {Status.SKIPPED}


@breaks("B2B201")
@pytest.mark.parametrize(("named", "seen"), [("", "names no pair"), ("us-east-1", "names us-east-1")])
def test_a_side_that_does_not_name_this_one_is_found(named: str, seen: str) -> None:
    found = red(there={"stack": replace(THERE, pair_region=named)})

    assert list(found) == ["B2B201"]
    assert found["B2B201"].seen == f"eu-central-1 {seen}: deploy it with PairRegion=eu-west-1"


@breaks("B2B202")
def test_another_template_is_found_with_what_differs_and_another_spelling_is_none() -> None:
    found = red(there={"template": TEMPLATE.replace("b2b", "other")})
    spelled = '{"Resources": {"Topic": {"Properties": {"TopicName": "b2b"}, "Type": "AWS::SNS::Topic"}}}'

    assert list(found) == ["B2B202"]
    assert found["B2B202"].seen.endswith("differ: Resources.Topic.Properties.TopicName")
    assert red(there={"template": spelled}) == {}


@breaks("B2B203")
@pytest.mark.parametrize(
    ("across", "status", "seen"),
    [
        (across_with({"stored": 1}, is_found=False), Status.FAILED, "stored there a second time"),
        (across_with({"stored": 1}), Status.FAILED, "stored there a second time"),
        (across_with(None, is_found=False), Status.FAILED, "not in it"),
        (across_with(None), Status.WARNING, "is not known: no permission"),
        (across_with({"duplicate": 1}, is_found=False), Status.WARNING, "seen from here, does not"),
        (across_with({"duplicate": 1}, taken=False), Status.FAILED, "did not take test message"),
    ],
)
def test_another_database_is_told_by_the_row(across: RowAcross, status: Status, seen: str) -> None:
    """The strings that lead to both are the same: here neither side's secret has any."""
    found = red(here={"row across": across})

    assert {code: one.status for code, one in found.items()} == {"B2B203": status}
    assert seen in found["B2B203"].seen


def test_a_message_that_this_side_did_not_store_says_nothing_of_the_other_one() -> None:
    found = looked_at(here={"row across": RowAcross(message_id="1"), "pair's numbers": []})

    assert found["B2B203"].status is Status.SKIPPED


@breaks("B2B204")
@pytest.mark.parametrize(("token", "seen"), [("f" * 32, "the tokens differ"), ("", "no TWILIO_AUTH_TOKEN")])
def test_another_token_is_found_and_neither_is_shown(token: str, seen: str) -> None:
    found = red(there={TWILIO_SECRET: {**SECRET, "TWILIO_AUTH_TOKEN": token}})

    assert list(found) == ["B2B204"]
    assert seen in found["B2B204"].seen
    assert TOKEN not in found["B2B204"].seen
    assert not token or token not in found["B2B204"].seen


@breaks("B2B207")
@pytest.mark.parametrize("schedule", [None, replace(SCHEDULE, is_enabled=False)])
def test_a_schedule_that_is_off_is_found_on_the_other_side_too(schedule: Schedule | None) -> None:
    found = red(there={"schedule": schedule})

    assert list(found) == ["B2B207"]
    assert found["B2B207"].seen.startswith("eu-central-1: ")


@pytest.fixture
def double() -> Iterator[TwilioDouble]:
    with running_double() as found:
        yield found


GOOD = {
    "sms_url": f"{HERE.webhook_url}#{PAIR_OVERRIDES}",
    "sms_method": "POST",
    "sms_fallback_url": f"{THERE.webhook_url}#{RECOMMENDED_OVERRIDES}",
    "sms_fallback_method": "POST",
}


def at_twilio(double: TwilioDouble) -> dict[str, CheckResult]:
    return looked_at(twilio_api_url=double.url)


def test_numbers_may_have_either_side_as_their_first(double: TwilioDouble) -> None:
    add_number(double, "+15005550001", **GOOD)
    swapped = {
        "sms_url": f"{THERE.webhook_url}#{PAIR_OVERRIDES}",
        "sms_fallback_url": f"{HERE.webhook_url}#{RECOMMENDED_OVERRIDES}",
    }
    add_number(double, "+15005550002", **{**GOOD, **swapped})
    found = at_twilio(double)

    assert {found[code].status for code in ("B2B205", "B2B206")} == {Status.OK}


def test_twilio_is_asked_with_with_twilio_only() -> None:
    found = looked_at(choices=Choices())["B2B205"]

    assert (found.status, found.seen) == (Status.SKIPPED, "Twilio is asked with --with-twilio")


@breaks("B2B205")
@pytest.mark.parametrize(
    ("wrong", "seen"),
    [
        ({"sms_fallback_url": ""}, "no fallback URL"),
        ({"sms_fallback_url": HERE.webhook_url}, "its fallback URL is eu-west-1's, as its first is"),
        ({"sms_fallback_url": "https://else.example.com/"}, "its fallback URL is another system's"),
        ({"sms_fallback_method": "GET"}, "Twilio calls its fallback URL with GET"),
        ({"sms_url": "https://else.example.com/"}, "only its fallback URL is a side's"),
    ],
)
def test_one_of_five_numbers_that_does_not_fall_back_is_named(
    double: TwilioDouble, wrong: dict[str, str], seen: str
) -> None:
    for last in range(1, 5):
        add_number(double, f"+1500555000{last}", **GOOD)
    sid = add_number(double, "+15005550005", **{**GOOD, **wrong})
    found = at_twilio(double)["B2B205"]

    assert found.status is Status.FAILED
    assert found.seen.startswith(f"1 of 5 numbers: number {sid}: {seen}")
    assert str(found.fix).endswith("--to stack --fallback pair")


@breaks("B2B206")
def test_settings_that_use_up_the_time_are_a_warning(double: TwilioDouble) -> None:
    add_number(double, "+15005550001", **{**GOOD, "sms_url": f"{HERE.webhook_url}#{RECOMMENDED_OVERRIDES}"})
    found = at_twilio(double)["B2B206"]

    assert found.status is Status.WARNING
    assert "up to 15 s for its first URL leave 0 s of 15" in found.seen


def test_numbers_of_other_systems_are_no_concern(double: TwilioDouble) -> None:
    add_number(double, "+15005550001", **GOOD)
    add_number(double, "+15005550002", sms_url="https://else.example.com/", sms_method="POST")

    assert at_twilio(double)["B2B205"].status is Status.OK


@pytest.mark.parametrize(
    ("events", "status"),
    [
        ({"duplicate": 1}, Status.WARNING),
        ({"duplicate": 2}, Status.OK),
        ({"duplicate": 1, "stored": 1}, Status.FAILED),
    ],
)
def test_one_database_is_not_told_by_one_of_two_processors(events: dict[str, int], status: Status) -> None:
    across = across_with(events)
    assert across.second is not None

    found = looked_at(here={"row across": replace(across, second=replace(across.second, each=2))})

    assert found["B2B203"].status is status
