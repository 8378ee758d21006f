"""What a redrive takes, decides and sends, and what it says of it."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from b2bpilot.aws.queue import AnyReceived
from b2bpilot.aws.queue_attributes import Counters
from b2bpilot.errors import AwsDenied
from b2bpilot.ops.dead_letters.decision import Decision
from b2bpilot.ops.dead_letters.holding import Holding
from b2bpilot.ops.dead_letters.sweep import Taker
from b2bpilot.ops.progress import Phase, ProgressEvent
from b2bpilot.ops.redrive.options import WINDOW, RedriveOptions
from b2bpilot.ops.redrive.routes import AsyncRoute, InvokeRoute, TopicRoute
from b2bpilot.ops.sending.result import SendOutcome, SendResult
from b2bpilot.pipeline.dead_letter import DeadLetter
from b2bpilot.pipeline.models import Progress, SubmissionStatus
from tests.fakes.dead_letters import dead
from tests.fakes.sqs import FakeQueue
from tests.ops.dead_letters.a_run import NOW, SOON, Lines, Rows, decisions, progress, redrive, whole
from tests.ops.dead_letters.deployment import Deployment, dead_letter, id_of
from tests.ops.table.databases import UNPROVEN


def test_each_dead_letter_is_decided_by_what_its_row_says_and_how_often_it_came_back() -> None:
    fresh, stored, busy, stuck, poison = dead_letters = [
        *(dead_letter() for _ in range(4)),
        dead_letter(redrives=3),
    ]
    deployment = Deployment(dead_letters)
    lease = {"lease_expires_at": NOW + timedelta(minutes=1)}
    over = {"lease_expires_at": NOW - timedelta(minutes=1)}
    rows = Rows(
        deployment,
        {
            id_of(stored): progress(id_of(stored), SubmissionStatus.COMPLETED),
            id_of(busy): progress(id_of(busy), SubmissionStatus.PROCESSING, **lease),
            id_of(stuck): progress(id_of(stuck), SubmissionStatus.PROCESSING, **over),
        },
    )

    found = decisions([fresh, stored, busy, stuck, poison], deployment, rows)

    assert found == [Decision.SEND, Decision.REMOVE, Decision.BUSY, Decision.SEND, Decision.POISON]


@pytest.mark.parametrize("route", [InvokeRoute, AsyncRoute, TopicRoute])
def test_a_dead_letter_whose_message_a_person_discarded_is_neither_sent_nor_deleted(route: type) -> None:
    """The processor skips it: taken for processed, the dead letter was deleted and in no archive."""
    one = dead_letter()
    deployment = Deployment([one])
    mark = progress(id_of(one), SubmissionStatus.ABANDONED, discarded_by="run-0")
    rows = Rows(deployment, {id_of(one): mark})
    assert decisions([one], deployment, rows) == [Decision.DISCARDED]
    deployment.queue.sqs.expire(deployment.faults)

    with redrive(
        deployment, rows, route=route(deployment), accepted_before={one.queue_message_id: True}
    ) as run:
        summary = run.run_all(run.next_plan(), Lines())
    assert (summary.completed, summary.removed, summary.set_aside) == (0, 0, 1)
    assert not deployment.processed
    assert one.queue_message_id in deployment.waiting


def test_dead_letters_that_arrived_after_the_run_began_are_neither_taken_nor_kept() -> None:
    deployment = Deployment([dead_letter()])

    with redrive(deployment, Rows(deployment), started_at=datetime(2020, 1, 1, tzinfo=UTC)) as run:
        plan = run.next_plan()

    assert list(plan.items) == []
    assert deployment.queue.counters().visible == 1


def test_what_the_run_itself_sent_and_came_back_is_not_taken_again() -> None:
    deployment = Deployment([dead_letter(), dead_letter(redrives=1, redriven_by="run-1")])
    journal = Lines()

    with redrive(deployment, Rows(deployment)) as run:
        run.run_window(run.next_plan(), journal)
        deployment.queue.sqs.messages.clear()
        deployment.put(dead_letter(redrives=1, redriven_by="run-1"))
        deployment.queue.sqs.expire(deployment.faults)
        plan = run.next_plan()

    assert list(plan.items) == []


def test_what_was_known_to_be_sent_before_an_interruption_is_only_removed() -> None:
    sent, unsent = dead_letters = [dead_letter(), dead_letter()]
    deployment = Deployment(dead_letters)
    known = {sent.queue_message_id: True, unsent.queue_message_id: False}

    with redrive(deployment, Rows(deployment), accepted_before=known) as run:
        summary = run.run_window(run.next_plan(), Lines())

    assert (summary.removed, summary.completed) == (1, 1)
    assert deployment.processed.keys() == {id_of(unsent)}
    assert deployment.waiting == set()


def test_the_summary_is_what_the_rows_say_not_what_the_route_said() -> None:
    one = dead_letter()
    deployment = Deployment([one])

    class Forgetful(Rows):
        def progress_of(self, message_ids: Sequence[str]) -> dict[str, Progress]:
            return {}

    with redrive(deployment, Forgetful(deployment)) as run:
        summary = run.run_window(run.next_plan(), Lines())

    assert summary.completed == 0
    assert not summary.everything_completed
    assert summary.unfinished[0].reason == "sent, but its row is not completed yet"


def test_dead_letters_that_a_killed_run_still_hides_are_waited_for() -> None:
    """Another receiver holds the dead letter at first; it is given back while the taker looks."""
    deployment = Deployment([dead_letter()])
    held_by_the_dead = deployment.queue.receive(hidden_seconds=20, wait_seconds=0)
    polls = []

    class Source:
        def receive(self, *, wait_seconds: int) -> list[DeadLetter]:
            polls.append(wait_seconds)
            if len(polls) == 5:
                deployment.queue.release(held_by_the_dead)
            return deployment.queue.receive(hidden_seconds=20, wait_seconds=wait_seconds)

        def release(self, dead_letters: Sequence[DeadLetter]) -> None:
            deployment.queue.release(dead_letters)

        def extend_due(self) -> None:
            pass

        def others(self) -> int:
            return self.beside().total

        def beside(self) -> Counters:
            return Counters(visible=0, hidden=0 if len(polls) > 5 else 1, delayed=0)

    taken = Taker(Source(), wanted=lambda _: True, limit=10, patience_seconds=60).take(workers=1)

    assert len(taken.dead_letters) == 1
    assert polls[:3] == [0, 1, 1]


def test_dead_letters_that_stay_hidden_are_counted_not_denied() -> None:
    deployment = Deployment([dead_letter() for _ in range(3)])
    deployment.queue.receive(hidden_seconds=20, wait_seconds=0)

    with Holding(deployment.queue) as held:
        taken = Taker(held, wanted=lambda _: True, limit=10).take(workers=1)

    assert (list(taken.dead_letters), taken.hidden) == ([], 3)


def test_windows_without_anything_to_do_are_passed_and_told() -> None:
    poison = [dead_letter(redrives=3) for _ in range(WINDOW)]
    good = [dead_letter() for _ in range(5)]
    deployment = Deployment([*poison, *good])

    summary = whole(deployment, InvokeRoute(deployment), wait=timedelta(), force=True)

    assert (summary.completed, summary.set_aside, summary.everything_completed) == (5, WINDOW, False)


def test_a_display_is_told_of_each_window_whether_others_follow_it() -> None:
    deployment = Deployment([dead_letter() for _ in range(2 * WINDOW + 5)])
    told: list[ProgressEvent] = []
    with redrive(
        deployment, Rows(deployment), options=RedriveOptions(wait=timedelta(), limit=2 * WINDOW)
    ) as run:
        run.run_all(run.next_plan(), Lines(), told.append)

    parts = [(one.total, one.has_more) for one in told if one.phase is Phase.PART_ENDED]
    looked = [one.phase for one in told].index(Phase.LOOKING)
    assert set(parts) == {(WINDOW, True), (2 * WINDOW, False)}
    assert {one.has_more for one in told[:looked] if one.phase is Phase.SENDING} == {True}


def test_no_call_is_under_way_when_dead_letters_are_given_back_whatever_ended_the_run() -> None:
    """The display breaks while the next stage is being sent."""
    under_way, at_release, never = set[int](), list[int](), threading.Event()

    class Watched(FakeQueue):
        def release(self, dead_letters: Sequence[AnyReceived]) -> list[AnyReceived]:
            at_release.append(len(under_way))
            return super().release(dead_letters)

    class Slow(InvokeRoute):
        def send(self, dead_letters: Sequence[DeadLetter], *, run_id: str) -> list[SendResult]:
            under_way.add(threading.get_ident())
            never.wait(0.05 if deployment.processed else 0)
            sent = super().send(dead_letters, run_id=run_id)
            under_way.discard(threading.get_ident())
            return sent

    def broken(progress: ProgressEvent) -> None:
        if progress.phase is Phase.PART_ENDED:
            raise BrokenPipeError

    deployment, journal = Deployment([dead_letter() for _ in range(60)], queue_class=Watched), Lines()
    with redrive(deployment, Rows(deployment), route=Slow(deployment)) as run:
        plan = run.next_plan()
        with pytest.raises(BrokenPipeError):
            run.run_window(plan, journal, broken)

    accepted = [one for one in journal if one["event"] == "accepted"]
    assert set(at_release) == {0}
    assert len(accepted) == sum(deployment.processed.values()) == 60 - len(deployment.waiting)


def test_what_was_accepted_before_a_call_was_refused_is_journalled_and_deleted() -> None:
    class ExpiringCredentials(Deployment):
        def invoke_later(self, event: Mapping[str, object]) -> None:
            if sum(self.processed.values()) >= 30:
                raise AwsDenied("the security token is expired")
            super().invoke_later(event)

    deployment, journal = ExpiringCredentials([dead_letter() for _ in range(60)]), Lines()

    with pytest.raises(AwsDenied):
        whole(deployment, AsyncRoute(deployment), journal, wait=timedelta())

    accepted = {one["queue_message_id"] for one in journal if one["event"] == "accepted"}
    assert len(accepted) == sum(deployment.processed.values())
    assert deployment.deleted == accepted


def test_counters_that_promise_nothing_are_not_believed_before_the_queue_was_asked() -> None:
    queue = FakeQueue(
        [dead() for _ in range(37)], counters_say=lambda _: Counters(visible=0, hidden=0, delayed=0)
    )

    with Holding(queue) as held:
        taken = Taker(held, wanted=lambda _: True, limit=100).take()

    assert len(taken.dead_letters) == 37


def test_what_sqs_refuses_to_give_back_is_counted() -> None:
    class Stubborn(FakeQueue):
        def release(self, dead_letters: Sequence[AnyReceived]) -> list[AnyReceived]:
            return list(dead_letters)

    deployment = Deployment([dead_letter() for _ in range(3)], queue_class=Stubborn)
    with redrive(deployment, Rows(deployment)) as run:
        run.next_plan()

    assert run.not_released == 3


@pytest.mark.parametrize("route", [InvokeRoute, AsyncRoute])
def test_a_completed_test_message_of_the_same_id_does_not_stand_for_a_real_one(route: type) -> None:
    """The processor refuses such a message, so the dead letter stays."""
    real = dead_letter()
    deployment = Deployment([real], poison=frozenset({id_of(real)}))
    row = progress(id_of(real), SubmissionStatus.COMPLETED, test=True)

    class Kept(Rows):
        def progress_of(self, message_ids: Sequence[str]) -> dict[str, Progress]:
            return {id_of(real): row}

    with redrive(
        deployment, Kept(deployment), route=route(deployment), options=RedriveOptions(wait=SOON)
    ) as run:
        summary = run.run_all(run.next_plan(), Lines())

    assert (summary.removed, summary.completed, len(summary.unfinished)) == (0, 0, 1)
    assert id_of(real) in deployment.safe()


@pytest.mark.parametrize("real_first", [True, False])
def test_a_test_s_row_stands_for_the_test_s_dead_letter_and_not_for_the_real_message_s(
    *, real_first: bool
) -> None:
    """Who may send a test may choose its id: its completed row must not remove the real message's dead letter."""
    real = dead_letter()
    assert real.message is not None
    test = dead_letter(replace(real.message, test=True))
    dead_letters = [real, test] if real_first else [test, real]
    deployment = Deployment(dead_letters)
    rows = Rows(deployment, {id_of(real): progress(id_of(real), SubmissionStatus.COMPLETED, test=True)})

    wanted = [Decision.SEND, Decision.REMOVE]
    assert decisions([real, test], deployment, rows) == wanted


def test_each_dead_letter_is_counted_once_also_of_a_message_that_has_two() -> None:
    first = dead_letter()
    deployment = Deployment([first, dead_letter()])
    deployment.put(replace(first, queue_message_id="twin"))

    assert whole(deployment, InvokeRoute(deployment)).counts() == {
        "completed": 2,
        "removed": 1,
        "set_aside": 0,
        "not_sent": 0,
        "unfinished": 0,
    }


def test_a_dead_letter_that_was_not_processed_says_why_although_another_of_its_message_was() -> None:
    first = dead_letter()
    deployment = Deployment([first])
    deployment.put(replace(first, queue_message_id="twin"))

    class Busy(InvokeRoute):
        def send(self, dead_letters: Sequence[DeadLetter], *, run_id: str) -> list[SendResult]:
            if dead_letters[0].queue_message_id == "twin":
                return [SendResult(outcome=SendOutcome.FAILED, error="another run is processing the message")]
            return super().send(dead_letters, run_id=run_id)

    class Unproven(Rows):
        """Without rows to tell, each dead letter is sent."""

        proof = UNPROVEN

    options = RedriveOptions(stages=(1,))
    with redrive(deployment, Unproven(deployment), route=Busy(deployment), options=options) as run:
        summary = run.run_all(run.next_plan(), Lines())

    assert (summary.processed, [one.reason for one in summary.unfinished]) == (
        1,
        ["another run is processing the message"],
    )


def test_a_dead_letter_that_sqs_did_not_delete_is_unfinished_and_not_completed() -> None:
    deployment = Deployment([dead_letter()])
    deployment.queue.sqs.refuse_delete = deployment.waiting

    summary = whole(deployment, InvokeRoute(deployment))

    assert (summary.completed, len(summary.unfinished)) == (0, 1)


def test_what_is_only_removed_is_removed_by_many_calls_side_by_side() -> None:
    """One after the other, 100,000 dead letters take as long as 10,000 calls do."""
    dead_letters = [dead_letter() for _ in range(40)]
    together = threading.Barrier(4)

    class Waiting(FakeQueue):
        def delete(self, dead_letters: Sequence[AnyReceived]) -> list[AnyReceived]:
            together.wait(10)
            return super().delete(dead_letters)

    deployment = Deployment(dead_letters, queue_class=Waiting)
    rows = Rows(
        deployment, {id_of(one): progress(id_of(one), SubmissionStatus.COMPLETED) for one in dead_letters}
    )

    with redrive(deployment, rows) as run:
        summary = run.run_all(run.next_plan(), Lines())

    assert (summary.removed, deployment.waiting) == (40, set())
