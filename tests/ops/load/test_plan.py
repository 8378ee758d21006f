"""Which messages a load sends, twice, or as poison."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import islice

import pytest
from hypothesis import given
from hypothesis import strategies as st

from b2bpilot.errors import UsageError
from b2bpilot.ops.load.plan import LoadPlan, message_of
from b2bpilot.ops.publish.routes import Via

RUN = "20261123T000000Z-load-0000"
NOW = datetime(2026, 10, 1, tzinfo=UTC)


@given(clients=st.integers(1, 40), requests=st.integers(1, 30))
def test_every_number_is_some_clients_exactly_once(clients: int, requests: int) -> None:
    plan = LoadPlan(clients=clients, requests=requests)
    numbers = [number for client in range(clients) for number in plan.numbers_of(client)]
    assert sorted(numbers) == list(range(clients * requests))


@given(poison=st.integers(0, 50), duplicates=st.integers(0, 50))
def test_shares_of_a_thousand_messages_are_exact(poison: int, duplicates: int) -> None:
    plan = LoadPlan(clients=100, poison=poison / 100, duplicates=duplicates / 100)
    messages = [message_of(plan, RUN, number) for number in range(1_000)]
    assert sum(one.is_poison for one in messages) == poison * 10
    assert abs(sum(one.is_doubled for one in messages) - duplicates * 10) <= 1
    assert not any(one.is_poison and one.is_doubled for one in messages)


def test_a_message_is_the_same_whenever_it_is_asked_for() -> None:
    plan = LoadPlan(clients=2, poison=0.5)
    assert message_of(plan, RUN, 7) == message_of(plan, RUN, 7)
    assert message_of(plan, RUN, 7).message_id != message_of(plan, "another run", 7).message_id


def test_what_is_sent_is_marked_as_a_test() -> None:
    plan = LoadPlan(clients=1, poison=1.0)
    message = message_of(plan, RUN, 0).item(RUN, now=NOW).message
    assert message.test
    assert message.params["NumMedia"] == "two"


def test_a_plan_survives_the_journal() -> None:
    plan = LoadPlan(
        clients=3,
        requests=None,
        duration=timedelta(seconds=5),
        duplicates=0.05,
        poison=0.01,
        via=Via.TOPIC,
        high=0.05,
        high_number="+15005550009",
    )
    assert LoadPlan.of_parameters(plan.parameters()) == plan
    assert list(islice(plan.numbers_of(1), 3)) == [1, 4, 7]


def test_shares_beyond_all_messages_are_refused() -> None:
    with pytest.raises(UsageError, match="more than all messages"):
        LoadPlan(clients=1, duplicates=0.6, poison=0.6).check()
