"""The safe look: everything is seen once, and nothing stays hidden, whatever happens."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from moto import mock_aws

from b2bpilot.aws.queue import DeadLetterQueue, Receipt
from b2bpilot.aws.queue_attributes import Counters
from b2bpilot.aws.session import AwsAccess
from b2bpilot.errors import AwsError, PartlyFailed, UsageError
from b2bpilot.ops.dead_letters.expression import Expression
from b2bpilot.ops.dead_letters.filters import Selection, resolve
from b2bpilot.ops.dead_letters.peek import Peek, peek
from b2bpilot.ops.dead_letters.sweep import MOST_HELD
from b2bpilot.pipeline.dead_letter import DeadLetter
from tests.events import received
from tests.fakes.dead_letters import dead
from tests.fakes.faults import Crash, Fault, Faults
from tests.fakes.sqs import FakeQueue

NOW = datetime(2026, 11, 23, tzinfo=UTC)
SHORT_SECONDS = 30
CAUSES = ("no answer", "wrong type", "no route")


def look_at(queue: FakeQueue, selection: Selection | None = None, **more: object) -> Peek:
    return peek(
        queue,
        now=NOW,
        selection=selection,
        hidden_seconds=SHORT_SECONDS,
        monotonic=queue.sqs.clock,
        **more,  # type: ignore[arg-type]  # visit, observe
    )


def queue_of(count: int, **more: object) -> FakeQueue:
    return FakeQueue((dead(CAUSES[n % 3]) for n in range(count)), **more)  # type: ignore[arg-type]  # the fake's own


@pytest.mark.parametrize("count", [0, 1, 10, 137])
def test_everything_is_seen_once_and_given_back(count: int) -> None:
    queue = queue_of(count)
    seen = look_at(queue)

    assert sorted(found.queue_message_id for found in seen.found) == sorted(queue.sqs.messages)
    assert (seen.saw, seen.about, seen.is_complete, seen.not_released) == (count, count, True, 0)
    assert queue.sqs.hidden() == set()


def test_two_looks_see_the_same() -> None:
    queue = queue_of(45)

    first, second = look_at(queue), look_at(queue)

    assert {one.receive_count for one in second.found} == {2}, "SQS counts a look, too"
    again = [replace(one, receive_count=1) for one in second.found]
    assert replace(second, found=again) == first


def test_what_was_seen_stays_hidden_while_a_long_look_lasts() -> None:
    queue = queue_of(700, seconds_per_call=0.3)
    seen = look_at(queue)

    assert seen.saw == 700
    assert "extend" in queue.sqs.calls
    assert queue.sqs.longest_hidden == SHORT_SECONDS
    assert queue.sqs.hidden() == set()


@given(
    count=st.integers(0, 130),
    call=st.integers(1, 60),
    error=st.sampled_from([AwsError("sqs failed"), RuntimeError("a bug"), Crash()]),
    done=st.booleans(),
    seconds_per_call=st.sampled_from([0.01, 3.0]),
)
def test_whatever_call_fails_only_its_own_dead_letters_stay_hidden_and_only_shortly(
    count: int, call: int, error: BaseException, done: bool, seconds_per_call: float
) -> None:
    queue = queue_of(
        count, faults=Faults.at(call, Fault.of(error, is_done=done)), seconds_per_call=seconds_per_call
    )
    failed = False
    try:
        look_at(queue)
    except (AwsError, RuntimeError, Crash):
        failed = True

    assert queue.sqs.longest_hidden <= SHORT_SECONDS
    assert len(queue.sqs.hidden()) <= 10
    if not failed and call > len(queue.sqs.calls):
        assert queue.sqs.hidden() == set()
    queue.sqs.now += SHORT_SECONDS
    assert queue.sqs.hidden() == set()


@given(stop_at=st.integers(1, 60))
def test_a_ctrl_c_between_two_dead_letters_gives_everything_back(stop_at: int) -> None:
    queue, seen = queue_of(60), []

    def visit(dead_letter: DeadLetter) -> None:
        seen.append(dead_letter)
        if len(seen) == stop_at:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        look_at(queue, visit=visit)
    assert queue.sqs.hidden() == set()


def test_a_dead_letter_that_could_not_be_given_back_is_counted() -> None:
    errors = iter([AwsError("no")])

    class Refusing(FakeQueue):
        def release(self, dead_letters: Sequence[Receipt]) -> list[Receipt]:
            if (error := next(errors, None)) is not None:
                raise error
            return super().release(dead_letters)

    queue = Refusing(dead() for _ in range(20))
    seen = look_at(queue)
    assert (seen.not_released, seen.release_error) == (10, "no")
    assert len(queue.sqs.hidden()) == 10


def test_counters_that_lag_do_not_keep_a_look_going() -> None:
    def lagging(true: Counters) -> Counters:
        return Counters(visible=40, hidden=0, delayed=0)

    seen = look_at(queue_of(37, counters_say=lagging))
    assert (seen.saw, seen.about, seen.is_complete) == (37, 40, False)


def test_what_another_consumer_holds_is_not_seen_but_counted() -> None:
    queue = queue_of(40)
    held = set(list(queue.sqs.messages)[:3])
    for one in held:
        queue.sqs.hide(one, until=600.0)
    seen = look_at(queue)

    assert (seen.saw, seen.about, seen.is_complete) == (37, 40, False)
    assert queue.sqs.hidden() == held


def test_dead_letters_that_keep_arriving_do_not_keep_a_look_going() -> None:
    queue = queue_of(5)

    def one_more(true: Counters) -> Counters:
        queue.sqs.put(dead("and another"))
        return true

    queue.sqs.counters_say = one_more
    assert look_at(queue).saw < 12


def test_one_that_arrives_with_every_long_poll_does_not_keep_a_look_going() -> None:
    class Arriving(FakeQueue):
        def receive(self, *, hidden_seconds: int, wait_seconds: int = 1) -> list[DeadLetter]:
            if wait_seconds and len(self.sqs.messages) < 500:
                self.sqs.put(dead("late"))
            return super().receive(hidden_seconds=hidden_seconds, wait_seconds=wait_seconds)

    assert look_at(Arriving([dead()])).saw < 100


def test_a_look_that_is_told_to_stop_is_not_complete_whatever_the_counters_say() -> None:
    queue = queue_of(3, counters_say=lambda _: Counters(visible=0, hidden=0, delayed=0))
    seen = look_at(queue, is_enough=lambda: True)

    assert (seen.saw, seen.is_complete) == (0, False)
    assert queue.sqs.hidden() == set()


def test_a_limit_ends_the_look_early() -> None:
    queue = queue_of(500)
    seen = look_at(queue, Selection(limit=7))

    assert len(seen.found) == 7
    assert seen.saw < 200
    assert queue.sqs.hidden() == set()


def test_a_group_is_known_by_the_whole_queue_whatever_else_filters() -> None:
    messages = [dead("rare"), *(dead("frequent") for _ in range(3))]
    seen = look_at(FakeQueue(messages), Selection(group="g2", error="rare"))

    assert [found.group_key for found in seen.found] == ["rare"]
    assert [
        found.group_key for found in look_at(FakeQueue(messages), Selection(group="G1", limit=2)).found
    ] == ["frequent"] * 2


@pytest.mark.parametrize(
    ("count", "known"),
    [(3, "the queue has G1 to G3"), (1, "the queue has only G1"), (0, "no dead letter was seen")],
)
def test_a_group_that_is_not_there_is_said(count: int, known: str) -> None:
    queue = queue_of(count)

    with pytest.raises(UsageError, match=f"there is no group G9; {known}"):
        look_at(queue, Selection(group="G9"))
    assert queue.sqs.hidden() == set()


@pytest.mark.parametrize(
    ("hidden", "said"),
    [
        (6, "no dead letter was seen: 6 in flight: another process has received them"),
        (4, "there is no group G9 among the causes that were seen: 4 in flight"),
    ],
)
def test_a_group_that_may_be_among_those_in_flight_is_not_called_absent(hidden: int, said: str) -> None:
    queue = queue_of(6)
    for one in list(queue.sqs.messages)[:hidden]:
        queue.sqs.hide(one, until=600)

    for ask in (look_at, lambda queue, selection: resolve(selection, queue, now=NOW)):
        with pytest.raises(PartlyFailed, match=said) as told:
            ask(queue, Selection(group="G9"))
        assert "try again" in str(told.value.hint)


def test_a_field_that_no_dead_letter_has_is_said_and_everything_is_given_back() -> None:
    queue = queue_of(12)

    with pytest.raises(UsageError, match=r"none of the dead letters has params\.Statsu"):
        look_at(queue, Selection(where=Expression.parse("params.Statsu != 'x'")))
    assert queue.sqs.hidden() == set()


def test_what_matches_is_visited_with_its_body() -> None:
    bodies: list[str] = []
    queue = FakeQueue([dead("one"), dead("two")])
    look_at(queue, Selection(error="two"), visit=lambda dead_letter: bodies.append(dead_letter.body))

    assert bodies == [list(queue.sqs.messages.values())[1].body]


def test_what_was_found_is_sorted_by_age() -> None:
    messages = [dead(sent_at=1_791_564_000_000 + second * 1000) for second in (3, 1, 2)]
    del messages[0]["Attributes"]["SentTimestamp"]
    found = look_at(FakeQueue(messages)).found

    assert [dead_letter.queue_message_id for dead_letter in found] == [
        messages[n]["MessageId"] for n in (1, 2, 0)
    ]


def test_a_look_tells_how_far_it_is() -> None:
    told: list[tuple[int, int]] = []
    look_at(queue_of(300, seconds_per_call=0.2), observe=lambda saw, about: told.append((saw, about)))

    assert told
    assert all(saw <= 300 and about == 300 for saw, about in told)


def test_memory_holds_no_bodies() -> None:
    """100,000 dead letters at 700 bytes each are 70 MB: the process stays below 150."""
    count = 1_000
    queue = FakeQueue(dead(params={"Body": "x" * 1_000}) for _ in range(count))
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        seen = look_at(queue)
        after = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()

    assert seen.saw == count
    assert (after - before) / count < 700


def test_a_look_does_not_use_up_what_sqs_may_hide() -> None:
    assert MOST_HELD + 80 < 120_000


@pytest.fixture
def sqs_queue() -> Callable[[list[str]], DeadLetterQueue]:
    def create(bodies: list[str]) -> DeadLetterQueue:
        client = AwsAccess(region="eu-west-1").client("sqs")
        url = client.create_queue(QueueName="letters")["QueueUrl"]
        for body in bodies:
            client.send_message(QueueUrl=url, MessageBody=body)
        return DeadLetterQueue(client, url)

    return create


@mock_aws
def test_after_a_look_at_sqs_another_consumer_receives_everything_at_once(
    sqs_queue: Callable[[list[str]], DeadLetterQueue], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    queue = sqs_queue([received({"n": n})["Body"] for n in range(23)])
    first, second = (peek(queue, now=NOW + timedelta(days=1)) for _ in range(2))
    other = DeadLetterQueue.connect(queue.url, access=AwsAccess(region="eu-west-1"))

    assert [found.queue_message_id for found in first.found] == [
        found.queue_message_id for found in second.found
    ]
    assert first.saw == second.saw == sum(len(other.receive(hidden_seconds=30)) for _ in range(3)) == 23
