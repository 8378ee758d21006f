"""Switching over and back, and what is left when it fails half-way."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from b2bpilot.errors import PartlyFailed, Refused
from b2bpilot.local.twilio.faults import Fault, PlannedFault
from b2bpilot.local.twilio.server import TwilioDouble
from b2bpilot.local.twilio.store import ResourceFilter
from b2bpilot.ops.cutover.change import Change, changes, choose
from b2bpilot.ops.cutover.route import routes
from b2bpilot.ops.cutover.switch import planned, remaining, switch, undone, without_url, write_plan
from b2bpilot.ops.runs.journal import Journal
from b2bpilot.ops.runs.record import read
from b2bpilot.twilio.failures import TwilioFailed
from b2bpilot.twilio.numbers import set_number_webhook
from b2bpilot.twilio.rest import Twilio
from b2bpilot.twilio.webhook_setting import WebhookSetting
from tests.twilio.double import add_application, add_number, add_service

NUMBERS = ("+15005550009", "+15005550008", "+15005550007")
OLD = "https://old.example/a%20b?to=+15005550009&x=ü#rc=1&rp=5xx"
"""With all that could be spoiled on the way: a number that journals mask, escapes, a fragment."""
NEW = "https://new.example/hook#rc=3&rp=5xx,ct,rt"


def everything(double: TwilioDouble) -> list[Any]:
    kinds = ("number", "application", "service", "pool")
    return [json.dumps(each) for kind in kinds for each in double.store.all(ResourceFilter(kind=kind))]


def to_new(twilio: Twilio, service: str | None = None) -> list[Change]:
    number = None if service else NUMBERS[0]
    return changes(choose(routes(twilio), number=number, service=service), url=NEW, fallback_url=None)


def made(twilio: Twilio, journal: Journal, wanted: Sequence[Change]) -> None:
    write_plan(journal, wanted)
    switch(twilio, wanted, journal)


def setup(double: TwilioDouble, kind: str) -> str | None:
    """Set everything to OLD; return the service where there is one."""
    application = add_application(double, sms_url=OLD, sms_method="GET") if kind == "application" else ""
    numbers = [
        add_number(double, number, sms_url=OLD, sms_fallback_url=OLD, sms_application_sid=application)
        for number in NUMBERS
    ]
    if "service" not in kind:
        return None
    return add_service(
        double, *numbers, uses_number_webhook=kind == "service on number", inbound_request_url=OLD
    )


KINDS = ["number", "application", "service", "service on number"]


@pytest.mark.parametrize("kind", KINDS)
def test_a_rollback_restores_byte_for_byte(
    double: TwilioDouble, twilio: Twilio, journal: Journal, kind: str
) -> None:
    service = setup(double, kind)
    before = everything(double)

    made(twilio, journal, to_new(twilio, service))
    assert {each.effective.webhook.url for each in routes(twilio)} >= {NEW}
    back = undone(read(journal.path))
    made(twilio, journal, remaining(twilio, back))

    assert everything(double) == before
    assert remaining(twilio, back) == []


SECOND_REFUSED = [PlannedFault(fault=Fault.REFUSE, matching="POST .*IncomingPhone", after=1, status=400)]
NO_WORD_FROM_THE_SECOND_ON = [
    PlannedFault(fault=Fault.DROP, matching="POST .*IncomingPhone", after=1),
    PlannedFault(fault=Fault.REFUSE, matching="GET .*IncomingPhoneNumbers/", after=1, times=99, status=403),
]


@pytest.mark.parametrize(
    ("faults", "state"),
    [(SECOND_REFUSED, "was not changed, 1 not tried"), (NO_WORD_FROM_THE_SECOND_ON, "may be changed")],
)
def test_what_failed_after_the_first_write_is_restored(
    double: TwilioDouble, twilio: Twilio, journal: Journal, faults: list[PlannedFault], state: str
) -> None:
    wanted = to_new(twilio, setup(double, "service on number"))
    before = everything(double)
    for fault in faults:
        double.faults.plan(replace(fault))

    with pytest.raises(PartlyFailed, match=f"1 of 3 changed before, number PN[0-9a-f]* {state}") as raised:
        made(twilio, journal, wanted)

    assert f"twilio rollback {journal.run_id}" in str(raised.value.hint)
    assert everything(double) != before
    double.faults.forget()
    made(twilio, journal, remaining(twilio, undone(read(journal.path))))
    assert everything(double) == before


def test_a_write_whose_answer_was_lost_counts_when_it_can_be_read_back(
    double: TwilioDouble, twilio: Twilio, journal: Journal
) -> None:
    setup(double, "number")
    double.faults.plan(PlannedFault(fault=Fault.DROP, matching="POST .*IncomingPhone"))

    made(twilio, journal, to_new(twilio))

    assert routes(twilio, phone_number=NUMBERS[0])[0].effective.webhook.url == NEW


def test_what_twilio_refuses_at_first_changed_nothing_and_says_so(
    double: TwilioDouble, twilio: Twilio, journal: Journal
) -> None:
    setup(double, "number")
    before = everything(double)
    double.faults.plan(PlannedFault(fault=Fault.REFUSE, matching="POST", status=400, code=21402))

    with pytest.raises(TwilioFailed, match="Nothing was changed"):
        made(twilio, journal, to_new(twilio))

    assert everything(double) == before


def test_an_interrupted_cut_over_goes_on_where_it_was(
    double: TwilioDouble, twilio: Twilio, journal: Journal
) -> None:
    service = setup(double, "service on number")
    wanted = to_new(twilio, service)
    write_plan(journal, wanted)
    switch(twilio, wanted[:1], journal)

    left = remaining(twilio, planned(read(journal.path)))
    switch(twilio, left, journal)

    assert [each.sid for each in left] == [each.sid for each in wanted[1:]]
    assert {each.effective.webhook.url for each in routes(twilio)} == {NEW}


def test_what_somebody_else_has_set_since_is_not_overwritten(
    double: TwilioDouble, twilio: Twilio, journal: Journal
) -> None:
    setup(double, "number")
    (change,) = to_new(twilio)
    made(twilio, journal, [change])
    set_number_webhook(twilio, change.sid, replace(change.after, url="https://third.example/"))

    back = undone(read(journal.path))
    with pytest.raises(Refused, match="something else") as refused:
        remaining(twilio, back, run_id=journal.run_id)
    assert str(refused.value.hint).endswith(f"b2bpilot twilio rollback {journal.run_id} --force")

    (forced,) = remaining(twilio, back, force=True)
    assert (forced.before.url, forced.after.url) == ("https://third.example/", OLD)


def test_a_url_is_never_blanked_not_even_by_a_rollback(
    double: TwilioDouble, twilio: Twilio, journal: Journal
) -> None:
    sid = add_number(double, NUMBERS[0], sms_url="")
    made(twilio, journal, to_new(twilio))

    back = undone(read(journal.path))

    assert remaining(twilio, back) == []
    assert [each.sid for each in without_url(twilio, back)] == [sid]
    with pytest.raises(Refused, match="lost for good"):
        set_number_webhook(twilio, sid, WebhookSetting(url=" "))
    assert routes(twilio)[0].effective.webhook.url == NEW
