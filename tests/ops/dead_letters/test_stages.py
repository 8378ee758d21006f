"""The redrive's promise under every fault: nothing is lost, what was deleted was confirmed, what was taken is given back."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from b2bpilot.aws.functions import Invocation
from b2bpilot.aws.queue import AnyReceived
from b2bpilot.errors import AwsDenied, AwsError
from b2bpilot.ops.dead_letters.holding import Holding
from b2bpilot.ops.dead_letters.sweep import Taker
from b2bpilot.ops.progress import ProgressEvent, SendCounter
from b2bpilot.ops.redrive.deletion import Deletions, deleted_when
from b2bpilot.ops.redrive.options import STAGES, RedriveOptions
from b2bpilot.ops.redrive.routes import AsyncRoute, InvokeRoute, Route, TopicRoute
from b2bpilot.ops.redrive.stages import EndedStage, StagedSending, split, stages
from b2bpilot.ops.sending.pace import Limits, Pace
from b2bpilot.ops.sending.result import SendOutcome, SendResult
from b2bpilot.pipeline.dead_letter import DeadLetter
from tests.clock import no_waiting
from tests.fakes.faults import DRAWN, NONE, PARTIAL, THROTTLED, Crash, Fault
from tests.fakes.sqs import FakeQueue
from tests.ops.dead_letters.deployment import Deployment, dead_letter, id_of

ROUTES = {"invoke": InvokeRoute, "async": AsyncRoute, "topic": TopicRoute}


TAKING = (NONE,)
"""The receive that takes a single dead letter; then the counters say that there is no other."""


class Lines(list[Mapping[str, object]]):
    """A journal in memory."""

    run_id = "run-1"

    def write(self, *entries: Mapping[str, object], durable: bool = True) -> None:
        self.extend(entries)

    def about(self, event: str) -> set[object]:
        return {entry["queue_message_id"] for entry in self if entry["event"] == event}


@contextlib.contextmanager
def prepared(
    deployment: Deployment,
    route: Route,
    journal: Lines,
    *,
    pace: Pace,
    sizes: tuple[int, ...] = STAGES,
    max_failures: float = 0.2,
    **more: Any,
) -> Iterator[tuple[StagedSending, Sequence[DeadLetter]]]:
    """Take all dead letters; what is not deleted is given back at the end."""
    with Holding(deployment.queue) as held:
        dead_letters = Taker(held, wanted=lambda _: True, limit=1000).take(workers=1).dead_letters
        with Deletions(held, journal, deleted_when(route, timedelta())) as deletions:
            sending = StagedSending(
                route=route,
                journal=journal,
                deletions=deletions,
                pace=pace,
                options=RedriveOptions(stages=sizes, max_failures=max_failures),
                **more,
            )
            yield sending, dead_letters


def redrive(
    deployment: Deployment, route: Route, journal: Lines, *, concurrency: int = 1, **options: object
) -> list[EndedStage]:
    """A whole run: take, send, delete, give back."""
    pace = Pace(Limits(concurrency=concurrency))
    with no_waiting(), prepared(deployment, route, journal, pace=pace, **options) as (sending, dead_letters):
        return list(sending.run(dead_letters))


def balance(deployment: Deployment, journal: Lines) -> None:
    """What must hold whatever happened."""
    safe = deployment.safe()
    for one in deployment.dead_letters:
        key, message_id = one.queue_message_id, id_of(one)
        assert message_id in safe or deployment.processed[message_id] >= 1, "a message was lost"
        if key in deployment.deleted:
            assert key in journal.about("accepted"), "what was deleted was not confirmed"
            assert key in journal.about("sending"), "what was deleted was not journalled before"
    assert deployment.hidden <= deployment.queue.sqs.unanswered, "a dead letter was taken and not given back"


FAULTS = st.lists(st.sampled_from(DRAWN), max_size=60)


@pytest.mark.parametrize("via", ROUTES)
@given(faults=FAULTS, count=st.integers(0, 40), poisoned=st.integers(0, 5))
def test_nothing_is_lost_whatever_fails(via: str, faults: list[Fault], count: int, poisoned: int) -> None:
    dead_letters = [dead_letter() for _ in range(count)]
    deployment = Deployment(
        dead_letters,
        planned=faults,
        poison=frozenset(id_of(one) for one in dead_letters[:poisoned]),
    )
    journal = Lines()

    with contextlib.suppress(Crash, AwsError):
        redrive(deployment, ROUTES[via](deployment), journal, max_failures=1.0)

    balance(deployment, journal)


@pytest.mark.parametrize("via", ROUTES)
@given(faults=FAULTS, count=st.integers(1, 30))
def test_runs_after_a_disturbed_one_end_with_an_empty_queue(
    via: str, faults: list[Fault], count: int
) -> None:
    dead_letters = [dead_letter() for _ in range(count)]
    deployment = Deployment(dead_letters, planned=faults)
    for _ in range(len(faults) + 1):
        try:
            redrive(deployment, ROUTES[via](deployment), Lines(), max_failures=1.0)
        except (Crash, AwsError):
            deployment.queue.sqs.expire(deployment.faults)

    assert deployment.waiting == set()
    assert all(deployment.processed[id_of(one)] >= 1 for one in dead_letters)


def test_without_faults_each_message_is_sent_once_and_deleted() -> None:
    deployment = Deployment([dead_letter() for _ in range(137)])

    done = redrive(deployment, InvokeRoute(deployment), Lines(), concurrency=8)

    assert [len(stage.sent) for stage in done] == [1, 5, 20, 100, 11]
    assert deployment.waiting == set()
    assert set(deployment.processed.values()) == {1}


def test_a_stage_with_too_many_failures_is_the_last() -> None:
    dead_letters = [dead_letter() for _ in range(60)]
    deployment = Deployment(dead_letters, poison=frozenset(id_of(one) for one in dead_letters[2:5]))

    done = redrive(deployment, InvokeRoute(deployment), Lines())

    assert [(len(stage.sent), stage.failed) for stage in done] == [(1, 0), (5, 3)]
    assert len(deployment.waiting) == 57


class Slow(InvokeRoute):
    """Sends some dead letters only when it is let go on, and counts what it began."""

    def __init__(self, deployment: Deployment, slow: set[str]) -> None:
        super().__init__(deployment)
        self.slow, self.go_on, self.begun = slow, threading.Event(), threading.Semaphore(0)

    def send(self, dead_letters: Sequence[DeadLetter], *, run_id: str) -> list[SendResult]:
        self.begun.release(len(dead_letters))
        if self.slow & {id_of(one) for one in dead_letters}:
            assert self.go_on.wait(10)
        return super().send(dead_letters, run_id=run_id)

    def began(self, count: int) -> bool:
        return all(self.begun.acquire(timeout=10) for _ in range(count))


@pytest.mark.parametrize(("slow", "begins"), [(2, True), (3, False)])
def test_the_next_stage_begins_when_the_dead_letters_under_way_cannot_stop_it_any_more(
    slow: int, begins: bool
) -> None:
    dead_letters = [dead_letter() for _ in range(20)]
    deployment = Deployment(dead_letters)
    route = Slow(deployment, {id_of(one) for one in dead_letters[10 - slow : 10]})
    with ThreadPoolExecutor(1) as pool:
        run = pool.submit(redrive, deployment, route, Lines(), sizes=(10,), concurrency=16)

        assert route.began(10)
        assert route.begun.acquire(timeout=10 if begins else 0.2) is begins
        route.go_on.set()
        assert [(stage.number, len(stage.sent)) for stage in run.result()] == [(1, 10), (2, 10)]
    assert deployment.waiting == set()


def test_a_throttled_dead_letter_is_sent_again_and_is_no_failure() -> None:
    planned = [*TAKING, *[THROTTLED] * 3]
    deployment = Deployment([dead_letter()], planned=planned)

    (done,) = redrive(deployment, InvokeRoute(deployment), Lines())

    assert done.sent[0].result.outcome is SendOutcome.PROCESSED
    assert deployment.waiting == set()


def test_a_dead_letter_that_was_processed_but_not_deleted_is_not_counted_as_deleted() -> None:
    planned = [*TAKING, NONE, PARTIAL]
    deployment, journal = Deployment([dead_letter()], planned=planned), Lines()

    (done,) = redrive(deployment, InvokeRoute(deployment), journal)

    assert done.sent[0].result.is_confirmed
    assert (journal.about("accepted"), journal.about("deleted")) == (deployment.waiting, set())


def test_a_denied_call_stops_the_run_and_gives_everything_back() -> None:
    class Denied(Deployment):
        def invoke(self, event: Mapping[str, object]):
            raise AwsDenied("AWS denied lambda:InvokeFunction")

    deployment = Denied([dead_letter() for _ in range(30)])
    journal = Lines()

    with pytest.raises(AwsDenied):
        redrive(deployment, InvokeRoute(deployment), journal)

    balance(deployment, journal)
    assert len(deployment.waiting) == 30


def test_when_deleting_is_denied_sending_stops_soon_and_everything_is_given_back() -> None:
    class NoDeletion(FakeQueue):
        def delete(self, dead_letters: Sequence[AnyReceived]) -> list[AnyReceived]:
            denied.set()
            raise AwsDenied("AWS denied sqs:DeleteMessage")

    class Denied(Deployment):
        def invoke(self, event: Mapping[str, object]) -> Invocation:
            if len(self.processed) == 6:
                assert denied.wait(10)
            return super().invoke(event)

    denied = threading.Event()
    deployment = Denied([dead_letter() for _ in range(600)], queue_class=NoDeletion)
    journal = Lines()

    with pytest.raises(AwsDenied):
        redrive(deployment, InvokeRoute(deployment), journal)

    balance(deployment, journal)
    assert len(deployment.waiting) == 600
    assert len(deployment.processed) < 30


def test_what_was_confirmed_is_deleted_although_the_run_is_interrupted() -> None:
    deployment = Deployment([dead_letter() for _ in range(26)])

    class Interrupted(InvokeRoute):
        def send(self, dead_letters: Sequence[DeadLetter], *, run_id: str) -> list[SendResult]:
            if len(deployment.processed) > 6:
                raise KeyboardInterrupt
            return super().send(dead_letters, run_id=run_id)

    journal = Lines()
    with pytest.raises(KeyboardInterrupt):
        redrive(deployment, Interrupted(deployment), journal)

    balance(deployment, journal)
    assert journal.about("deleted") == journal.about("accepted")
    assert len(deployment.waiting) == 26 - len(journal.about("accepted"))


def test_dead_letters_are_deleted_ten_at_a_time_however_they_were_sent() -> None:
    deployment = Deployment([dead_letter() for _ in range(126)])
    redrive(deployment, InvokeRoute(deployment), Lines(), concurrency=16)

    stages_of_126, sizes = 4, deployment.queue.sqs.sizes["delete"]
    assert (sum(sizes), len(sizes) <= 126 / 10 + stages_of_126) == (126, True)
    assert deployment.waiting == set()


def test_stages_repeat_the_last_size() -> None:
    dead_letters = [dead_letter() for _ in range(40)]

    assert [len(stage) for stage in stages(dead_letters, (1, 5, 10))] == [1, 5, 10, 10, 10, 4]


@pytest.mark.parametrize(
    ("count", "workers", "sizes"), [(5, 16, [1] * 5), (20, 4, [5] * 4), (100, 4, [10] * 10)]
)
def test_a_stage_uses_all_workers(count: int, workers: int, sizes: list[int]) -> None:
    dead_letters: list[DeadLetter] = [dead_letter() for _ in range(count)]

    assert [len(batch) for batch in split(dead_letters, workers=workers)] == sizes


def test_after_an_interruption_nothing_more_is_sent() -> None:
    """One worker is interrupted; the others wait for their turn at a slow rate, and must not take it."""
    deployment = Deployment([dead_letter() for _ in range(8)])
    told: list[ProgressEvent] = []

    class Interrupted(InvokeRoute):
        def send(self, dead_letters: Sequence[DeadLetter], *, run_id: str) -> list[SendResult]:
            if deployment.processed:
                raise KeyboardInterrupt
            return super().send(dead_letters, run_id=run_id)

    pace = Pace(Limits(concurrency=8, rate=50))
    with (
        pytest.raises(KeyboardInterrupt),
        prepared(
            deployment,
            Interrupted(deployment),
            Lines(),
            pace=pace,
            sizes=(1, 7),
            counter=SendCounter(told.append),
        ) as (
            sending,
            dead_letters,
        ),
    ):
        list(sending.run(dead_letters))

    assert sum(deployment.processed.values()) == 1
    assert [one.text.partition(":")[0] for one in told if one.text] == ["stage 1", "stopping"]
    assert len(deployment.waiting) == 7
    assert not deployment.hidden
