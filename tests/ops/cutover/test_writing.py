"""What is known of a write to Twilio: its answer counts, one read proves nothing, and what is unclear is unknown."""

from __future__ import annotations

from typing import Any

import pytest

from b2bpilot.errors import PartlyFailed, PilotError
from b2bpilot.local.twilio.faults import Fault, PlannedFault
from b2bpilot.local.twilio.server import TwilioDouble
from b2bpilot.ops.cutover.change import Change, changes
from b2bpilot.ops.cutover.looking import plan
from b2bpilot.ops.cutover.switch import remaining, switch, undone, write_plan
from b2bpilot.ops.runs.journal import Journal
from b2bpilot.ops.runs.record import Stage, read
from b2bpilot.twilio.failures import TwilioFailed
from b2bpilot.twilio.rest import Twilio, TwilioAccess
from tests.clock import StillClock
from tests.twilio.double import ACCOUNT_SID, TOKEN, add_number

NUMBER = "+15005550009"
OLD, NEW = "https://old.example/", "https://new.example/hook"
READ = "GET .*IncomingPhoneNumbers/"
WRITE = "POST .*IncomingPhoneNumbers/"


@pytest.fixture
def change(double: TwilioDouble, twilio: Twilio) -> Change:
    add_number(double, NUMBER, sms_url=OLD)
    _, (found,) = plan(twilio, number=NUMBER, service=None, url=NEW, fallback_url=None)
    return found


def make(twilio: Twilio, journal: Journal, change: Change) -> list[Change]:
    write_plan(journal, [change])
    return switch(twilio, [change], journal)


def failure(twilio: Twilio, journal: Journal, change: Change) -> PilotError:
    with pytest.raises(PilotError) as raised:
        make(twilio, journal, change)
    return raised.value


def url(double: TwilioDouble, change: Change) -> Any:
    return (double.store.get("number", change.sid) or {})["sms_url"]


def stage(journal: Journal, change: Change) -> Stage:
    return read(journal.path).messages[change.sid].stage


def test_reads_that_show_what_was_before_do_not_deny_a_write_that_twilio_answered(
    double: TwilioDouble, twilio: Twilio, journal: Journal, change: Change
) -> None:
    double.faults.plan(PlannedFault(fault=Fault.STALE, matching=READ, times=5))

    assert make(twilio, journal, change) == []

    assert stage(journal, change) is Stage.ACCEPTED


def test_a_write_that_twilio_answered_and_never_shows_is_unknown(
    double: TwilioDouble, twilio: Twilio, journal: Journal, change: Change
) -> None:
    double.faults.plan(PlannedFault(fault=Fault.STALE, matching=READ, times=99))

    told = failure(twilio, journal, change)

    assert isinstance(told, PartlyFailed)
    assert "Twilio answered that it is changed" in str(told)
    assert "did not show it when it was looked at 9 times" in str(told)
    assert "Nothing was changed" not in str(told)
    assert (stage(journal, change), url(double, change)) == (Stage.UNKNOWN, NEW)


def test_a_write_that_is_made_after_all_looks_is_unknown_and_not_denied(
    double: TwilioDouble, twilio: Twilio, journal: Journal, change: Change
) -> None:
    double.faults.plan(PlannedFault(fault=Fault.LATE, matching=WRITE, seconds=60))

    told = failure(twilio, journal, change)

    assert (told.exit_code, url(double, change)) == (4, OLD)
    assert "may be changed, now or in a moment" in str(told)
    assert "Nothing was changed" not in str(told)
    assert stage(journal, change) is Stage.UNKNOWN
    double.do_what_is_late()
    assert url(double, change) == NEW


def test_a_write_without_an_answer_that_is_seen_twice_is_made(
    double: TwilioDouble, twilio: Twilio, journal: Journal, change: Change
) -> None:
    double.faults.plan(PlannedFault(fault=Fault.DROP, matching=WRITE))
    double.faults.plan(PlannedFault(fault=Fault.STALE, matching=READ, times=3))

    assert make(twilio, journal, change) == []

    assert stage(journal, change) is Stage.ACCEPTED


def test_a_write_without_an_answer_that_is_seen_once_is_unknown(
    double: TwilioDouble, twilio: Twilio, journal: Journal, change: Change
) -> None:
    """One of two copies knows it: nobody can tell which will be right."""
    double.faults.plan(PlannedFault(fault=Fault.DROP, matching=WRITE))
    double.faults.plan(PlannedFault(fault=Fault.STALE, matching=READ, after=1, times=99))

    assert failure(twilio, journal, change).exit_code == 4
    assert stage(journal, change) is Stage.UNKNOWN


@pytest.mark.parametrize(
    "fault",
    [
        PlannedFault(fault=Fault.REFUSE, status=500),
        PlannedFault(fault=Fault.REFUSE, status=408),
        PlannedFault(fault=Fault.PAGE, status=502),
        PlannedFault(fault=Fault.PAGE, status=200),
    ],
)
def test_an_answer_that_does_not_say_whether_it_was_done_leaves_it_unknown(
    double: TwilioDouble, twilio: Twilio, journal: Journal, *, change: Change, fault: PlannedFault
) -> None:
    fault.matching, fault.times = WRITE, 1
    double.faults.plan(fault)

    told = failure(twilio, journal, change)

    assert (told.exit_code, stage(journal, change)) == (4, Stage.UNKNOWN)
    assert "Nothing was changed" not in str(told)


@pytest.mark.parametrize("status", [400, 401, 403, 404, 429])
def test_a_refusal_certainly_changed_nothing(
    double: TwilioDouble, twilio: Twilio, journal: Journal, *, change: Change, status: int
) -> None:
    double.faults.plan(PlannedFault(fault=Fault.REFUSE, matching=WRITE, status=status, times=9))

    told = failure(twilio, journal, change)

    assert isinstance(told, TwilioFailed)
    assert "Nothing was changed" in str(told)
    assert stage(journal, change) is Stage.FAILED


def test_what_never_left_certainly_changed_nothing(journal: Journal, change: Change) -> None:
    nowhere = TwilioAccess(account_sid=ACCOUNT_SID, auth_token=TOKEN, api_url="http://127.0.0.1:9").connect()

    told = failure(nowhere, journal, change)

    assert "was not reached" in str(told)
    assert "Nothing was changed" in str(told)


def test_an_answer_alone_counts_where_nothing_can_be_read(
    double: TwilioDouble, twilio: Twilio, journal: Journal, change: Change
) -> None:
    double.faults.plan(PlannedFault(fault=Fault.REFUSE, matching=READ, status=403, times=99))

    assert make(twilio, journal, change) == [change]

    assert stage(journal, change) is Stage.ACCEPTED


def test_a_refusal_in_a_resumed_run_does_not_say_that_nothing_was_changed(
    double: TwilioDouble, twilio: Twilio, journal: Journal, change: Change
) -> None:
    """What the run did before it was interrupted is not undone by that."""
    double.faults.plan(PlannedFault(fault=Fault.REFUSE, matching=WRITE, status=400))

    with pytest.raises(PartlyFailed) as raised:
        switch(twilio, [change], journal, is_resumed=True)

    assert "Nothing was changed" not in str(raised.value)


def test_a_rollback_is_not_left_out_for_a_read_that_shows_what_was_before(
    double: TwilioDouble, twilio: Twilio, journal: Journal, change: Change
) -> None:
    make(twilio, journal, change)
    double.faults.plan(PlannedFault(fault=Fault.STALE, matching=READ, times=2))

    (left,) = remaining(twilio, undone(read(journal.path)))

    assert (left.before.url, left.after.url) == (NEW, OLD)


def test_a_rollback_writes_where_the_cut_over_may_still_come(
    double: TwilioDouble, twilio: Twilio, journal: Journal, change: Change
) -> None:
    """It shows the old URL, but the write without an answer is still under way."""
    double.faults.plan(PlannedFault(fault=Fault.LATE, matching=WRITE, seconds=60))
    failure(twilio, journal, change)

    (left,) = remaining(twilio, undone(read(journal.path)))

    assert (left.is_contested, left.after.url) == (True, OLD)


def test_a_rollback_that_is_overtaken_by_the_cut_over_is_not_said_to_be_done(
    double: TwilioDouble,
    twilio: Twilio,
    journal: Journal,
    change: Change,
    clock: StillClock,
) -> None:
    """The write that had no answer is carried out while the rollback is looked at."""
    double.faults.plan(PlannedFault(fault=Fault.LATE, matching=WRITE, seconds=60))
    failure(twilio, journal, change)
    (left,) = remaining(twilio, undone(read(journal.path)))
    clock.at[len(clock.pauses) + 1] = double.do_what_is_late

    with pytest.raises(PartlyFailed):
        switch(twilio, [left], journal)

    assert url(double, change) == NEW


def test_that_nothing_is_to_be_changed_is_not_believed_at_once(
    double: TwilioDouble, twilio: Twilio, change: Change
) -> None:
    """The number was just set to something else, and the list still shows what is wanted."""
    double.store.change("number", change.sid, {"sms_url": NEW})
    double.store.change("number", change.sid, {"sms_url": OLD})
    double.faults.plan(PlannedFault(fault=Fault.STALE, matching="GET .*IncomingPhoneNumbers.json", times=2))

    chosen, needed = plan(twilio, number=NUMBER, service=None, url=NEW, fallback_url=None)

    assert [each.before.url for each in needed] == [OLD]
    assert [each.is_needed for each in changes(chosen, url=NEW, fallback_url=None)] == [True]
