"""The double against the SDK: what it answers is what the SDK's own resource classes read."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import requests
from twilio.base.exceptions import TwilioRestException
from twilio.rest import Client
from twilio.rest.api.v2010.account import AccountInstance
from twilio.rest.api.v2010.account.application import ApplicationInstance
from twilio.rest.api.v2010.account.incoming_phone_number import IncomingPhoneNumberInstance
from twilio.rest.api.v2010.account.message import MessageInstance
from twilio.rest.api.v2010.account.message.media import MediaInstance
from twilio.rest.messaging.v1.service import ServiceInstance
from twilio.rest.messaging.v1.service.phone_number import PhoneNumberInstance
from twilio.rest.monitor.v1.alert import AlertInstance

from b2bpilot.local.twilio import resources
from b2bpilot.local.twilio.faults import Fault, PlannedFault
from b2bpilot.local.twilio.server import TwilioDouble
from b2bpilot.twilio.rest import Twilio
from tests.twilio.double import ACCOUNT_SID, NOW, TOKEN, add_number, add_service

OURS, THEIRS = "+15005550009", "+15005550006"
SID = "SM" + "1" * 32


class Noted(dict[str, Any]):
    """A payload that notes which of its fields are read."""

    def __init__(self, payload: dict[str, Any]) -> None:
        super().__init__(payload)
        self.read: set[str] = set()

    def get(self, key: str, default: Any = None) -> Any:
        self.read.add(key)
        return super().get(key, default)


def number() -> dict[str, Any]:
    return resources.number(ACCOUNT_SID, OURS, at=NOW).document


@pytest.mark.parametrize(
    ("document", "read"),
    [
        (
            resources.message(
                ACCOUNT_SID, {"MessageSid": SID}, direction="inbound", at=NOW, status="received"
            ).document,
            lambda payload: MessageInstance(None, payload, account_sid=ACCOUNT_SID),
        ),
        (
            resources.media(ACCOUNT_SID, SID, "ME1", "image/png", at=NOW).document,
            lambda payload: MediaInstance(None, payload, account_sid=ACCOUNT_SID, message_sid=SID),
        ),
        (number(), lambda payload: IncomingPhoneNumberInstance(None, payload, account_sid=ACCOUNT_SID)),
        (
            resources.application(ACCOUNT_SID, "orders", at=NOW).document,
            lambda payload: ApplicationInstance(None, payload, account_sid=ACCOUNT_SID),
        ),
        (
            resources.service(ACCOUNT_SID, "orders", at=NOW, uses_number_webhook=True).document,
            lambda payload: ServiceInstance(None, payload),
        ),
        (
            resources.pool_number("MG1", number(), at=NOW).document,
            lambda payload: PhoneNumberInstance(None, payload, service_sid="MG1"),
        ),
        (
            resources.alert(
                ACCOUNT_SID,
                {
                    "error_code": "11200",
                    "request_url": "https://x",
                    "request_variables": "",
                    "resource_sid": SID,
                },
                at=NOW,
            ).document,
            lambda payload: AlertInstance(None, payload),
        ),
        (resources.account(ACCOUNT_SID, "active"), lambda payload: AccountInstance(None, payload)),
    ],
)
def test_every_field_of_a_resource_is_one_that_the_sdk_reads(
    document: dict[str, Any], read: Callable[[Noted], Any]
) -> None:
    noted = Noted(document)
    instance = read(noted)

    assert set(document) <= noted.read
    for name in noted.read:
        if name.startswith("date_"):
            assert isinstance(getattr(instance, name), datetime)


def inbound(double: TwilioDouble, count: int, *, at: datetime = NOW, to: str = OURS) -> Iterator[str]:
    for place in range(count):
        sid = resources.new_sid("SM")
        double.receive(
            {"MessageSid": sid, "From": THEIRS, "To": to, "Body": f"number {place}"},
            at=at + timedelta(seconds=place),
            deliver=False,
        )
        yield sid


def test_a_list_is_paged_newest_first_and_complete(double: TwilioDouble, twilio: Twilio) -> None:
    sids = list(inbound(double, 7))

    found = [each.sid for each in twilio.client.messages.stream(page_size=3)]

    assert found == sids[::-1]
    assert len(double.requests) == 3


def test_messages_are_filtered_by_whole_days_and_by_number(double: TwilioDouble, twilio: Twilio) -> None:
    yesterday, older = NOW - timedelta(days=1), NOW - timedelta(days=2)
    (wanted,) = inbound(double, 1, at=yesterday)
    list(inbound(double, 1, at=older))
    list(inbound(double, 1, at=NOW))
    list(inbound(double, 1, at=yesterday, to="+15005550008"))

    # The end of the day is asked for, its beginning would do.
    moment = yesterday.replace(hour=23, minute=59)
    found = twilio.client.messages.list(to=OURS, date_sent_after=moment, date_sent_before=moment)

    assert [each.sid for each in found] == [wanted]


def test_services_and_alerts_are_paged_with_absolute_urls(double: TwilioDouble, twilio: Twilio) -> None:
    numbers = [add_number(double, f"+1500555100{place}") for place in range(3)]
    service = add_service(double, *numbers)
    for _ in range(3):
        fields = {
            "error_code": "11200",
            "request_url": "https://x",
            "request_variables": "a=1",
            "resource_sid": SID,
        }
        double.store.put([resources.alert(ACCOUNT_SID, fields, at=NOW)])

    pool = twilio.client.messaging.v1.services(service).phone_numbers.list(page_size=2)
    alerts = twilio.client.monitor.v1.alerts.list(page_size=2)

    assert {each.sid for each in pool} == set(numbers)
    assert len(alerts) == 3
    assert {each.request_variables for each in alerts} == {None}
    assert twilio.client.monitor.v1.alerts(alerts[0].sid).fetch().request_variables == "a=1"


def test_alerts_are_forgotten_after_thirty_days(double: TwilioDouble, twilio: Twilio) -> None:
    fields = {"error_code": "11200", "request_url": "https://x", "request_variables": "", "resource_sid": SID}
    double.store.put([resources.alert(ACCOUNT_SID, fields, at=NOW - timedelta(days=31))])

    assert twilio.client.monitor.v1.alerts.list(start_date=datetime(2026, 1, 1, tzinfo=UTC)) == []


@pytest.mark.parametrize(
    ("ask", "status", "code"),
    [
        (lambda client: client.messages.create(to="+15005550001", from_=OURS, body="x"), 400, 21211),
        (lambda client: client.messages.create(to="+15005550004", from_=OURS, body="x"), 400, 21610),
        (lambda client: client.messages.create(to=THEIRS, from_=OURS), 400, 21602),
        (lambda client: client.messages.create(to=THEIRS, body="x"), 400, 21603),
        (lambda client: client.messages.create(to=THEIRS, from_="+15005550008", body="x"), 400, 21660),
        (
            lambda client: client.messages.create(to=THEIRS, from_="whatsapp:+15005550008", body="x"),
            400,
            63007,
        ),
        (lambda client: client.messages.create(to=THEIRS, from_=OURS, body="x" * 1_601), 400, 21617),
        (lambda client: client.messages(SID).fetch(), 404, 20404),
        (
            lambda client: client.incoming_phone_numbers("PN" + "0" * 32).update(sms_url="https://x"),
            404,
            20404,
        ),
        (
            lambda client: Client(ACCOUNT_SID, "wrong", http_client=client.http_client).messages(SID).fetch(),
            401,
            20003,
        ),
    ],
)
def test_errors_are_those_of_twilio(
    double: TwilioDouble, twilio: Twilio, ask: Callable[[Any], Any], status: int, code: int
) -> None:
    double.opt_out("+15005550004")
    add_number(double, OURS)

    with pytest.raises(TwilioRestException) as raised:
        ask(twilio.client)

    assert (raised.value.status, raised.value.code) == (status, code)


def test_a_sent_message_can_be_read_afterwards(double: TwilioDouble, twilio: Twilio) -> None:
    add_number(double, OURS)
    sent = twilio.client.messages.create(to=THEIRS, from_=OURS, body="Thank you!")

    (found,) = twilio.client.messages.list(to=THEIRS)
    assert (sent.sid, sent.status, sent.date_sent) == (found.sid, "queued", None)
    assert (found.direction, found.status, found.body) == ("outbound-api", "sent", "Thank you!")


def test_an_update_changes_what_is_named_and_nothing_else(double: TwilioDouble, twilio: Twilio) -> None:
    sid = add_number(double, OURS, sms_url="https://old", sms_fallback_url="https://older")

    twilio.client.incoming_phone_numbers(sid).update(sms_url="https://new#rc=3")

    (found,) = twilio.client.incoming_phone_numbers.list()
    assert (found.sms_url, found.sms_fallback_url) == ("https://new#rc=3", "https://older")


def test_a_planned_fault_comes_as_often_as_planned(double: TwilioDouble, twilio: Twilio) -> None:
    add_number(double, OURS)
    double.faults.plan(PlannedFault(fault=Fault.REFUSE, matching="POST .*Messages", status=429, code=20429))

    def send() -> Any:
        return twilio.client.http_client._sender.request(
            "POST",
            f"https://api.twilio.com/2010-04-01/Accounts/{ACCOUNT_SID}/Messages.json",
            data={"To": THEIRS, "From": OURS, "Body": "x"},
            auth=twilio.client.auth,
        ).status_code

    assert [send(), send()] == [429, 201]


def test_a_message_is_redacted_and_deleted_singly(double: TwilioDouble, twilio: Twilio) -> None:
    redacted, deleted = inbound(double, 2)

    twilio.client.messages(redacted).update(body="")
    twilio.client.messages(deleted).delete()

    assert [(each.sid, each.body) for each in twilio.client.messages.list()] == [(redacted, "")]
    with pytest.raises(TwilioRestException, match="not found"):
        twilio.client.messages(deleted).fetch()


def test_an_account_that_redacts_masks_whom_it_writes_to(double: TwilioDouble, twilio: Twilio) -> None:
    add_number(double, OURS)
    double.redact_from_now_on(on=True)

    twilio.client.messages.create(to=THEIRS, from_=OURS, body="Thank you!")

    assert [(each.from_, each.to, each.body) for each in twilio.client.messages.list()] == [
        (OURS, "+1500555XXXX", "")
    ]


def test_a_message_can_stay_in_receiving_without_a_date(double: TwilioDouble, twilio: Twilio) -> None:
    params = {"MessageSid": SID, "From": THEIRS, "To": OURS, "Body": "x"}
    double.receive(params, deliver=False, is_receiving=True)

    found = twilio.client.messages(SID).fetch()
    assert (found.status, found.date_sent, found.date_created) == ("receiving", None, NOW)


def test_any_field_can_be_null(double: TwilioDouble, twilio: Twilio) -> None:
    (sid,) = inbound(double, 1)
    double.store.change(
        "message", sid, {"date_sent": None, "date_created": None, "num_media": None, "from": None}
    )

    (found,) = twilio.client.messages.list()
    assert (found.date_sent, found.date_created, found.num_media, found.from_) == (None, None, None, None)


def test_a_lagging_list_lacks_what_is_young_and_a_fetch_does_not(
    double: TwilioDouble, twilio: Twilio
) -> None:
    (old,) = inbound(double, 1, at=NOW - timedelta(hours=2))
    (young,) = inbound(double, 1, at=NOW - timedelta(minutes=30))
    double.faults.plan(PlannedFault(fault=Fault.LAG, matching=r"GET .*/Messages\.json", seconds=3600))

    assert [each.sid for each in twilio.client.messages.list()] == [old]
    assert twilio.client.messages(young).fetch().sid == young
    assert [each.sid for each in twilio.client.messages.list()] == [young, old]


def test_a_hidden_message_is_in_no_list_and_there_by_its_sid(double: TwilioDouble, twilio: Twilio) -> None:
    first, second = inbound(double, 2)
    double.hide(first)

    assert [each.sid for each in twilio.client.messages.list()] == [second]
    assert twilio.client.messages(first).fetch().sid == first


def test_a_stale_read_shows_what_was_before_the_last_write(double: TwilioDouble, twilio: Twilio) -> None:
    sid = add_number(double, OURS, sms_url="https://old")
    double.faults.plan(PlannedFault(fault=Fault.STALE, matching="GET .*PhoneNumbers", times=2))

    assert twilio.client.incoming_phone_numbers(sid).update(sms_url="https://new").sms_url == "https://new"

    assert twilio.client.incoming_phone_numbers(sid).fetch().sms_url == "https://old"
    assert [each.sms_url for each in twilio.client.incoming_phone_numbers.list()] == ["https://old"]
    assert twilio.client.incoming_phone_numbers(sid).fetch().sms_url == "https://new"


def test_a_late_write_gets_no_answer_and_is_made_all_the_same(double: TwilioDouble, twilio: Twilio) -> None:
    sid = add_number(double, OURS, sms_url="https://old")
    double.faults.plan(PlannedFault(fault=Fault.LATE, matching="POST", seconds=0.05))

    with pytest.raises(requests.ConnectionError):
        twilio.client.incoming_phone_numbers(sid).update(sms_url="https://new")

    double.do_what_is_late()
    assert twilio.client.incoming_phone_numbers(sid).fetch().sms_url == "https://new"


def test_a_gateway_answers_with_a_page(double: TwilioDouble, twilio: Twilio) -> None:
    sid = add_number(double, OURS)
    double.faults.plan(PlannedFault(fault=Fault.PAGE, matching="POST", status=502))

    with pytest.raises(TwilioRestException) as raised:
        twilio.client.incoming_phone_numbers(sid).update(sms_url="https://new")

    assert (raised.value.status, raised.value.code) == (502, 502)


@pytest.mark.parametrize(
    "question",
    [
        f"api/2010-04-01/Accounts/{ACCOUNT_SID}/Messages.json?DateSent=yesterday",
        f"api/2010-04-01/Accounts/{ACCOUNT_SID}/Messages.json?DateSent%3E=20-11-2026",
        "monitor/v1/Alerts?StartDate=2026-13-01",
    ],
)
def test_a_date_that_is_none_is_refused_with_a_body(double: TwilioDouble, question: str) -> None:
    answer = requests.get(f"{double.url}/{question}", auth=(ACCOUNT_SID, TOKEN), timeout=5)

    assert (answer.status_code, answer.json()["code"]) == (400, 20001)
