"""What Twilio knows of a message, as `inspect` asks: a double answers, or nobody does."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from b2bpilot.errors import PilotError
from b2bpilot.local.twilio.faults import Fault, PlannedFault
from b2bpilot.local.twilio.request import DoubleAccount
from b2bpilot.local.twilio.resources import number
from b2bpilot.local.twilio.server import TwilioDouble
from b2bpilot.ops.inspect.source import MessageQuestion, SourceAnswer
from b2bpilot.ops.inspect.twilio_record import TwilioRecord
from b2bpilot.twilio.rest import TwilioAccess
from b2bpilot.twilio.samples import NUMBER, Sample, sample_params

NOW = datetime.now(UTC)
ACCOUNT = DoubleAccount(sid="AC" + "1" * 32, auth_token="token")  # the double's
NOBODY = "http://127.0.0.1:9/webhook?secret=1"


@pytest.fixture
def double() -> Iterator[TwilioDouble]:
    """Nobody listens where its number delivers."""
    found = TwilioDouble(ACCOUNT)
    found.store.put([number(ACCOUNT.sid, NUMBER, at=NOW, sms_url=NOBODY)])
    found.start()
    yield found
    found.stop()


def received(double: TwilioDouble, *, ago: timedelta = timedelta()) -> str:
    params = sample_params(Sample.TEXT, To=NUMBER, AccountSid=ACCOUNT.sid)
    double.receive(params, at=NOW - ago)
    return params["MessageSid"]


def ask(url: str, sid: str | None, *, seconds: float = 20, reply_sid: str | None = None) -> SourceAnswer:
    access = TwilioAccess(account_sid=ACCOUNT.sid, auth_token=ACCOUNT.auth_token, api_url=url)
    question = MessageQuestion(
        message_id="", ids=frozenset(), since=NOW, until=NOW, message_sid=sid, reply_sid=reply_sid
    )
    return TwilioRecord(connect=access.connect, now=NOW, seconds=seconds).ask(question)


def test_an_arrival_and_its_failed_webhook_call_are_told_without_the_urls_query(double: TwilioDouble) -> None:
    received(double)
    answer = ask(double.url, received(double))
    assert [moment.what for moment in answer.moments] == [
        "received it (status received)",
        "its webhook call failed: 11205, at http://127.0.0.1:9/webhook",
    ]
    assert answer.at_twilio is not None
    assert answer.at_twilio.received_at == NOW.replace(microsecond=0)
    assert [failure.code for failure in answer.webhook_failures] == ["11205"]


def test_alerts_that_twilio_no_longer_has_are_not_read_as_none(double: TwilioDouble) -> None:
    answer = ask(double.url, received(double, ago=timedelta(days=31)))
    assert (answer.note, answer.webhook_failures) == ("keeps alerts for 30 days only", ())


def test_alerts_that_cannot_be_read_leave_the_arrival(double: TwilioDouble) -> None:
    sid = received(double)
    double.faults.plan(PlannedFault(fault=Fault.REFUSE, matching="Alerts", status=403, code=20003, times=9))
    answer = ask(double.url, sid)
    assert [moment.what for moment in answer.moments] == ["received it (status received)"]
    assert answer.note is not None
    assert answer.note.startswith("list alerts: Twilio refused the token")


def test_a_message_and_a_reply_that_twilio_does_not_have_are_named(double: TwilioDouble) -> None:
    absent = ask(double.url, "SM" + "0" * 32)
    assert absent.note == "this environment's account has no such message"
    assert absent.at_twilio is not None
    assert absent.at_twilio.is_absent
    answer = ask(double.url, received(double), reply_sid="SM" + "0" * 32)
    assert answer.note == f"has no reply SM{'0' * 32}"


def test_a_message_without_a_date_is_said_to_have_none_and_is_no_failure(double: TwilioDouble) -> None:
    sid = received(double)
    double.store.change("message", sid, {"date_sent": None, "date_created": None})
    answer = ask(double.url, sid)
    assert (answer.moments, answer.at_twilio) == ((), None)
    assert answer.note == f"has {sid} without a date (inbound, status received)"


def test_a_refused_token_is_a_reason(double: TwilioDouble) -> None:
    double.faults.plan(PlannedFault(fault=Fault.REFUSE, status=401, code=20003, times=9))
    with pytest.raises(PilotError, match="Twilio refused the token"):
        ask(double.url, "SM" + "0" * 32)


def test_a_twilio_that_hangs_is_left_behind() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        with pytest.raises(PilotError, match=r"no answer within 0\.2 s"):
            ask(url, "SM" + "0" * 32, seconds=0.2)


def test_what_came_before_twilio_hung_is_kept(double: TwilioDouble) -> None:
    sid = received(double)
    double.faults.plan(PlannedFault(fault=Fault.REFUSE, matching="Alerts", status=429, code=20429, times=99))
    answer = ask(double.url, sid, seconds=2)
    assert [moment.what for moment in answer.moments] == ["received it (status received)"]
    assert answer.note == "no answer within 2 s"


def test_without_a_message_sid_it_is_not_asked() -> None:
    with pytest.raises(PilotError, match="its MessageSid is not known"):
        ask("http://127.0.0.1:9", None)
