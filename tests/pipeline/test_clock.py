"""Another host's clock, as its answers tell it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from b2bpilot.pipeline.clock import HostClock, read_date

TRUE = datetime(2026, 11, 23, 12, 0, 0, 400_000, tzinfo=UTC)
SECOND = timedelta(seconds=1)


class Machine:
    """A machine whose clock is so far ahead of the host's; `host` is what the host's shows."""

    def __init__(self, ahead: timedelta) -> None:
        self.ahead = ahead
        self.host = TRUE

    def __call__(self) -> datetime:
        return self.host + self.ahead

    def ask(self, clock: HostClock, *, there: float = 0.1, back: float = 0.1) -> None:
        """Ask the host, which dates its answer on the way, to the second."""
        asked_at = self()
        self.host += timedelta(seconds=there)
        date = format_datetime(self.host.replace(microsecond=0), usegmt=True)
        self.host += timedelta(seconds=back)
        clock.hear(date, asked_at=asked_at)


def test_before_the_first_answer_it_is_this_machine_s_clock() -> None:
    machine = Machine(timedelta(hours=1))
    clock = HostClock("AWS", machine=machine)
    assert (clock.now(), clock.latest(), clock.machine_ahead()) == (machine(), machine(), timedelta())
    assert not clock.is_known


def test_a_machine_whose_clock_may_be_right_is_believed_to_the_millisecond() -> None:
    machine = Machine(timedelta())
    clock = HostClock("AWS", machine=machine)
    machine.ask(clock)
    assert clock.now() == machine.host
    assert clock.machine_ahead() == timedelta()


@given(
    ahead=st.timedeltas(timedelta(days=-30), timedelta(days=30)),
    calls=st.lists(st.tuples(st.floats(0, 20), st.floats(0, 20)), min_size=1, max_size=5),
)
def test_it_is_never_further_off_than_a_date_and_the_way_of_the_fastest_answer_are(
    ahead: timedelta, calls: list[tuple[float, float]]
) -> None:
    machine = Machine(ahead)
    clock = HostClock("AWS", machine=machine)
    for there, back in calls:
        machine.ask(clock, there=there, back=back)

    fastest = timedelta(seconds=min(there + back for there, back in calls))
    assert abs(clock.now() - machine.host) <= SECOND + fastest
    assert machine.host <= clock.latest() <= machine.host + SECOND + fastest


@pytest.mark.parametrize("step", [timedelta(minutes=-4), timedelta(days=2)])
def test_when_this_machine_s_clock_is_set_meanwhile_the_next_answer_counts(step: timedelta) -> None:
    machine = Machine(timedelta())
    clock = HostClock("AWS", machine=machine)
    machine.ask(clock)
    machine.ahead = step
    machine.ask(clock)
    assert abs(clock.now() - machine.host) <= 2 * SECOND


def test_two_hosts_are_compared_through_this_machine() -> None:
    machine = Machine(timedelta(days=1))
    aws, database = HostClock("AWS", machine=machine), HostClock("the database", machine=machine)
    machine.ask(aws)
    assert database.ahead_of(aws) == timedelta()
    database.tell(machine.host + timedelta(minutes=3), asked_at=machine())
    assert abs(database.ahead_of(aws) - timedelta(minutes=3)) <= SECOND


@pytest.mark.parametrize("date", [None, "", "soon", "Thu, 99 Nov 2026 04:01:06 GMT"])
def test_a_date_that_cannot_be_read_says_nothing(date: str | None) -> None:
    machine: Callable[[], datetime] = Machine(timedelta(hours=1))
    clock = HostClock("AWS", machine=machine)
    clock.hear(date, asked_at=machine())
    assert read_date(date) is None
    assert not clock.is_known


def test_a_steady_clock_is_not_corrected_while_something_is_measured() -> None:
    now = datetime(2026, 11, 30, tzinfo=UTC)
    clock = HostClock("AWS", machine=lambda: now)
    clock.tell(now + timedelta(minutes=4), asked_at=now)
    steady = clock.steady()

    clock.tell(now + timedelta(minutes=5), asked_at=now)

    assert steady() == now + timedelta(minutes=4)
    assert clock.now() == now + timedelta(minutes=5)
