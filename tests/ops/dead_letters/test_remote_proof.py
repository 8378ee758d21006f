"""What a redrive inside AWS proves: by the rows and by looks, never by the counters alone."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from b2bpilot.errors import DatabaseUnreachable, PartlyFailed
from b2bpilot.ops.redrive_in_aws.proof import (
    Backlog,
    RedriveInAwsOutcome,
    conclude,
    journal_entries,
    take_stock,
)
from b2bpilot.ops.table.database_proof import DatabaseProof
from b2bpilot.ops.table.row_state import Asked
from b2bpilot.pipeline.dead_letter import DeadLetter
from b2bpilot.pipeline.models import Progress, SubmissionStatus
from b2bpilot.pipeline.owner import Owner, Ownership
from b2bpilot.pipeline.remote_run import RemoteRun
from tests.clock import StillClock
from tests.events import message, received, sns_event
from tests.fakes.dead_letters import dead
from tests.fakes.sqs import FakeQueue
from tests.ops.table.databases import PROVEN

NOW = datetime(2026, 11, 23, 19, 45, tzinfo=UTC)
LATER = {"ApproximateReceiveCount": "1", "SentTimestamp": str(int((NOW.timestamp() + 60) * 1000))}
RUN = RemoteRun(run_id="run-1", started_at=NOW, ends_at=NOW + timedelta(hours=6), max_failures=0.2)


class Rows:
    """The rows of these messages are completed; those of `failed` are not. Without both no database answers."""

    def __init__(
        self, completed: Sequence[str] | None, failed: Sequence[str] = (), discarded: Sequence[str] = ()
    ) -> None:
        self._completed, self._failed, self._discarded = completed, failed, discarded

    @property
    def proof(self) -> DatabaseProof:
        if self._completed is None:
            raise DatabaseUnreachable("no connection to localhost")
        return PROVEN

    def now(self) -> datetime:
        return NOW

    def progress_of(self, message_ids: Sequence[str]) -> dict[str, Progress]:
        found = dict.fromkeys(self._completed or (), SubmissionStatus.COMPLETED)
        found |= dict.fromkeys(self._failed, SubmissionStatus.FAILED)
        found |= dict.fromkeys(self._discarded, SubmissionStatus.ABANDONED)
        return {
            id_: Progress(
                message_id=id_,
                status=found[id_],
                attempts=1,
                lease_expires_at=None,
                last_error=None,
                completed_at=None,
                updated_at=NOW,
                discarded_by="run-0" if id_ in self._discarded else None,
            )
            for id_ in message_ids
            if id_ in found
        }


pytestmark = pytest.mark.usefixtures("clock")


def stock(queue: FakeQueue) -> Backlog:
    return take_stock(queue, now=NOW, observe=lambda _saw, _about: None)


def proven(queue: FakeQueue, rows: Rows, backlog: Backlog) -> RedriveInAwsOutcome:
    return conclude(queue, rows, backlog, RUN, now=NOW)


def dead_letter_of_run(run_id: str = "run-1", attempt: int = 1) -> dict[str, Any]:
    event = sns_event(message(), redrive={"run_id": run_id, "attempt": attempt})
    return received(event, ErrorMessage=("String", "no customer"))


def message_ids(*dead_letters: dict[str, Any]) -> list[str]:
    return [
        json.loads(json.loads(dead_letter["Body"])["Records"][0]["Sns"]["Message"])["message_id"]
        for dead_letter in dead_letters
    ]


def told(outcome: RedriveInAwsOutcome) -> dict[str, int]:
    return {name: count for name, count in outcome.counts().items() if count}


def test_the_stock_tells_what_can_be_sent_from_what_stays() -> None:
    good, poison = dead(), dead_letter_of_run("earlier", attempt=3)
    queue = FakeQueue([good, poison, received("not JSON")])
    backlog = stock(queue)
    assert backlog.messages == {good["MessageId"]: Asked(message_ids(good)[0])}
    assert (backlog.set_aside, backlog.unseen) == (2, 0)
    assert not queue.sqs.hidden()


def test_dead_letters_that_somebody_holds_are_known_to_be_unseen() -> None:
    held = dead()
    queue = FakeQueue([dead(), held])
    queue.sqs.hide(held["MessageId"], until=43_200)
    assert stock(queue).unseen == 1


def test_all_is_proven_when_each_row_is_completed_and_the_queue_is_empty() -> None:
    dead_letters = [dead() for _ in range(12)]
    backlog = stock(FakeQueue(dead_letters))
    outcome = proven(FakeQueue([]), Rows(message_ids(*dead_letters)), backlog)
    assert told(outcome) == {"completed": 12}
    outcome.require_everything_completed()


def test_what_failed_again_is_counted_apart_from_what_was_not_tried_or_came_later() -> None:
    completed, untried, again = dead(), dead(), dead_letter_of_run()
    later = dead() | {"Attributes": LATER}
    poison = dead_letter_of_run("earlier", attempt=3)
    backlog = stock(FakeQueue([completed, untried, poison]))
    queue = FakeQueue([untried, again, later, poison])
    outcome = proven(queue, Rows(message_ids(completed)), backlog)
    assert told(outcome) == {
        "completed": 1,
        "failed_again": 1,
        "not_tried": 1,
        "set_aside": 1,
        "later": 1,
    }
    said = "1 message completed; 1 dead letter failed again, 1 dead letter not tried, 1 dead letter set aside"
    with pytest.raises(PartlyFailed, match=said) as caught:
        outcome.require_everything_completed()
    assert caught.value.exit_code == 4


def test_what_came_during_the_run_is_no_failure_of_it() -> None:
    done = dead()
    later = dead() | {"Attributes": LATER}
    outcome = proven(FakeQueue([later]), Rows(message_ids(done)), stock(FakeQueue([done])))
    assert told(outcome) == {"completed": 1, "later": 1}
    outcome.require_everything_completed()


def test_an_empty_queue_proves_nothing_about_a_message_whose_row_is_not_completed() -> None:
    """Somebody purged the queue, or the dead letter expired."""
    gone = dead()
    backlog = stock(FakeQueue([gone]))
    outcome = proven(FakeQueue([]), Rows([]), backlog)
    assert told(outcome) == {"missing": 1}
    with pytest.raises(PartlyFailed, match="0 messages completed; 1 message missing"):
        outcome.require_everything_completed()


def test_without_a_database_nothing_is_proven() -> None:
    backlog = stock(FakeQueue([dead()]))
    outcome = proven(FakeQueue([]), Rows(None), backlog)
    assert (outcome.completed, outcome.database_error) == (None, "no connection to localhost")
    with pytest.raises(PartlyFailed, match="nothing is proven: no connection to localhost"):
        outcome.require_everything_completed()


def test_a_dead_letter_that_rests_is_waited_for(clock: StillClock) -> None:
    again = dead_letter_of_run()
    queue = FakeQueue([again])
    queue.sqs.hide(again["MessageId"], until=43_200)
    clock.at[1] = queue.sqs.expire
    outcome = proven(queue, Rows([], message_ids(again)), Backlog(messages={}, unseen=0))
    assert told(outcome) == {"failed_again": 1}
    assert clock.now == 5


def test_a_dead_letter_whose_message_a_person_discarded_is_counted_as_such() -> None:
    one = dead()
    queue = FakeQueue([one])
    outcome = proven(queue, Rows([], discarded=message_ids(one)), stock(queue))
    assert told(outcome) == {"discarded": 1}
    assert not outcome.is_everything_completed
    assert [entry["error"] for entry in journal_entries(outcome)] == ["discarded"]


def test_dead_letters_that_stay_hidden_are_no_success_unless_all_of_the_run_are_known_to_be_completed() -> (
    None
):
    done, hidden = dead(), dead() | {"Attributes": LATER}
    queue = FakeQueue([hidden])
    queue.sqs.hide(hidden["MessageId"], until=43_200)
    rows = Rows(message_ids(done))
    all_seen, some_seen = (
        Backlog(messages={done["MessageId"]: Asked(message_ids(done)[0])}, unseen=unseen) for unseen in (0, 1)
    )
    assert proven(queue, rows, all_seen).is_everything_completed
    with pytest.raises(PartlyFailed, match="1 message completed; 1 dead letter hidden"):
        proven(queue, rows, some_seen).require_everything_completed()


def test_the_journal_says_what_became_of_each_dead_letter() -> None:
    done, untried, gone, failing = dead(), dead(), dead(), dead()
    event = json.loads(failing["Body"]) | {"redrive": {"run_id": "run-1", "attempt": 1}}
    again = received(event, ErrorMessage=("String", "no customer"))
    backlog = stock(FakeQueue([done, untried, gone, failing]))
    outcome = proven(FakeQueue([untried, again]), Rows(message_ids(done)), backlog)
    entries = {one["queue_message_id"]: (one["event"], one.get("error")) for one in journal_entries(outcome)}
    assert entries == {
        done["MessageId"]: ("deleted", None),
        untried["MessageId"]: ("released", "not tried"),
        gone["MessageId"]: ("unknown", "neither completed nor seen in the queue"),
        failing["MessageId"]: ("failed", "no customer"),
    }


@pytest.mark.parametrize(
    ("ownership", "name"),
    [
        (Ownership.OTHER, "not_ours"),
        (Ownership.GONE, "subscription_gone"),
        (Ownership.UNKNOWN, "owner_unknown"),
    ],
)
def test_only_another_subscriber_s_dead_letter_is_called_not_ours(ownership: Ownership, name: str) -> None:
    done, strange = dead(), dead()

    def judge(dead_letter: DeadLetter) -> DeadLetter:
        return replace(dead_letter, owner=Owner(ownership=ownership, name="somebody"))

    backlog = stock(FakeQueue([done]))
    outcome = proven(FakeQueue([strange], judge=judge), Rows(message_ids(done)), backlog)
    assert told(outcome) == {"completed": 1, name: 1}
