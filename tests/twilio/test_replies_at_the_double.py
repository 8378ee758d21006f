"""Replies against the double and a real table: at most one per message, wherever the processor is killed."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from b2bpilot.errors import ReplyNotSent
from b2bpilot.local.twilio.faults import Fault, PlannedFault
from b2bpilot.local.twilio.server import TwilioDouble
from b2bpilot.local.twilio.store import ResourceFilter
from b2bpilot.pipeline.claim import Claim
from b2bpilot.pipeline.database import DatabaseManager
from b2bpilot.pipeline.delivery import Delivery
from b2bpilot.pipeline.message import PilotMessage, Source, message_id_for
from b2bpilot.pipeline.models import ReplyState, SubmissionStatus, UserSubmission
from b2bpilot.pipeline.processing import process
from b2bpilot.twilio.replies import TwilioReplier
from b2bpilot.twilio.samples import Sample, sample_params
from tests.clock import StillClock
from tests.twilio.double import ACCOUNT_SID, TOKEN, add_number

OURS, SENDER = "+15005550009", "+15005550006"
LEASE_OVER = timedelta(0)


class Killed(BaseException):
    """No `except Exception` sees it."""


class Mortal(DatabaseManager):
    """Dies before or after the named step, once."""

    dies: tuple[str, str] | None = None

    def _step(self, moment: str, name: str) -> None:
        if self.dies == (moment, name):
            self.dies = None
            raise Killed

    def begin_reply(self, claim: Claim) -> bool:
        self._step("before", "begin")
        began = super().begin_reply(claim)
        self._step("after", "begin")
        return began

    def end_reply(self, *arguments: Any, **named: Any) -> None:
        self._step("before", "end")
        super().end_reply(*arguments, **named)
        self._step("after", "end")

    def complete(self, *arguments: Any) -> float | None:
        self._step("before", "complete")
        latency = super().complete(*arguments)
        self._step("after", "complete")
        return latency


@pytest.fixture
def database(database_url: str) -> Iterator[Mortal]:
    with Mortal(database_url) as found:
        yield found


@pytest.fixture
def replier(double: TwilioDouble, clock: StillClock) -> TwilioReplier:
    add_number(double, OURS)
    return TwilioReplier(
        account_sid=ACCOUNT_SID,
        auth_token=TOKEN,
        text="Thank you!",
        api_url=double.url,
    )


@pytest.fixture
def delivery() -> Delivery:
    params = sample_params(Sample.TEXT, From=SENDER, To=OURS)
    message = PilotMessage(
        message_id=message_id_for(params["MessageSid"]),
        source=Source.TWILIO,
        received_at=datetime.now(UTC),
        params=params,
    )
    return Delivery(message=message, sns_message_id="1", published_at=None)


def replies(double: TwilioDouble) -> list[str]:
    found = double.store.all(ResourceFilter(kind="message", equal={"to_": SENDER}))
    return [each["body"] for each in found]


def row(database: DatabaseManager, delivery: Delivery) -> UserSubmission:
    found = database.get_submission_by_message_id(delivery.message.message_id)
    assert found is not None
    return found


@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize("step", ["begin", "end", "complete"])
def test_killed_at_any_step_and_taken_over_there_is_at_most_one_reply(
    double: TwilioDouble,
    database: Mortal,
    replier: TwilioReplier,
    *,
    delivery: Delivery,
    moment: str,
    step: str,
) -> None:
    database.dies = (moment, step)
    with pytest.raises(Killed):
        process(delivery, database=database, replier=replier, lease=LEASE_OVER)

    for _ in range(2):
        process(delivery, database=database, replier=replier, lease=LEASE_OVER)

    found = row(database, delivery)
    is_in_doubt = (moment, step) in {("after", "begin"), ("before", "end")}
    assert found.status is SubmissionStatus.COMPLETED
    assert found.reply_state is (ReplyState.UNKNOWN if is_in_doubt else ReplyState.SENT)
    assert replies(double) == ([] if (moment, step) == ("after", "begin") else ["Thank you!"])


def test_throttling_is_waited_for(
    double: TwilioDouble, database: Mortal, replier: TwilioReplier, delivery: Delivery
) -> None:
    double.faults.plan(PlannedFault(fault=Fault.REFUSE, matching="POST", status=429, code=20429, times=3))

    process(delivery, database=database, replier=replier, lease=LEASE_OVER)

    assert row(database, delivery).reply_state is ReplyState.SENT
    assert replies(double) == ["Thank you!"]


def test_throttling_for_long_is_tried_again_by_the_next_attempt(
    double: TwilioDouble, database: Mortal, replier: TwilioReplier, delivery: Delivery
) -> None:
    double.faults.plan(PlannedFault(fault=Fault.REFUSE, matching="POST", status=429, code=20429, times=4))

    with pytest.raises(ReplyNotSent):
        process(delivery, database=database, replier=replier, lease=LEASE_OVER)
    process(delivery, database=database, replier=replier, lease=LEASE_OVER)

    assert row(database, delivery).reply_state is ReplyState.SENT
    assert replies(double) == ["Thank you!"]


@pytest.mark.parametrize("code", [21610, 21211])
def test_what_twilio_will_never_send_is_recorded_and_final(
    double: TwilioDouble, database: Mortal, replier: TwilioReplier, *, delivery: Delivery, code: int
) -> None:
    if code == 21610:
        double.opt_out(SENDER)
    else:
        double.faults.plan(PlannedFault(fault=Fault.REFUSE, matching="POST", status=400, code=21211))

    for _ in range(2):
        process(delivery, database=database, replier=replier, lease=LEASE_OVER)

    found = row(database, delivery)
    assert (found.status, found.reply_state) == (SubmissionStatus.COMPLETED, ReplyState.REFUSED)
    assert reply_error(database) == f"Twilio answered 400, error {code}"
    assert sum(request.startswith("POST") for request in double.requests) == 1


@pytest.mark.parametrize("fault", [Fault.DROP, Fault.CUT, Fault.GARBAGE])
def test_an_answer_that_got_lost_is_marked_for_a_person_and_nothing_is_sent_again(
    double: TwilioDouble, database: Mortal, replier: TwilioReplier, *, delivery: Delivery, fault: Fault
) -> None:
    double.faults.plan(PlannedFault(fault=fault, matching="POST"))

    for _ in range(2):
        process(delivery, database=database, replier=replier, lease=LEASE_OVER)

    assert row(database, delivery).reply_state is ReplyState.UNKNOWN
    assert replies(double) == ["Thank you!"]


@pytest.mark.parametrize("status", [408, 499, 502])
def test_a_timeout_of_somebody_s_is_marked_for_a_person_and_nothing_is_sent_again(
    double: TwilioDouble, database: Mortal, replier: TwilioReplier, *, delivery: Delivery, status: int
) -> None:
    double.faults.plan(PlannedFault(fault=Fault.PAGE, matching="POST", status=status))

    for _ in range(2):
        process(delivery, database=database, replier=replier, lease=LEASE_OVER)

    found = row(database, delivery)
    assert (found.status, found.reply_state) == (SubmissionStatus.COMPLETED, ReplyState.UNKNOWN)
    assert sum(request.startswith("POST") for request in double.requests) == 1


def test_no_log_names_the_number_whatever_twilio_says(
    double: TwilioDouble,
    database: Mortal,
    replier: TwilioReplier,
    *,
    delivery: Delivery,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    double.faults.plan(PlannedFault(fault=Fault.REFUSE, matching="POST", status=404, code=20404))

    with pytest.raises(ReplyNotSent) as raised:
        process(delivery, database=database, replier=replier, lease=LEASE_OVER)
    process(delivery, database=database, replier=replier, lease=LEASE_OVER)

    said = caplog.text + "".join(map(str, (raised.value, raised.value.__cause__)))
    assert "reply_sent" in {getattr(record, "event", None) for record in caplog.records}
    for secret in (SENDER[1:], OURS[1:], TOKEN):
        assert secret not in said


def reply_error(database: DatabaseManager) -> object:
    with database.connection.use() as connection:
        (found,) = connection.execute("SELECT reply_error FROM b2b_pilot_user_submissions").fetchone() or (
            None,
        )
    return found
