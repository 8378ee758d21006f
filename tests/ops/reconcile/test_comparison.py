"""What is missing, late, failed, fresh or unknown: exactly that, and nothing else."""

from __future__ import annotations

import tracemalloc
from datetime import timedelta

import pytest

from b2bpilot.local.twilio import resources
from b2bpilot.local.twilio.faults import Fault, Planned
from b2bpilot.ops.reconcile.comparison import SHOWN_VERDICTS, explanation
from b2bpilot.ops.reconcile.queues import Queues
from b2bpilot.ops.reconcile.verdict import Verdict
from b2bpilot.pipeline.message import message_id_for
from b2bpilot.twilio.failures import TwilioUnreadable
from tests.ops.reconcile.world import DAY, OURS, World, sids_of
from tests.twilio.double import ACCOUNT_SID


def test_of_ten_thousand_messages_exactly_those_are_named_that_are_missing_or_late(world: World) -> None:
    sids = world.receive(10_000)
    missing, late, twice = sids[::73][:137], sids[5:17], sids[20:29]
    rest = [sid for sid in sids if sid not in {*missing, *late, *twice}]
    late = [sid for sid in late if sid not in missing]
    twice = [sid for sid in twice if sid not in missing]
    world.store(rest)
    world.store(late, took=timedelta(minutes=7))
    world.store(twice, attempts=2)

    with world.compared() as notes:
        assert sids_of(notes.findings(Verdict.MISSING)) == set(missing)
        assert sids_of(notes.findings(Verdict.LATE)) == set(late)
        assert {each.late_seconds for each in notes.findings(Verdict.LATE)} == {420}
        assert notes.counts() == {
            Verdict.MISSING: 137,
            Verdict.LATE: len(late),
            Verdict.STORED: len(rest) + len(twice),
        }
    assert sum("Messages.json" in request for request in world.double.requests) == 10


def test_memory_does_not_grow_with_the_number_of_messages(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("b2bpilot.twilio.messages", "b2bpilot.ops.reconcile.notes"):
        monkeypatch.setattr(f"{module}.PAGE", 100)

    def peak(count: int) -> int:
        world.receive(count)
        tracemalloc.start()
        with world.compared() as notes:
            assert sum(1 for _ in notes.findings(Verdict.MISSING))
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return most

    peak(100)  # the SDK is imported
    few, many = peak(300), peak(1_500)

    assert many < few * 1.3


def test_what_failed_or_is_on_its_way_is_told_apart_from_what_is_missing(world: World) -> None:
    failed, abandoned, working = world.receive(3)
    world.store([failed], status="failed")
    world.store([abandoned], status="abandoned")
    world.store([working], status="processing")

    assert world.counts() == {Verdict.FAILED: 2, Verdict.UNFINISHED: 1}


def test_fresh_messages_are_not_judged_yet_but_what_is_stored_is_stored(world: World) -> None:
    stored, _fresh, working = world.receive(3, ago=timedelta(minutes=2))
    world.store([stored])
    world.store([working], status="processing")

    assert world.counts() == {Verdict.STORED: 1, Verdict.FRESH: 2}


def test_only_the_period_is_judged_though_whole_days_are_read(world: World) -> None:
    world.receive(1, ago=DAY + timedelta(minutes=1))
    (inside,) = world.receive(1, ago=DAY - timedelta(minutes=1))

    assert set(world.findings(Verdict.MISSING)) == {inside}


def test_only_what_came_in_and_to_the_number_is_judged(world: World) -> None:
    (wanted,) = world.receive(1)
    world.receive(1, to="+15005550008")
    sent = {"MessageSid": resources.new_sid("SM"), "To": OURS}
    world.double.book.put(
        [
            resources.message(
                ACCOUNT_SID, sent, direction="outbound-api", at=world.now - DAY / 2, status="sent"
            )
        ]
    )

    with world.compared(to=OURS) as notes:
        assert sids_of(notes.findings(Verdict.MISSING)) == {wanted}


def test_a_row_from_before_the_migration_counts_as_stored(world: World) -> None:
    sids = world.receive(3)
    world.store(sids[:2], with_id=False)

    assert world.counts() == {Verdict.STORED: 2, Verdict.MISSING: 1}


def test_a_tests_row_does_not_stand_for_a_message_of_twilio(world: World) -> None:
    """Who may publish a test may give it any id."""
    stored, taken = world.receive(2)
    world.store([stored, taken])
    with world.database.connection.use() as connection:
        connection.execute(
            "UPDATE b2b_pilot_user_submissions SET test = true WHERE message_sid = %s", (taken,)
        )

    assert world.counts() == {Verdict.STORED: 1, Verdict.ID_TAKEN: 1}
    ((sid, finding),) = world.findings(Verdict.ID_TAKEN).items()
    assert sid == taken
    assert "a test's row has its message_id" in explanation(finding, now=world.now)


@pytest.mark.parametrize("date", [None, "yesterday"])
def test_a_message_without_a_date_is_said_to_have_none_and_ends_nothing(
    world: World, date: str | None
) -> None:
    undated, stored, missing = world.receive(3)
    world.store([stored])
    for sid in (undated, stored):
        world.double.book.change("message", sid, {"date_sent": date, "date_created": date})

    assert world.counts() == {Verdict.UNDATED: 1, Verdict.STORED: 1, Verdict.MISSING: 1}
    assert set(world.findings(Verdict.MISSING)) == {missing}
    ((sid, finding),) = world.findings(Verdict.UNDATED).items()
    assert (sid, finding.is_dated) == (undated, False)
    assert "has no date" in explanation(finding, now=world.now)


@pytest.mark.parametrize("status", ["received", "receiving", None])
def test_a_message_whose_direction_twilio_does_not_tell_is_judged_all_the_same(
    world: World, status: str | None
) -> None:
    missing, unlisted = world.receive(2)
    world.store([unlisted])
    world.double.hide(unlisted)
    for sid in (missing, unlisted):
        world.double.book.change("message", sid, {"direction": None, "status": status})

    assert world.counts() == {Verdict.MISSING: 1, Verdict.STORED: 1}


def test_a_message_that_was_sent_is_none_that_is_missing_though_its_direction_is_not_told(
    world: World,
) -> None:
    (sid,) = world.receive(1)
    world.double.book.change("message", sid, {"direction": None, "status": "delivered"})

    assert world.counts() == {}


def test_rows_that_twilio_does_not_know_are_named(world: World) -> None:
    known, unknown = world.receive(1), [resources.new_sid("SM"), resources.new_sid("MM")]
    world.store([*known, *unknown])
    world.store([resources.new_sid("SM")], account_sid="AC" + "b" * 32)
    world.store([resources.new_sid("SM")], ago=timedelta(days=3))
    world.store([resources.new_sid("SM")], ago=timedelta(minutes=1))
    world.store(["not-a-sid"])

    assert set(world.findings(Verdict.UNKNOWN_TO_TWILIO)) == set(unknown)


def lag(world: World, hours: float) -> None:
    """Let Twilio's list show nothing that is younger."""
    world.double.faults.plan(Planned(fault=Fault.LAG, seconds=hours * 3600, times=99))


def test_a_row_that_the_list_does_not_show_yet_is_asked_for_by_its_sid_and_is_stored(world: World) -> None:
    stored, late, old = world.receive(3)
    world.store([stored])
    world.store([late], took=timedelta(minutes=7))
    world.store([old], with_id=False)
    lag(world, 13)

    with world.compared() as notes:
        assert {verdict: count for verdict, count in notes.counts().items() if count} == {
            Verdict.STORED: 2,
            Verdict.LATE: 1,
        }
        assert (notes.listed, notes.asked_by_sid, notes.listed_late_count) == (0, 3, 3)
        assert notes.listed_late_since == world.now - DAY / 2


def test_of_more_rows_than_are_asked_for_the_rest_is_only_said_not_to_be_listed(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("b2bpilot.ops.reconcile.unlisted_rows.MOST_ASKED", 4)
    world.store([resources.new_sid("SM") for _ in range(7)])

    with world.compared() as notes:
        assert notes.counts()[Verdict.UNKNOWN_TO_TWILIO] == 4
        whys = {explanation(each, now=world.now) for each in notes.findings(Verdict.NOT_LISTED)}
        assert notes.counts()[Verdict.NOT_LISTED] == 3
        assert whys == {"not asked for by its SID: only the newest 4 such rows are"}


def test_what_is_said_of_a_row_that_twilio_lacks_is_what_was_seen(world: World) -> None:
    deleted, never, foreign, sent = (resources.new_sid("SM") for _ in range(4))
    world.store([deleted, never, sent])
    world.store([foreign], account_sid="AC" + "b" * 32)
    world.alert(deleted, url="https://elsewhere.example/")
    reply = {"MessageSid": sent, "From": OURS, "To": "+15005550006"}
    world.double.book.put(
        [
            resources.message(
                ACCOUNT_SID, reply, direction="outbound-api", at=world.now - DAY / 2, status="sent"
            )
        ]
    )

    with world.compared() as notes:
        said = {
            each.sid: (each.verdict, explanation(each, now=world.now))
            for each in notes.findings(*SHOWN_VERDICTS)
        }

    asked = f"asked for by its SID, account {ACCOUNT_SID} has no such message"
    assert said == {
        deleted: (Verdict.UNKNOWN_TO_TWILIO, f"{asked}: deleted there: Twilio has an alert of it"),
        never: (Verdict.UNKNOWN_TO_TWILIO, f"{asked}: deleted there, or never this account's"),
        foreign: (
            Verdict.OTHER_ACCOUNT,
            f"its row names Twilio account AC{'b' * 32}; only {ACCOUNT_SID} was asked",
        ),
        sent: (
            Verdict.NOT_LISTED,
            "Twilio has it as a message that was sent, not as one that came in",
        ),
    }


def test_a_row_that_could_not_be_asked_for_is_not_said_to_be_unknown_to_twilio(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("b2bpilot.twilio.transport.PAUSES_SECONDS", (0.0,))
    world.store([resources.new_sid("SM")])
    world.double.faults.plan(
        Planned(fault=Fault.REFUSE, matching="Messages/SM", status=503, code=20503, times=9)
    )

    ((_, finding),) = world.findings(Verdict.NOT_LISTED).items()

    assert "whether Twilio has it is not known" in explanation(finding, now=world.now)


def test_a_proxy_s_page_is_not_taken_for_twilio_s_word_that_it_has_no_such_message(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("b2bpilot.twilio.transport.PAUSES_SECONDS", (0.0,))
    world.store([resources.new_sid("SM")])
    world.double.faults.plan(Planned(fault=Fault.PAGE, matching="Messages/SM", status=404, times=9))

    assert world.counts() == {Verdict.NOT_LISTED: 1}


@pytest.mark.parametrize("body", ["a\x00b", "a\ud800b"], ids=["NUL", "half a character"])
def test_a_body_that_postgresql_cannot_read_does_not_end_the_comparison(world: World, body: str) -> None:
    """A signed form with Body=a%00b is stored as it came; PostgreSQL takes no field out of such json."""
    known, unknown, elsewhere = world.receive(1)[0], resources.new_sid("SM"), resources.new_sid("SM")
    accounts = {known: ACCOUNT_SID, unknown: ACCOUNT_SID, elsewhere: "AC" + "b" * 32}
    for sid, account_sid in accounts.items():
        world.process(sid, AccountSid=account_sid, To=OURS, Body=body)

    with world.compared(to=OURS) as notes:
        assert sids_of(notes.findings(Verdict.UNKNOWN_TO_TWILIO)) == {unknown}


def test_the_number_of_a_row_that_never_completed_is_the_one_that_twilio_called(world: World) -> None:
    """Its column is filled with the completion only."""
    ours, theirs = resources.new_sid("SM"), resources.new_sid("SM")
    for sid, to in ((ours, OURS), (theirs, "+15005550008")):
        world.process(sid, To=to, NumMedia="two")

    with world.compared(to=OURS) as notes:
        assert sids_of(notes.findings(Verdict.UNKNOWN_TO_TWILIO)) == {ours}


def test_a_message_of_the_day_before_that_was_stored_in_the_period_is_not_unknown(world: World) -> None:
    (sid,) = world.receive(1, ago=DAY + timedelta(minutes=1))
    world.store([sid], took=timedelta(hours=1))
    with world.database.connection.use() as connection:
        connection.execute(
            "UPDATE b2b_pilot_user_submissions SET received_at = %s", (world.now - timedelta(hours=23),)
        )

    assert world.counts() == {}


def test_the_reason_is_twilios_first_alert(world: World) -> None:
    explained, unexplained = world.receive(2)
    world.alert(explained, code="11205", ago=timedelta(hours=11))
    world.alert(explained, code="11200", ago=timedelta(hours=11, minutes=1))
    world.alert("SM" + "9" * 32)

    found = world.findings(Verdict.MISSING)

    assert found[explained].error_code == "11200"
    assert "11200" in explanation(found[explained], now=world.now)
    assert "no alert" in explanation(found[unexplained], now=world.now)


def test_for_older_messages_than_alerts_are_kept_it_says_so(world: World) -> None:
    (sid,) = world.receive(1, ago=timedelta(days=40))
    world.alert(sid, ago=timedelta(days=40))

    with world.compared(since=timedelta(days=45)) as notes:
        (finding,) = notes.findings(Verdict.MISSING)

    assert finding.error_code is None
    assert "30 days" in explanation(finding, now=world.now)


def test_what_is_missing_is_named_also_when_the_alerts_cannot_be_read(world: World) -> None:
    (sid,) = world.receive(1)
    world.double.faults.plan(Planned(fault=Fault.REFUSE, matching="Alerts", status=403, code=20003))

    with world.compared() as notes:
        (finding,) = notes.findings(Verdict.MISSING)

    assert finding.sid == sid
    why = explanation(finding, now=world.now, alerts_failure=notes.alerts_failure)
    assert why == "not known: Twilio's alerts could not be read"


def test_a_dead_letter_without_a_row_is_told_apart_from_what_is_missing(world: World) -> None:
    """What Twilio still has of it is less, so that it must not be published."""
    dead, lost, failed = world.receive(3)
    world.store([failed], status="failed")
    world.queues = Queues(dead_letters=frozenset({message_id_for(dead), message_id_for(failed)}))

    with world.compared() as notes:
        assert sids_of(notes.findings(Verdict.DEAD_LETTER)) == {dead}
        assert sids_of(notes.findings(Verdict.MISSING)) == {lost}
        assert sids_of(notes.findings(Verdict.FAILED)) == {failed}
        (finding,) = notes.findings(Verdict.DEAD_LETTER)
        assert explanation(finding, now=world.now) == "in the dead-letter queue, with all its parameters"


def test_all_dead_letters_are_told_apart_also_when_they_are_many(world: World) -> None:
    sids = world.receive(2_500)
    world.queues = Queues(dead_letters=frozenset(map(message_id_for, sids[1:])))

    assert world.counts() == {Verdict.MISSING: 1, Verdict.DEAD_LETTER: 2_499}


def test_the_queues_are_only_asked_when_something_has_no_row(world: World) -> None:
    """A look hides the letters from others for a moment."""
    world.store(world.receive(5))
    world.queues = Queues(doubts=("nothing is known",))

    with world.compared() as notes:
        assert (world.asked, notes.doubts) == (0, ())
    world.receive(1)
    with world.compared() as notes:
        assert (world.asked, notes.doubts) == (1, ("nothing is known",))


def test_where_nothing_is_missing_twilio_is_asked_for_its_messages_and_alerts_only(world: World) -> None:
    world.store(world.receive(5))

    assert world.counts() == {Verdict.STORED: 5}
    assert {request.rpartition("/")[2] for request in world.double.requests} == {"Messages.json", "Alerts"}


@pytest.mark.parametrize("fault", [Fault.GARBAGE, Fault.CUT])
def test_half_an_answer_is_no_answer(world: World, fault: Fault, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("b2bpilot.twilio.transport.PAUSES_SECONDS", (0.0, 0.0, 0.0))
    world.receive(1_500)
    world.double.faults.plan(Planned(fault=fault, matching="GET .*Messages", after=1, times=9))

    with pytest.raises(TwilioUnreadable, match="cut off"):
        world.counts()


def test_a_throttled_list_is_waited_for(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("b2bpilot.twilio.transport.PAUSES_SECONDS", (0.0, 0.0, 0.0))
    world.store(world.receive(1_500))
    throttled = Planned(
        fault=Fault.REFUSE, matching="GET .*Messages", status=429, code=20429, after=1, times=2
    )
    world.double.faults.plan(throttled)

    assert world.counts() == {Verdict.STORED: 1_500}
