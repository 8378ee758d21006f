"""What the end to end says of a test message that did not get through. tests/local/test_verify.py sends real ones."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, cast

import pytest

from b2bpilot.aws.logs import LogLine
from b2bpilot.errors import AwsError, DatabaseUnreachable
from b2bpilot.ops.environment import Environment
from b2bpilot.ops.publish.compose import TEST_PARAMS
from b2bpilot.ops.publish.echo import deliveries_of_one, listen
from b2bpilot.ops.publish.proof import PublishedRow, Waited
from b2bpilot.ops.publish.routes import PublishResult, Via, WebhookRoute
from b2bpilot.ops.sending.result import SendOutcome
from b2bpilot.ops.table.row_proof import Proven, RowOutcome
from b2bpilot.ops.table.row_state import Asked
from b2bpilot.ops.verify.check import CheckResult, Status
from b2bpilot.ops.verify.deployment import Choices
from b2bpilot.ops.verify.end_to_end_message import EndToEndMessage, FirstSending, Removal, SecondSending
from b2bpilot.twilio.webhook import WebhookClient
from tests.breaking import breaks
from tests.ops.verify.deployments import NOW, STACK, TWILIO_SECRET, WITH_LANE, deployment, seen

ACCEPTED = PublishResult(outcome=SendOutcome.ACCEPTED)
REFUSED = PublishResult(outcome=SendOutcome.NOT_SENT, error="the webhook answered 403")


@dataclass
class Away:
    """A test message that is over already."""

    removal: Removal
    message_id: str = "0d2c7a52-6a2b-5b0f-8f43-0f9b6f1f3c11"

    def remove(self) -> Removal:
        return self.removal


def at_end_to_end(code: str, **known: Any) -> CheckResult:
    removal = Removal(rows=1, is_certain=True)
    names = {name.replace("_", " "): value for name, value in known.items()}
    return seen(code, deployment(known={"test message": Away(removal), **names}))


@breaks("B2B096")
def test_a_message_that_nobody_took_is_found() -> None:
    found = at_end_to_end("B2B096", first_sending=FirstSending(via=Via.WEBHOOK, sent=REFUSED))

    assert found.status is Status.FAILED
    assert "the webhook answered 403" in found.seen
    assert found.may_change


@breaks("B2B096")
def test_a_message_without_a_row_is_found_with_its_id() -> None:
    nothing = PublishedRow(proven=Proven(message=Asked("x", test=True), outcome=RowOutcome.OPEN))
    first = FirstSending(via=Via.TOPIC, sent=ACCEPTED, waited=Waited(published=nothing))

    found = at_end_to_end("B2B096", first_sending=first)

    assert found.status is Status.FAILED
    assert "0d2c7a52-6a2b-5b0f-8f43-0f9b6f1f3c11, sent through the topic, was not stored" in found.seen


@breaks("B2B097")
def test_a_second_row_is_found() -> None:
    second = SecondSending(sent=ACCEPTED, rows=2, events={"stored": 2})

    found = at_end_to_end("B2B097", second_sending=second)

    assert (found.status, found.may_change) == (Status.FAILED, False)
    assert "has 2 rows" in found.seen


@breaks("B2B097")
def test_a_second_sending_that_nobody_took_is_found() -> None:
    found = at_end_to_end("B2B097", second_sending=SecondSending(sent=REFUSED, rows=1, events={}))

    assert found.status is Status.FAILED


@pytest.mark.parametrize("events", [None, {"stored": 1}])
def test_a_duplicate_that_nobody_saw_is_not_called_ok(events: dict[str, int] | None) -> None:
    second = SecondSending(sent=ACCEPTED, rows=1, events=events, log_error="denied")

    assert at_end_to_end("B2B097", second_sending=second).status is Status.SKIPPED


@breaks("B2B099")
def test_a_row_that_may_come_back_is_told_of() -> None:
    second = SecondSending(sent=ACCEPTED, rows=1, events={"stored": 1, "duplicate": 1})
    away = Away(Removal(rows=1, is_certain=False))
    at = deployment(known={"test message": away, "second sending": second})

    found = seen("B2B099", at)

    assert found.status is Status.WARNING
    assert "may come back" in found.seen


def test_nothing_is_sent_when_it_was_left_out() -> None:
    at = deployment(choices=Choices(end_to_end=False, because="skipped with --no-e2e"))

    found = seen("B2B096", at)

    assert (found.status, found.seen) == (Status.SKIPPED, "skipped with --no-e2e")
    assert at.test_messages == {}


def test_nothing_is_sent_when_the_database_does_not_answer() -> None:
    told: list[str] = []
    at = deployment(given_database_url="postgresql://127.0.0.1:1/none", tell=told.append)
    message = EndToEndMessage(at)

    with pytest.raises(DatabaseUnreachable):
        message.send()

    assert told == []
    assert message.remove() == Removal(rows=0, is_certain=True)


def test_without_the_token_the_message_goes_through_the_topic() -> None:
    assert EndToEndMessage(deployment(known={TWILIO_SECRET: {"TWILIO_AUTH_TOKEN": "t"}})).via is Via.WEBHOOK
    assert EndToEndMessage(deployment(known={TWILIO_SECRET: {}})).via is Via.TOPIC
    assert EndToEndMessage(deployment(known={TWILIO_SECRET: AwsError("denied")})).via is Via.TOPIC


@pytest.mark.parametrize(("duplicates", "status"), [(1, Status.SKIPPED), (2, Status.OK), (3, Status.OK)])
def test_the_express_run_of_the_first_sending_is_not_taken_for_the_second(
    duplicates: int, status: Status
) -> None:
    second = SecondSending(sent=ACCEPTED, rows=1, events={"stored": 1, "duplicate": duplicates}, each=2)

    assert at_end_to_end("B2B097", second_sending=second).status is status


@pytest.mark.parametrize(("numbers", "expected"), [("", 1), (TEST_PARAMS["To"], 2)])
def test_an_urgent_sending_is_a_delivery_for_each_processor_before_any_log_has_spoken(
    numbers: str, expected: int
) -> None:
    at = deployment(known={"stack": replace(WITH_LANE, high_priority_numbers=numbers)})
    environment = Environment(name="staging", access=at.access, stack=at.stack)
    message = EndToEndMessage(at).message
    webhook = WebhookRoute(never_connects, high_priority_numbers=at.stack.high_priority_numbers)

    assert deliveries_of_one(environment, webhook.priority_of(message)) == expected
    assert deliveries_of_one(replace(environment, stack=STACK), webhook.priority_of(message)) == 1


def test_the_echo_waits_for_the_express_log() -> None:
    """Its line comes last: two deliveries of four are not all."""
    line = LogLine(at=NOW, text='{"event": "duplicate", "message_id": "m"}')
    processor, express = ALog([[line, line]] * 2), ALog([[], [line, line]])

    heard = listen(cast("Any", [processor, express]), {"m": 4}, since=NOW, now=lambda: NOW)

    assert heard.events["m"] == {"duplicate": 4}


def never_connects() -> WebhookClient:
    raise AssertionError


@dataclass
class ALog:
    """What each look at it finds."""

    looks: list[list[LogLine]]

    def lines_with(self, text: str, **_: object) -> list[LogLine]:
        return self.looks.pop(0)
