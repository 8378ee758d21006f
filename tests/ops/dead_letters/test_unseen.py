"""What SQS counts and no receive brought: its counters lag, so that what a run holds must not be taken for somebody else's."""

from __future__ import annotations

import pytest

from b2bpilot.aws.queue_attributes import Counters
from b2bpilot.errors import PartlyFailed
from b2bpilot.ops.dead_letters.filters import Selection
from b2bpilot.ops.dead_letters.holding import Holding
from b2bpilot.ops.dead_letters.sweep import require_none_unseen, unseen_sentence
from tests.fakes.dead_letters import dead
from tests.fakes.sqs import FakeQueue


def counters(visible: int = 0, hidden: int = 0, delayed: int = 0) -> Counters:
    return Counters(visible=visible, hidden=hidden, delayed=delayed)


@pytest.mark.parametrize(
    ("said", "beside"),
    [
        (counters(hidden=5), counters()),
        (counters(visible=5), counters()),
        (counters(visible=3, hidden=2), counters()),
        (counters(), counters()),
        (counters(hidden=105), counters(hidden=100)),
        (counters(visible=5, hidden=100, delayed=2), counters(visible=5, hidden=95, delayed=2)),
        (counters(hidden=5, delayed=2), counters(delayed=2)),
    ],
)
def test_what_a_run_holds_is_its_own_however_the_counters_lag(said: Counters, beside: Counters) -> None:
    queue = FakeQueue([dead() for _ in range(5)])
    queue.sqs.counters_say = lambda _: said
    with Holding(queue) as held:
        assert len(held.receive(wait_seconds=0)) == 5
        assert held.beside() == beside
        queue.sqs.counters_say = lambda true: true


def test_in_flight_and_delayed_are_told_apart_and_nobody_is_named() -> None:
    told = unseen_sentence(counters(hidden=100, delayed=3))
    assert told.startswith(
        "About 103 more dead letters were not looked at (100 in flight: another process has received them"
    )
    assert "SQS does not say which; 3 delayed)" in told
    assert "approximate" in told
    assert unseen_sentence(counters(delayed=1)).startswith(
        "About 1 more dead letter was not looked at (1 delayed)"
    )


def test_what_was_not_seen_is_partly_failed_with_what_was_done() -> None:
    require_none_unseen(0, what="nothing was sent")
    with pytest.raises(
        PartlyFailed, match=r"^nothing was sent; about 2 more dead letters were not looked at"
    ):
        require_none_unseen(2, what="nothing was sent")


def test_who_names_dead_letters_by_their_ids_means_no_other() -> None:
    named = Selection(message_ids=frozenset({"q1", "q2"}))
    assert named.is_met_by(["q1", "q2", "q3"])
    assert not named.is_met_by(["q1"])
    assert not Selection().is_met_by(["q1"])
