"""The redrive's promise under every fault: nothing is lost, what was deleted was confirmed, what was taken is given back."""

from __future__ import annotations

import contextlib
import itertools
import threading
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from b2bpilot.aws.functions import Invocation
from b2bpilot.errors import AwsDenied, AwsError
from b2bpilot.ops.dead_letters.deletions import Deletions
from b2bpilot.ops.dead_letters.engine import Engine, Rules, StageDone, split, stages
from b2bpilot.ops.dead_letters.holding import Holding
from b2bpilot.ops.dead_letters.pace import Limits, Pace
from b2bpilot.ops.dead_letters.routes import AsyncRoute, InvokeRoute, Route, Sent, TopicRoute, Verdict
from b2bpilot.ops.dead_letters.taking import Taker
from b2bpilot.pipeline.dead_letter import DeadLetter
from tests.ops.dead_letters.world import Crash, Fault, World, id_of, letter

ROUTES = {"invoke": InvokeRoute, "async": AsyncRoute, "topic": TopicRoute}


TAKING = (Fault.NONE,)
"""The receive that takes a single letter; then the counters say that there is no other."""


class Lines(list[Mapping[str, object]]):
    """A journal in memory."""

    def write(self, *entries: Mapping[str, object], durable: bool = True) -> None:
        self.extend(entries)

    def about(self, event: str) -> set[object]:
        return {entry["queue_message_id"] for entry in self if entry["event"] == event}


@contextlib.contextmanager
def prepared(
    world: World, route: Route, journal: Lines, *, pace: Pace, rules: Rules
) -> Iterator[tuple[Engine, Sequence[DeadLetter]]]:
    """Take all letters; what is not deleted is given back at the end."""
    with Holding(world) as held:
        letters = Taker(held, wanted=lambda _: True, limit=1000).take(workers=1).letters
        with Deletions(held, journal) as deletions:
            engine = Engine(
                run_id="run-1",
                route=route,
                journal=journal,
                deletions=deletions,
                pace=pace,
                rules=rules,
                deletes_accepted=True,
            )
            yield engine, letters


def redrive(
    world: World, route: Route, journal: Lines, *, rules: Rules | None = None, concurrency: int = 1
) -> list[StageDone]:
    """A whole run: take, send, delete, give back."""
    pace = Pace(Limits(concurrency=concurrency), sleep=lambda _: None)
    with prepared(world, route, journal, pace=pace, rules=rules or Rules()) as (engine, letters):
        return list(engine.run(letters))


def balance(world: World, journal: Lines) -> None:
    """What must hold whatever happened."""
    for one in world.letters:
        key, message_id = one.queue_message_id, id_of(one)
        assert message_id in world.safe() or world.processed[message_id] >= 1, "a message was lost"
        if key in world.deleted:
            assert key in journal.about("accepted"), "what was deleted was not confirmed"
            assert key in journal.about("sending"), "what was deleted was not journalled before"
    assert not world.hidden & world.waiting.keys(), "a letter was taken and not given back"


FAULTS = st.lists(st.sampled_from(Fault), max_size=60)


@pytest.mark.parametrize("via", ROUTES)
@given(faults=FAULTS, count=st.integers(0, 40), poisoned=st.integers(0, 5))
def test_nothing_is_lost_whatever_fails(via: str, faults: list[Fault], count: int, poisoned: int) -> None:
    letters = [letter() for _ in range(count)]
    world = World(
        letters,
        faults=itertools.chain(faults, itertools.repeat(Fault.NONE)),
        poison=frozenset(id_of(one) for one in letters[:poisoned]),
    )
    journal = Lines()

    with contextlib.suppress(Crash, AwsError):
        redrive(world, ROUTES[via](world), journal, rules=Rules(max_failures=1.0))

    balance(world, journal)


@pytest.mark.parametrize("via", ROUTES)
@given(faults=FAULTS, count=st.integers(1, 30))
def test_runs_after_a_disturbed_one_end_with_an_empty_queue(
    via: str, faults: list[Fault], count: int
) -> None:
    letters = [letter() for _ in range(count)]
    world = World(letters, faults=itertools.chain(faults, itertools.repeat(Fault.NONE)))
    for _ in range(len(faults) + 1):
        try:
            redrive(world, ROUTES[via](world), Lines(), rules=Rules(max_failures=1.0))
        except (Crash, AwsError):
            world.time_passes()

    assert world.waiting == {}
    assert all(world.processed[id_of(one)] >= 1 for one in letters)


def test_without_faults_each_message_is_sent_once_and_deleted() -> None:
    world = World([letter() for _ in range(137)])

    done = redrive(world, InvokeRoute(world), Lines(), concurrency=8)

    assert [len(stage.handled) for stage in done] == [1, 5, 20, 100, 11]
    assert world.waiting == {}
    assert set(world.processed.values()) == {1}


def test_a_stage_with_too_many_failures_is_the_last() -> None:
    letters = [letter() for _ in range(60)]
    world = World(letters, poison=frozenset(id_of(one) for one in letters[2:5]))

    done = redrive(world, InvokeRoute(world), Lines())

    assert [(len(stage.handled), stage.failed) for stage in done] == [(1, 0), (5, 3)]
    assert len(world.waiting) == 57


class Slow(InvokeRoute):
    """Sends some letters only when it is let go on, and counts what it began."""

    def __init__(self, world: World, slow: set[str]) -> None:
        super().__init__(world)
        self.slow, self.go_on, self.begun = slow, threading.Event(), threading.Semaphore(0)

    def send(self, letters: Sequence[DeadLetter], *, run_id: str) -> list[Sent]:
        self.begun.release(len(letters))
        if self.slow & {id_of(one) for one in letters}:
            assert self.go_on.wait(10)
        return super().send(letters, run_id=run_id)

    def began(self, count: int) -> bool:
        return all(self.begun.acquire(timeout=10) for _ in range(count))


@pytest.mark.parametrize(("slow", "begins"), [(2, True), (3, False)])
def test_the_next_stage_begins_when_the_letters_under_way_cannot_stop_it_any_more(
    slow: int, begins: bool
) -> None:
    letters = [letter() for _ in range(20)]
    world = World(letters)
    route = Slow(world, {id_of(one) for one in letters[10 - slow : 10]})
    rules = Rules(stages=(10,), max_failures=0.2)
    with ThreadPoolExecutor(1) as pool:
        run = pool.submit(redrive, world, route, Lines(), rules=rules, concurrency=16)

        assert route.began(10)
        assert route.begun.acquire(timeout=10 if begins else 0.2) is begins
        route.go_on.set()
        assert [(stage.number, len(stage.handled)) for stage in run.result()] == [(1, 10), (2, 10)]
    assert world.waiting == {}


def test_a_throttled_letter_is_sent_again_and_is_no_failure() -> None:
    faults = itertools.chain([*TAKING, *[Fault.THROTTLED] * 3], itertools.repeat(Fault.NONE))
    world = World([letter()], faults=faults)

    (done,) = redrive(world, InvokeRoute(world), Lines())

    assert done.handled[0].sent.verdict is Verdict.PROCESSED
    assert world.waiting == {}


def test_a_letter_that_was_processed_but_not_deleted_is_not_counted_as_deleted() -> None:
    faults = itertools.chain([*TAKING, Fault.NONE, Fault.PARTIAL], itertools.repeat(Fault.NONE))
    world, journal = World([letter()], faults=faults), Lines()

    (done,) = redrive(world, InvokeRoute(world), journal)

    assert done.handled[0].sent.confirmed
    assert (journal.about("accepted"), journal.about("deleted")) == (world.waiting.keys(), set())


def test_a_denied_call_stops_the_run_and_gives_everything_back() -> None:
    class Denied(World):
        def invoke(self, event: Mapping[str, object]):
            raise AwsDenied("AWS denied lambda:InvokeFunction")

    world = Denied([letter() for _ in range(30)])
    journal = Lines()

    with pytest.raises(AwsDenied):
        redrive(world, InvokeRoute(world), journal)

    balance(world, journal)
    assert len(world.waiting) == 30


def test_when_deleting_is_denied_sending_stops_soon_and_everything_is_given_back() -> None:
    class Denied(World):
        def delete(self, letters: Sequence[DeadLetter]) -> list[DeadLetter]:
            denied.set()
            raise AwsDenied("AWS denied sqs:DeleteMessage")

        def invoke(self, event: Mapping[str, object]) -> Invocation:
            if len(self.processed) == 6:
                assert denied.wait(10)
            return super().invoke(event)

    denied = threading.Event()
    world, journal = Denied([letter() for _ in range(600)]), Lines()

    with pytest.raises(AwsDenied):
        redrive(world, InvokeRoute(world), journal)

    balance(world, journal)
    assert len(world.waiting) == 600
    assert len(world.processed) < 30


def test_what_was_confirmed_is_deleted_although_the_run_is_interrupted() -> None:
    world = World([letter() for _ in range(26)])

    class Interrupted(InvokeRoute):
        def send(self, letters: Sequence[DeadLetter], *, run_id: str) -> list[Sent]:
            if len(world.processed) > 6:
                raise KeyboardInterrupt
            return super().send(letters, run_id=run_id)

    journal = Lines()
    with pytest.raises(KeyboardInterrupt):
        redrive(world, Interrupted(world), journal)

    balance(world, journal)
    assert journal.about("deleted") == journal.about("accepted")
    assert len(world.waiting) == 26 - len(journal.about("accepted"))


def test_letters_are_deleted_ten_at_a_time_however_they_were_sent() -> None:
    sizes: list[int] = []

    class Counting(World):
        def delete(self, letters: Sequence[DeadLetter]) -> list[DeadLetter]:
            sizes.append(len(letters))
            return super().delete(letters)

    world = Counting([letter() for _ in range(126)])
    redrive(world, InvokeRoute(world), Lines(), concurrency=16)

    stages_of_126 = 4
    assert (sum(sizes), len(sizes) <= 126 / 10 + stages_of_126) == (126, True)
    assert world.waiting == {}


def test_stages_repeat_the_last_size() -> None:
    letters = [letter() for _ in range(40)]

    assert [len(stage) for stage in stages(letters, (1, 5, 10))] == [1, 5, 10, 10, 10, 4]


@pytest.mark.parametrize(
    ("count", "workers", "sizes"), [(5, 16, [1] * 5), (20, 4, [5] * 4), (100, 4, [10] * 10)]
)
def test_a_stage_uses_all_workers(count: int, workers: int, sizes: list[int]) -> None:
    letters: list[DeadLetter] = [letter() for _ in range(count)]

    assert [len(batch) for batch in split(letters, workers=workers)] == sizes


def test_after_an_interruption_nothing_more_is_sent() -> None:
    """One worker is interrupted; the others wait for their turn at a slow rate, and must not take it."""
    world = World([letter() for _ in range(8)])
    told: list[str] = []

    class Interrupted(InvokeRoute):
        def send(self, letters: Sequence[DeadLetter], *, run_id: str) -> list[Sent]:
            if world.processed:
                raise KeyboardInterrupt
            return super().send(letters, run_id=run_id)

    pace, rules = Pace(Limits(concurrency=8, rate=50)), Rules(stages=(1, 7))
    with (
        pytest.raises(KeyboardInterrupt),
        prepared(world, Interrupted(world), Lines(), pace=pace, rules=rules) as (engine, letters),
    ):
        list(engine.run(letters, stopping=lambda: told.append("stopping")))

    assert sum(world.processed.values()) == 1
    assert told == ["stopping"]
    assert len(world.waiting) == 7
    assert not world.hidden & world.waiting.keys()
