"""What is missing, late, failed, fresh or unknown: exactly that, and nothing else."""

from __future__ import annotations

import tracemalloc
from datetime import timedelta

import pytest

from b2bpilot.local.twilio import resources
from b2bpilot.local.twilio.faults import Fault, PlannedFault
from b2bpilot.ops.reconcile.comparison import SHOWN_VERDICTS, explanation
from b2bpilot.ops.reconcile.message_finding import ComparisonResult
from b2bpilot.ops.reconcile.queues import Queues
from b2bpilot.pipeline.message import message_id_for
from b2bpilot.twilio.failures import TwilioUnreadable
from tests.ops.reconcile.deployment import DAY, OURS, Deployment, sids_of
from tests.twilio.double import ACCOUNT_SID


def test_of_ten_thousand_messages_exactly_those_are_named_that_are_missing_or_late(
    deployment: Deployment,
) -> None:
    sids = deployment.receive(10_000)
    missing, late, twice = sids[::73][:137], sids[5:17], sids[20:29]
    rest = [sid for sid in sids if sid not in {*missing, *late, *twice}]
    late = [sid for sid in late if sid not in missing]
    twice = [sid for sid in twice if sid not in missing]
    deployment.store(rest)
    deployment.store(late, took=timedelta(minutes=7))
    deployment.store(twice, attempts=2)

    with deployment.compared() as notes:
        assert sids_of(notes.findings(ComparisonResult.MISSING)) == set(missing)
        assert sids_of(notes.findings(ComparisonResult.LATE)) == set(late)
        assert {each.late_seconds for each in notes.findings(ComparisonResult.LATE)} == {420}
        assert notes.counts() == {
            ComparisonResult.MISSING: 137,
            ComparisonResult.LATE: len(late),
            ComparisonResult.STORED: len(rest) + len(twice),
        }
    assert sum("Messages.json" in request for request in deployment.double.requests) == 10


def test_memory_does_not_grow_with_the_number_of_messages(
    deployment: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("b2bpilot.twilio.messages", "b2bpilot.ops.reconcile.notes"):
        monkeypatch.setattr(f"{module}.PAGE", 100)

    def peak(count: int) -> int:
        deployment.receive(count)
        tracemalloc.start()
        with deployment.compared() as notes:
            assert sum(1 for _ in notes.findings(ComparisonResult.MISSING))
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return most

    peak(100)  # the SDK is imported
    few, many = peak(300), peak(1_500)

    assert many < few * 1.3


def test_what_failed_or_is_on_its_way_is_told_apart_from_what_is_missing(deployment: Deployment) -> None:
    failed, abandoned, working = deployment.receive(3)
    deployment.store([failed], status="failed")
    deployment.store([abandoned], status="abandoned")
    deployment.store([working], status="processing")

    assert deployment.counts() == {ComparisonResult.FAILED: 2, ComparisonResult.UNFINISHED: 1}


def test_fresh_messages_are_not_judged_yet_but_what_is_stored_is_stored(deployment: Deployment) -> None:
    stored, _fresh, working = deployment.receive(3, ago=timedelta(minutes=2))
    deployment.store([stored])
    deployment.store([working], status="processing")

    assert deployment.counts() == {ComparisonResult.STORED: 1, ComparisonResult.FRESH: 2}


def test_only_the_period_is_judged_though_whole_days_are_read(deployment: Deployment) -> None:
    deployment.receive(1, ago=DAY + timedelta(minutes=1))
    (inside,) = deployment.receive(1, ago=DAY - timedelta(minutes=1))

    assert set(deployment.findings(ComparisonResult.MISSING)) == {inside}


def test_only_what_came_in_and_to_the_number_is_judged(deployment: Deployment) -> None:
    (wanted,) = deployment.receive(1)
    deployment.receive(1, to="+15005550008")
    sent = {"MessageSid": resources.new_sid("SM"), "To": OURS}
    deployment.double.store.put(
        [
            resources.message(
                ACCOUNT_SID, sent, direction="outbound-api", at=deployment.now - DAY / 2, status="sent"
            )
        ]
    )

    with deployment.compared(to=OURS) as notes:
        assert sids_of(notes.findings(ComparisonResult.MISSING)) == {wanted}


def test_a_row_from_before_the_migration_counts_as_stored(deployment: Deployment) -> None:
    sids = deployment.receive(3)
    deployment.store(sids[:2], with_id=False)

    assert deployment.counts() == {ComparisonResult.STORED: 2, ComparisonResult.MISSING: 1}


def test_a_tests_row_does_not_stand_for_a_message_of_twilio(deployment: Deployment) -> None:
    """Who may publish a test may give it any id."""
    stored, taken = deployment.receive(2)
    deployment.store([stored, taken])
    with deployment.database.connection.use() as connection:
        connection.execute(
            "UPDATE b2b_pilot_user_submissions SET test = true WHERE message_sid = %s", (taken,)
        )

    assert deployment.counts() == {ComparisonResult.STORED: 1, ComparisonResult.ID_TAKEN: 1}
    ((sid, finding),) = deployment.findings(ComparisonResult.ID_TAKEN).items()
    assert sid == taken
    assert "a test's row has its message_id" in explanation(finding, now=deployment.now)


@pytest.mark.parametrize("date", [None, "yesterday"])
def test_a_message_without_a_date_is_said_to_have_none_and_ends_nothing(
    deployment: Deployment, date: str | None
) -> None:
    undated, stored, missing = deployment.receive(3)
    deployment.store([stored])
    for sid in (undated, stored):
        deployment.double.store.change("message", sid, {"date_sent": date, "date_created": date})

    assert deployment.counts() == {
        ComparisonResult.UNDATED: 1,
        ComparisonResult.STORED: 1,
        ComparisonResult.MISSING: 1,
    }
    assert set(deployment.findings(ComparisonResult.MISSING)) == {missing}
    ((sid, finding),) = deployment.findings(ComparisonResult.UNDATED).items()
    assert (sid, finding.is_dated) == (undated, False)
    assert "has no date" in explanation(finding, now=deployment.now)


@pytest.mark.parametrize("status", ["received", "receiving", None])
def test_a_message_whose_direction_twilio_does_not_tell_is_judged_all_the_same(
    deployment: Deployment, status: str | None
) -> None:
    missing, unlisted = deployment.receive(2)
    deployment.store([unlisted])
    deployment.double.hide(unlisted)
    for sid in (missing, unlisted):
        deployment.double.store.change("message", sid, {"direction": None, "status": status})

    assert deployment.counts() == {ComparisonResult.MISSING: 1, ComparisonResult.STORED: 1}


def test_a_message_that_was_sent_is_none_that_is_missing_though_its_direction_is_not_told(
    deployment: Deployment,
) -> None:
    (sid,) = deployment.receive(1)
    deployment.double.store.change("message", sid, {"direction": None, "status": "delivered"})

    assert deployment.counts() == {}


def test_rows_that_twilio_does_not_know_are_named(deployment: Deployment) -> None:
    known, unknown = deployment.receive(1), [resources.new_sid("SM"), resources.new_sid("MM")]
    deployment.store([*known, *unknown])
    deployment.store([resources.new_sid("SM")], account_sid="AC" + "b" * 32)
    deployment.store([resources.new_sid("SM")], ago=timedelta(days=3))
    deployment.store([resources.new_sid("SM")], ago=timedelta(minutes=1))
    deployment.store(["not-a-sid"])

    assert set(deployment.findings(ComparisonResult.UNKNOWN_TO_TWILIO)) == set(unknown)


def lag(deployment: Deployment, hours: float) -> None:
    """Let Twilio's list show nothing that is younger."""
    deployment.double.faults.plan(PlannedFault(fault=Fault.LAG, seconds=hours * 3600, times=99))


def test_a_row_that_the_list_does_not_show_yet_is_asked_for_by_its_sid_and_is_stored(
    deployment: Deployment,
) -> None:
    stored, late, old = deployment.receive(3)
    deployment.store([stored])
    deployment.store([late], took=timedelta(minutes=7))
    deployment.store([old], with_id=False)
    lag(deployment, 13)

    with deployment.compared() as notes:
        assert {result: count for result, count in notes.counts().items() if count} == {
            ComparisonResult.STORED: 2,
            ComparisonResult.LATE: 1,
        }
        assert (notes.listed, notes.asked_by_sid, notes.listed_late_count) == (0, 3, 3)
        assert notes.listed_late_since == deployment.now - DAY / 2


def test_of_more_rows_than_are_asked_for_the_rest_is_only_said_not_to_be_listed(
    deployment: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("b2bpilot.ops.reconcile.unlisted_rows.MOST_ASKED", 4)
    deployment.store([resources.new_sid("SM") for _ in range(7)])

    with deployment.compared() as notes:
        assert notes.counts()[ComparisonResult.UNKNOWN_TO_TWILIO] == 4
        whys = {explanation(each, now=deployment.now) for each in notes.findings(ComparisonResult.NOT_LISTED)}
        assert notes.counts()[ComparisonResult.NOT_LISTED] == 3
        assert whys == {"not asked for by its SID: only the newest 4 such rows are"}


def test_what_is_said_of_a_row_that_twilio_lacks_is_what_was_seen(deployment: Deployment) -> None:
    deleted, never, foreign, sent = (resources.new_sid("SM") for _ in range(4))
    deployment.store([deleted, never, sent])
    deployment.store([foreign], account_sid="AC" + "b" * 32)
    deployment.alert(deleted, url="https://elsewhere.example/")
    reply = {"MessageSid": sent, "From": OURS, "To": "+15005550006"}
    deployment.double.store.put(
        [
            resources.message(
                ACCOUNT_SID, reply, direction="outbound-api", at=deployment.now - DAY / 2, status="sent"
            )
        ]
    )

    with deployment.compared() as notes:
        said = {
            each.sid: (each.result, explanation(each, now=deployment.now))
            for each in notes.findings(*SHOWN_VERDICTS)
        }

    asked = f"asked for by its SID, account {ACCOUNT_SID} has no such message"
    assert said == {
        deleted: (ComparisonResult.UNKNOWN_TO_TWILIO, f"{asked}: deleted there: Twilio has an alert of it"),
        never: (ComparisonResult.UNKNOWN_TO_TWILIO, f"{asked}: deleted there, or never this account's"),
        foreign: (
            ComparisonResult.OTHER_ACCOUNT,
            f"its row names Twilio account AC{'b' * 32}; only {ACCOUNT_SID} was asked",
        ),
        sent: (
            ComparisonResult.NOT_LISTED,
            "Twilio has it as a message that was sent, not as one that came in",
        ),
    }


def test_a_row_that_could_not_be_asked_for_is_not_said_to_be_unknown_to_twilio(
    deployment: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("b2bpilot.twilio.transport.PAUSES_SECONDS", (0.0,))
    deployment.store([resources.new_sid("SM")])
    deployment.double.faults.plan(
        PlannedFault(fault=Fault.REFUSE, matching="Messages/SM", status=503, code=20503, times=9)
    )

    ((_, finding),) = deployment.findings(ComparisonResult.NOT_LISTED).items()

    assert "whether Twilio has it is not known" in explanation(finding, now=deployment.now)


def test_a_proxy_s_page_is_not_taken_for_twilio_s_word_that_it_has_no_such_message(
    deployment: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("b2bpilot.twilio.transport.PAUSES_SECONDS", (0.0,))
    deployment.store([resources.new_sid("SM")])
    deployment.double.faults.plan(PlannedFault(fault=Fault.PAGE, matching="Messages/SM", status=404, times=9))

    assert deployment.counts() == {ComparisonResult.NOT_LISTED: 1}


@pytest.mark.parametrize("body", ["a\x00b", "a\ud800b"], ids=["NUL", "half a character"])
def test_a_body_that_postgresql_cannot_read_does_not_end_the_comparison(
    deployment: Deployment, body: str
) -> None:
    """A signed form with Body=a%00b is stored as it came; PostgreSQL takes no field out of such json."""
    known, unknown, elsewhere = deployment.receive(1)[0], resources.new_sid("SM"), resources.new_sid("SM")
    accounts = {known: ACCOUNT_SID, unknown: ACCOUNT_SID, elsewhere: "AC" + "b" * 32}
    for sid, account_sid in accounts.items():
        deployment.process(sid, AccountSid=account_sid, To=OURS, Body=body)

    with deployment.compared(to=OURS) as notes:
        assert sids_of(notes.findings(ComparisonResult.UNKNOWN_TO_TWILIO)) == {unknown}


def test_the_number_of_a_row_that_never_completed_is_the_one_that_twilio_called(
    deployment: Deployment,
) -> None:
    """Its column is filled with the completion only."""
    ours, theirs = resources.new_sid("SM"), resources.new_sid("SM")
    for sid, to in ((ours, OURS), (theirs, "+15005550008")):
        deployment.process(sid, To=to, NumMedia="two")

    with deployment.compared(to=OURS) as notes:
        assert sids_of(notes.findings(ComparisonResult.UNKNOWN_TO_TWILIO)) == {ours}


def test_a_message_of_the_day_before_that_was_stored_in_the_period_is_not_unknown(
    deployment: Deployment,
) -> None:
    (sid,) = deployment.receive(1, ago=DAY + timedelta(minutes=1))
    deployment.store([sid], took=timedelta(hours=1))
    with deployment.database.connection.use() as connection:
        connection.execute(
            "UPDATE b2b_pilot_user_submissions SET received_at = %s", (deployment.now - timedelta(hours=23),)
        )

    assert deployment.counts() == {}


def test_the_reason_is_twilios_first_alert(deployment: Deployment) -> None:
    explained, unexplained = deployment.receive(2)
    deployment.alert(explained, code="11205", ago=timedelta(hours=11))
    deployment.alert(explained, code="11200", ago=timedelta(hours=11, minutes=1))
    deployment.alert("SM" + "9" * 32)

    found = deployment.findings(ComparisonResult.MISSING)

    assert found[explained].error_code == "11200"
    assert "11200" in explanation(found[explained], now=deployment.now)
    assert "no alert" in explanation(found[unexplained], now=deployment.now)


def test_for_older_messages_than_alerts_are_kept_it_says_so(deployment: Deployment) -> None:
    (sid,) = deployment.receive(1, ago=timedelta(days=40))
    deployment.alert(sid, ago=timedelta(days=40))

    with deployment.compared(since=timedelta(days=45)) as notes:
        (finding,) = notes.findings(ComparisonResult.MISSING)

    assert finding.error_code is None
    assert "30 days" in explanation(finding, now=deployment.now)


def test_what_is_missing_is_named_also_when_the_alerts_cannot_be_read(deployment: Deployment) -> None:
    (sid,) = deployment.receive(1)
    deployment.double.faults.plan(PlannedFault(fault=Fault.REFUSE, matching="Alerts", status=403, code=20003))

    with deployment.compared() as notes:
        (finding,) = notes.findings(ComparisonResult.MISSING)

    assert finding.sid == sid
    why = explanation(finding, now=deployment.now, alerts_failure=notes.alerts_failure)
    assert why == "not known: Twilio's alerts could not be read"


def test_a_dead_letter_without_a_row_is_told_apart_from_what_is_missing(deployment: Deployment) -> None:
    """What Twilio still has of it is less, so that it must not be published."""
    dead, lost, failed = deployment.receive(3)
    deployment.store([failed], status="failed")
    deployment.queues = Queues(dead_letters=frozenset({message_id_for(dead), message_id_for(failed)}))

    with deployment.compared() as notes:
        assert sids_of(notes.findings(ComparisonResult.DEAD_LETTER)) == {dead}
        assert sids_of(notes.findings(ComparisonResult.MISSING)) == {lost}
        assert sids_of(notes.findings(ComparisonResult.FAILED)) == {failed}
        (finding,) = notes.findings(ComparisonResult.DEAD_LETTER)
        assert explanation(finding, now=deployment.now) == "in the dead-letter queue, with all its parameters"


def test_all_dead_letters_are_told_apart_also_when_they_are_many(deployment: Deployment) -> None:
    sids = deployment.receive(2_500)
    deployment.queues = Queues(dead_letters=frozenset(map(message_id_for, sids[1:])))

    assert deployment.counts() == {ComparisonResult.MISSING: 1, ComparisonResult.DEAD_LETTER: 2_499}


def test_the_queues_are_only_asked_when_something_has_no_row(deployment: Deployment) -> None:
    """A look hides the dead letters from others for a moment."""
    deployment.store(deployment.receive(5))
    deployment.queues = Queues(doubts=("nothing is known",))

    with deployment.compared() as notes:
        assert (deployment.asked, notes.doubts) == (0, ())
    deployment.receive(1)
    with deployment.compared() as notes:
        assert (deployment.asked, notes.doubts) == (1, ("nothing is known",))


def test_where_nothing_is_missing_twilio_is_asked_for_its_messages_and_alerts_only(
    deployment: Deployment,
) -> None:
    deployment.store(deployment.receive(5))

    assert deployment.counts() == {ComparisonResult.STORED: 5}
    assert {request.rpartition("/")[2] for request in deployment.double.requests} == {
        "Messages.json",
        "Alerts",
    }


@pytest.mark.parametrize("fault", [Fault.GARBAGE, Fault.CUT])
def test_half_an_answer_is_no_answer(
    deployment: Deployment, fault: Fault, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("b2bpilot.twilio.transport.PAUSES_SECONDS", (0.0, 0.0, 0.0))
    deployment.receive(1_500)
    deployment.double.faults.plan(PlannedFault(fault=fault, matching="GET .*Messages", after=1, times=9))

    with pytest.raises(TwilioUnreadable, match="cut off"):
        deployment.counts()


def test_a_throttled_list_is_waited_for(deployment: Deployment, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("b2bpilot.twilio.transport.PAUSES_SECONDS", (0.0, 0.0, 0.0))
    deployment.store(deployment.receive(1_500))
    throttled = PlannedFault(
        fault=Fault.REFUSE, matching="GET .*Messages", status=429, code=20429, after=1, times=2
    )
    deployment.double.faults.plan(throttled)

    assert deployment.counts() == {ComparisonResult.STORED: 1_500}
