"""Messages of high priority in a load: which they are, and what is said of them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from b2bpilot.errors import Refused
from b2bpilot.ops.load.plan import LoadPlan, message_of
from b2bpilot.ops.load.report import LoadLatency, PromiseOutcome, Urgency
from b2bpilot.ops.load.urgent import high_number, passes
from b2bpilot.ops.publish.compose import TEST_PARAMS
from b2bpilot.pipeline.message import Priority
from tests.ops.verify.deployments import NOW, STACK

URGENT = "+15005550009"


def urgency(*, high: list[float], normal: list[float], lane: str = "3", unmarked: int = 0) -> Urgency:
    latency = {
        Priority.HIGH: LoadLatency(values=high),
        Priority.NORMAL: LoadLatency(values=normal),
    }
    return Urgency(latency=latency, sent=len(high) + unmarked, marked=len(high), lane=lane)


@pytest.mark.parametrize(
    ("seen", "verdict", "said"),
    [
        (
            urgency(high=[300], normal=[4_000]),
            PromiseOutcome.PROVED,
            "p95 from accept to stored 300 ms, of the others 4,000 ms; the express lane is on, 3 at a time",
        ),
        (urgency(high=[3_000], normal=[4_000]), PromiseOutcome.UNKNOWN, "the express lane is on"),
        (urgency(high=[4_000], normal=[4_000]), PromiseOutcome.BROKEN, "the express lane is on"),
        (urgency(high=[90], normal=[100]), PromiseOutcome.NOTHING, "there was no backlog"),
        (urgency(high=[300], normal=[4_000], lane=""), PromiseOutcome.NOTHING, "there is no express lane"),
        (
            urgency(high=[300], normal=[4_000], unmarked=2),
            PromiseOutcome.UNKNOWN,
            "2 rows have not the priority high",
        ),
        (urgency(high=[], normal=[4_000]), PromiseOutcome.NOTHING, "no message of each priority was stored"),
    ],
)
def test_it_is_proved_under_a_backlog_and_with_the_lane_alone(
    seen: Urgency, verdict: PromiseOutcome, said: str
) -> None:
    found = passes(seen)
    assert found.verdict is verdict
    assert said in found.detail


@pytest.mark.parametrize(
    ("share", "poison", "doubled"), [(0.05, 0.0, 0.05), (0.05, 0.05, 0.05), (0.5, 0.5, 0.0)]
)
def test_a_share_of_what_can_be_stored_is_urgent_and_not_just_what_is_sent_twice(
    share: float, poison: float, doubled: float
) -> None:
    plan = LoadPlan(
        clients=10, requests=100, high=share, poison=poison, duplicates=doubled, high_number=URGENT
    )
    messages = [message_of(plan, "run", number) for number in range(1_000)]

    high = [one for one in messages if one.is_high]

    assert len(high) == share * 1_000
    assert not any(one.is_poison or one.is_doubled for one in high)
    assert {one.item("run", now=NOW).message.priority for one in high} == {Priority.HIGH}
    assert {one.item("run", now=NOW).message.params["To"] for one in high} == {URGENT}
    others = {one.item("run", now=NOW).message.params["To"] for one in messages if not one.is_high}
    assert others <= {TEST_PARAMS["To"]}


def test_who_gets_an_urgent_message_is_judged_by_one_however_few_there_are() -> None:
    plan = LoadPlan(clients=10, requests=100, high=0.01)
    assert Priority.HIGH in {one.priority for one in plan.samples(now=NOW)}


@pytest.mark.parametrize(
    ("numbers", "said"),
    [
        ("", "HighPriorityNumbers names none"),
        (f"{TEST_PARAMS['To']},{URGENT}", "every message would be urgent"),
    ],
)
def test_through_the_webhook_a_number_decides_and_without_a_right_one_it_is_refused(
    numbers: str, said: str
) -> None:
    with pytest.raises(Refused, match=said) as refused:
        high_number(replace(STACK, high_priority_numbers=numbers))
    assert "\n" not in str(refused.value)
    assert high_number(replace(STACK, high_priority_numbers=f"{URGENT}, 12345")) == URGENT
