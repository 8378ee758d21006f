"""Taking exactly the dead letters that a plan names."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from b2bpilot.aws.queue_attributes import Counters
from b2bpilot.ops.dead_letters.holding import Holding
from b2bpilot.ops.dead_letters.sweep import PATIENCE_SECONDS, patience_after, take_named
from b2bpilot.pipeline.dead_letter import DeadLetter
from tests.fakes.dead_letters import dead
from tests.fakes.sqs import FakeQueue

NOW = datetime(2026, 11, 23, 19, 45, 1, tzinfo=UTC)


def taken(queue: FakeQueue, wanted: set[str], *, patience_seconds: float = 0) -> list[str]:
    with Holding(queue) as held:
        found: list[DeadLetter] = []
        take_named(held, wanted, found.extend, patience_seconds=patience_seconds, clock=queue.sqs.clock)
        return [dead_letter.queue_message_id for dead_letter in found]


def test_counters_of_zero_do_not_end_the_waiting_for_what_a_killed_run_hides() -> None:
    messages = [dead() for _ in range(3)]
    hidden = messages[0]["MessageId"]
    queue = FakeQueue(messages)
    queue.sqs.hide(hidden, until=30.0)
    queue.sqs.counters_say = lambda _true: Counters(visible=0, hidden=0, delayed=0)

    assert taken(queue, {hidden}, patience_seconds=40) == [hidden]


def test_what_is_not_there_is_believed_after_two_rounds_of_long_polls_and_the_patience() -> None:
    wanted = {"nobody"}
    queue = FakeQueue([dead()])

    assert taken(queue, wanted) == []
    assert 0 < queue.sqs.now < 40
    assert taken(queue, wanted, patience_seconds=100) == []
    assert queue.sqs.now >= 100
    assert wanted == {"nobody"}


@pytest.mark.parametrize(
    ("silent_for", "seconds"),
    [
        (timedelta(0), PATIENCE_SECONDS),
        (timedelta(minutes=2), PATIENCE_SECONDS),
        (timedelta(minutes=3, seconds=20), 20.0),
        (timedelta(hours=1), 0.0),
    ],
)
def test_a_run_that_is_silent_for_long_hides_nothing_any_more(silent_for: timedelta, seconds: float) -> None:
    assert patience_after(NOW - silent_for, now=NOW) == seconds
