"""The way from one mode to another, and what each deploy waits for."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise, product
from typing import Any

import pytest

from b2bpilot.aws.mappings import MappingReading, MappingState
from b2bpilot.aws.modes import BY_BOTH, BY_QUEUE, BY_TOPIC, MODES, PROTOCOLS
from b2bpilot.aws.queue_attributes import Counters
from b2bpilot.aws.stack import StackChange
from b2bpilot.ops.delivery.change import steps, waiting_for
from b2bpilot.ops.delivery.reading import DeliveryReading

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
EMPTY = Counters(visible=0, hidden=0, delayed=0)


def reading(mode: str, **changes: Any) -> DeliveryReading:
    """All is well, and the deploy an hour ago."""
    state = MappingState.DISABLED if mode == BY_TOPIC else MappingState.ENABLED
    found = DeliveryReading(
        mode=mode,
        protocols=PROTOCOLS[mode],
        mapping=MappingReading(state=state, max_concurrency=5, read_at=NOW),
        queue=EMPTY,
        oldest=None,
        dead_letters=EMPTY,
        change=StackChange(status="UPDATE_COMPLETE", at=NOW - timedelta(hours=1)),
        now=NOW,
    )
    return replace(found, **changes)


def waiting(state: MappingState) -> MappingReading:
    return MappingReading(state=state, max_concurrency=5, read_at=NOW)


def just_deployed(seconds: int, status: str = "UPDATE_COMPLETE") -> StackChange:
    return StackChange(status=status, at=NOW - timedelta(seconds=seconds))


def test_a_change_goes_through_both_ways() -> None:
    assert [one.mode for one in steps(BY_TOPIC, BY_QUEUE)] == [BY_BOTH, BY_QUEUE]
    assert [one.mode for one in steps(BY_QUEUE, BY_TOPIC)] == [BY_BOTH, BY_TOPIC]


@pytest.mark.parametrize(("mode", "to"), list(product(MODES, MODES)))
def test_each_step_keeps_a_way_that_the_one_before_had(mode: str, to: str) -> None:
    way = [mode, *(one.mode for one in steps(mode, to))]
    assert way[-1] == to
    assert all(PROTOCOLS[one] & PROTOCOLS[other] for one, other in pairwise(way))


@pytest.mark.parametrize(("mode", "to"), list(product(MODES, MODES)))
def test_where_all_is_well_nothing_is_waited_for(mode: str, to: str) -> None:
    assert waiting_for(reading(mode), to) == []


SOME = Counters(visible=1, hidden=0, delayed=0)


@pytest.mark.parametrize(
    ("mode", "to", "changes", "told"),
    [
        (BY_TOPIC, BY_QUEUE, {"change": just_deployed(9, "UPDATE_IN_PROGRESS")}, "the stack is UPDATE_IN_PROGRESS"),
        (BY_BOTH, BY_QUEUE, {"protocols": frozenset({"lambda"})}, "no subscription from SNS to the message queue"),
        (BY_BOTH, BY_TOPIC, {"protocols": frozenset({"sqs"})}, "no subscription from SNS to the processor"),
        (BY_QUEUE, BY_QUEUE, {"protocols": frozenset({"lambda", "sqs"})}, "SNS to the processor is still there"),
        (BY_BOTH, BY_QUEUE, {"mapping": waiting(MappingState.ENABLING)}, "mapping is Enabling, not Enabled"),
        (BY_TOPIC, BY_TOPIC, {"mapping": waiting(MappingState.ENABLED)}, "mapping is Enabled, not Disabled"),
        (BY_BOTH, BY_QUEUE, {"change": just_deployed(299)}, "5 minutes since the deploy"),
        (BY_BOTH, BY_TOPIC, {"change": just_deployed(299)}, "5 minutes since the deploy"),
        (BY_BOTH, BY_TOPIC, {"queue": SOME, "oldest": timedelta(hours=1)}, "older than the deploy"),
        (BY_BOTH, BY_TOPIC, {"queue": SOME}, "CloudWatch does not say"),
        (BY_TOPIC, BY_TOPIC, {"queue": SOME}, "about 1 message in the message queue"),
    ],
)  # fmt: skip
def test_the_next_deploy_waits_for_what_would_be_lost_without_it(
    mode: str, to: str, changes: dict[str, Any], told: str
) -> None:
    (found,) = waiting_for(reading(mode, **changes), to)
    assert told in found


@pytest.mark.parametrize(
    ("to", "changes"),
    [
        (BY_QUEUE, {"queue": SOME, "oldest": timedelta(hours=2)}),
        (BY_TOPIC, {"queue": SOME, "oldest": timedelta(minutes=59)}),
        (BY_BOTH, {"change": just_deployed(1)}),
    ],
)
def test_what_came_by_both_ways_or_stays_with_the_queue_holds_up_nothing(
    to: str, changes: dict[str, Any]
) -> None:
    assert waiting_for(reading(BY_BOTH, **changes), to) == []
