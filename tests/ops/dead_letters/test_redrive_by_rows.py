"""What AWS only accepts is judged by the rows: what is deleted, and when the run stops."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from b2bpilot.errors import AwsError, PartlyFailed, Refused
from b2bpilot.ops.progress import Phase
from b2bpilot.ops.redrive.options import WINDOW, RedriveOptions
from b2bpilot.ops.redrive.proof import StageProof
from b2bpilot.ops.redrive.routes import AsyncRoute, InvokeRoute, SentDeadLetter, TopicRoute
from b2bpilot.ops.redrive.summary import require_everything_completed
from b2bpilot.ops.sending.result import SendOutcome, SendResult
from b2bpilot.ops.table.row_proof import RowOutcome
from b2bpilot.ops.table.row_state import Asked
from b2bpilot.pipeline.dead_letter import DeadLetter
from b2bpilot.pipeline.models import Progress, SubmissionStatus
from tests.fakes.faults import DRAWN, Crash, Fault
from tests.ops.dead_letters.a_run import NOW, SOON, Lines, Rows, progress, redrive, whole
from tests.ops.dead_letters.deployment import Deployment, dead_letter, id_of
from tests.ops.table.databases import UNPROVEN


def test_what_the_topic_took_and_nobody_received_stays_in_the_queue_and_is_the_last_that_is_sent() -> None:
    deployment = Deployment([dead_letter() for _ in range(60)], is_subscribed=False)

    summary = whole(deployment, TopicRoute(deployment), wait=SOON)

    assert len(deployment.waiting) == 60
    assert (summary.stopped, summary.not_sent, len(summary.unfinished)) == (True, 59, 1)
    assert summary.unfinished[0].in_queue


def test_on_the_topic_a_dead_letter_is_deleted_when_its_row_shows_that_it_arrived() -> None:
    dead_letters = [dead_letter() for _ in range(137)]
    deployment = Deployment(dead_letters, poison=frozenset({id_of(dead_letters[40])}))

    summary = whole(deployment, TopicRoute(deployment), wait=SOON)

    assert (summary.completed, len(summary.unfinished)) == (136, 1)
    assert deployment.deleted == {one.queue_message_id for one in dead_letters}
    assert deployment.safe() == {id_of(dead_letters[40])}


def test_who_does_not_wait_for_the_rows_leaves_the_dead_letters_to_what_the_topic_says() -> None:
    deployment = Deployment([dead_letter() for _ in range(30)])

    summary = whole(deployment, TopicRoute(deployment), wait=timedelta())

    assert (summary.completed, deployment.waiting) == (30, set())


@pytest.mark.parametrize("route", [AsyncRoute, TopicRoute])
def test_a_late_stage_whose_rows_fail_stops_the_run_with_the_stage_that_is_under_way(route: type) -> None:
    dead_letters = [dead_letter() for _ in range(900)]
    deployment = Deployment(dead_letters, poison=frozenset(id_of(one) for one in dead_letters[26:]))

    summary = whole(deployment, route(deployment), wait=timedelta(seconds=60))

    assert summary.stopped
    assert summary.completed == 26
    assert summary.not_sent == 900 - 26 - 100 - 500


@pytest.mark.parametrize("route", [InvokeRoute, AsyncRoute, TopicRoute])
def test_of_two_dead_letters_of_one_message_one_is_sent_and_the_other_removed_by_its_row(route: type) -> None:
    first = dead_letter()
    deployment = Deployment([first, dead_letter()])
    deployment.put(replace(first, queue_message_id="second"))

    summary = whole(deployment, route(deployment), wait=SOON, stages=(1,))

    assert deployment.waiting == set()
    assert (summary.completed, summary.removed, summary.everything_completed) == (2, 1, True)
    assert deployment.processed[id_of(first)] == 1


@pytest.mark.parametrize("route", [InvokeRoute, AsyncRoute, TopicRoute])
def test_the_other_dead_letter_of_a_message_stays_while_the_row_is_not_completed(route: type) -> None:
    first = dead_letter()
    deployment = Deployment([first], poison=frozenset({id_of(first)}))
    deployment.put(replace(first, queue_message_id="second"))
    lines = Lines()

    summary = whole(deployment, route(deployment), lines, wait=SOON, max_failures=1.0)

    assert "second" in deployment.waiting
    assert (summary.removed, summary.not_sent) == (0, 0)
    assert [one.reason for one in summary.unfinished if one.queue_message_id == "second"] == [
        "another of its message was sent, and the row is not completed"
    ]
    assert [one["decision"] for one in lines if one["event"] == "planned"] == ["send", "second"]


def test_what_no_row_can_tell_of_is_sent_dead_letter_by_dead_letter() -> None:
    first = dead_letter()
    deployment = Deployment([first])
    deployment.put(replace(first, queue_message_id="second"))

    summary = whole(deployment, TopicRoute(deployment), wait=timedelta())

    assert (summary.completed, summary.removed, deployment.waiting) == (2, 0, set())


def test_the_second_of_a_message_whose_first_was_not_sent_any_more_is_not_sent_either() -> None:
    """A stage with too many failures was the last."""
    first = [dead_letter() for _ in range(20)]
    deployment = Deployment(first, is_subscribed=False)
    deployment.put(replace(first[-1], queue_message_id="second"))

    summary = whole(deployment, TopicRoute(deployment), wait=SOON)

    assert (summary.stopped, summary.not_sent, len(summary.unfinished)) == (True, 20, 1)


@pytest.mark.parametrize("route", [InvokeRoute, AsyncRoute, TopicRoute])
@given(faults=st.lists(st.sampled_from(DRAWN), max_size=40), count=st.integers(0, 40), deaf=st.booleans())
def test_no_message_is_lost_by_a_proved_run_whatever_fails(
    route: type, faults: list[Fault], count: int, deaf: bool
) -> None:
    """Also when the topic reaches nobody: what was deleted was processed, or came back as a dead letter of its own."""
    deployment = Deployment(
        [dead_letter() for _ in range(count)],
        planned=faults,
        is_subscribed=not deaf,
    )

    with contextlib.suppress(Crash, AwsError):
        whole(deployment, route(deployment), wait=timedelta(milliseconds=1), max_failures=1.0)

    for one in deployment.dead_letters:
        assert id_of(one) in deployment.safe() or deployment.processed[id_of(one)] >= 1
    assert deployment.hidden <= deployment.queue.sqs.unanswered


def test_a_run_that_stopped_and_left_dead_letters_has_not_completed_everything_though_rows_came_late() -> (
    None
):
    deployment = Deployment([dead_letter() for _ in range(WINDOW + 200)])
    judged = threading.Event()

    class Late(Rows):
        def progress_of(self, message_ids: Sequence[str]) -> dict[str, Progress]:
            return super().progress_of(message_ids) if judged.is_set() else {}

    options = RedriveOptions(wait=SOON, stages=(WINDOW,), force=True)
    with redrive(deployment, Late(deployment), route=TopicRoute(deployment), options=options) as run:
        summary = run.run_all(
            run.next_plan(), Lines(), lambda one: judged.set() if one.phase is Phase.PART_ENDED else None
        )

    assert (summary.completed, summary.unfinished, len(deployment.waiting)) == (WINDOW, (), 200)
    assert not summary.everything_completed
    with pytest.raises(PartlyFailed, match="before it came to the others"):
        require_everything_completed(summary, again="")


def test_a_row_that_is_given_up_meanwhile_does_not_show_that_its_message_arrived() -> None:
    one = dead_letter()
    deployment = Deployment([one], is_subscribed=False)
    abandoned = progress(id_of(one), SubmissionStatus.ABANDONED)

    class GivenUp(TopicRoute):
        def send(self, dead_letters: Sequence[DeadLetter], *, run_id: str) -> list[SendResult]:
            rows.rows[id_of(one)] = abandoned
            return super().send(dead_letters, run_id=run_id)

    rows = Rows(deployment)
    with redrive(deployment, rows, route=GivenUp(deployment), options=RedriveOptions(wait=SOON)) as run:
        (unfinished,) = run.run_all(run.next_plan(), Lines()).unfinished

    assert unfinished.in_queue
    assert one.queue_message_id in deployment.waiting


def test_each_window_is_checked_before_anything_of_it_is_sent() -> None:
    """With `--wait 0s` the filter policy is the only guard, and the dead letters that it rejects may come late."""
    dead_letters = [dead_letter() for _ in range(WINDOW + 200)]
    deployment = Deployment(dead_letters)
    last = dead_letters[-1]

    class RejectsTheLast:
        def look(self) -> None:
            looks.append("look")

        def require(self, dead_letters: Sequence[DeadLetter]) -> None:
            if last.queue_message_id in {one.queue_message_id for one in dead_letters}:
                raise Refused("the filter policy rejects 1 dead letter")

    looks: list[str] = []

    options = RedriveOptions(wait=timedelta(), force=True)
    with redrive(
        deployment, Rows(deployment), route=TopicRoute(deployment, RejectsTheLast()), options=options
    ) as run:
        first = run.next_plan()
        with pytest.raises(Refused):
            run.run_all(first, Lines())

    assert len(looks) == 2
    assert (sum(deployment.processed.values()), len(deployment.waiting)) == (WINDOW, 200)
    assert not deployment.hidden


def test_a_stage_that_cannot_have_too_many_failures_any_more_is_not_waited_for() -> None:
    """One dead letter's row is not there yet, and it is waited for up to an hour."""
    *here, missing = dead_letters = [dead_letter() for _ in range(5)]
    deployment = Deployment(dead_letters)
    deployment.processed.update(id_of(one) for one in here)
    arrived: list[DeadLetter] = []
    proof = StageProof(Rows(deployment), since=NOW, wait=timedelta(hours=1), arrived=arrived.extend)
    handled = [
        SentDeadLetter(dead_letter=one, result=SendResult(outcome=SendOutcome.ACCEPTED))
        for one in dead_letters
    ]

    assert proof.unconfirmed(handled, most=1) == 0
    assert {one.queue_message_id for one in arrived} == {one.queue_message_id for one in here}
    deployment.processed[id_of(missing)] += 1
    assert proof.outcomes(handled).outcome(Asked(id_of(missing))) is RowOutcome.COMPLETED
    assert missing in arrived


def test_a_row_of_a_database_that_is_not_proven_deletes_nothing_on_the_topic() -> None:
    deployment = Deployment([dead_letter() for _ in range(12)])

    class Elsewhere(Rows):
        proof = UNPROVEN

    with redrive(
        deployment,
        Elsewhere(deployment),
        route=TopicRoute(deployment),
        options=RedriveOptions(wait=SOON),
    ) as run:
        run.run_all(run.next_plan(), Lines())

    assert (len(deployment.processed), deployment.deleted) == (12, set())
