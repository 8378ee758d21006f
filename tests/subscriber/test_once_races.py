"""Whatever meets whatever: one effect. Racing deliveries, runs that are taken over, processes that are killed."""

from __future__ import annotations

import random
import select
import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from enum import StrEnum

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg.conninfo import make_conninfo

from b2bpilot.pipeline.message import PilotMessage
from b2bpilot.subscriber.once import Message, OnceHandler, StillInProgress, once
from tests.events import enveloped_record, message, queue_event, sns_event
from tests.fuzz import drawn, examples
from tests.subscriber.effects import Rows, insert
from tests.subscriber.killed import IN_THE_CODE, Killable, killable

RACERS = 12
ROUNDS = 5
"""In `make test`; `make fuzz` has twenty times as many."""
KILLS = 8


def test_of_racing_deliveries_of_one_message_one_runs_the_code(rows: Rows) -> None:
    runs: Counter[str] = Counter()

    def body(message: Message, connection: psycopg.Connection) -> None:
        runs[message.message_id] += 1
        insert(message, connection)

    with ExitStack() as ends, ThreadPoolExecutor(RACERS) as pool:
        handlers = [once("analytics")(body) for _ in range(RACERS)]
        for handler in handlers:
            ends.callback(handler.end)
        for _ in range(examples(ROUNDS)):
            sent, start = message(), threading.Barrier(RACERS)
            found = Counter(pool.map(lambda handler: _race(handler, sent, start), handlers))  # noqa: B023  # ended below

            assert (runs[sent.message_id], rows.effects(sent)) == (1, 1)
            assert found.pop("stored") == 1
            assert found.keys() <= {"duplicate", "in_progress"}


def _race(handler: OnceHandler, sent: PilotMessage, start: threading.Barrier) -> str:
    start.wait()
    try:
        (outcome,) = handler(sns_event(sent))["outcomes"]
    except StillInProgress:
        return "in_progress"
    return str(outcome)


class End(StrEnum):
    """How a run goes on after its effect."""

    COMPLETES = "completes"
    FAILS = "fails"
    DIES = "dies"
    LOSES_ITS_CONNECTION = "loses its connection"


@dataclass(frozen=True, slots=True)
class Run:
    """A delivery. While its code runs, `meanwhile` come: after its lease where `outlives_its_lease`, else during it."""

    end: End
    outlives_its_lease: bool
    meanwhile: tuple[Run, ...] = ()


class Died(BaseException):
    """As a kill: nothing catches it, and nothing is written down."""


ALONE = st.builds(Run, st.sampled_from(End), st.booleans())
MET = st.builds(Run, st.sampled_from(End), st.booleans(), st.lists(ALONE, min_size=1, max_size=2).map(tuple))
NESTED = st.builds(
    Run, st.sampled_from(End), st.booleans(), st.lists(MET | ALONE, min_size=1, max_size=2).map(tuple)
)


@dataclass
class Story:
    """Deliveries of one message, each by a container of its own, and what each of them said."""

    rows: Rows
    sent: PilotMessage
    said: list[str]

    def deliver(self, run: Run) -> None:
        def body(message: Message, connection: psycopg.Connection) -> None:
            insert(message, connection)
            if run.outlives_its_lease:
                self.rows.end_lease(self.sent)
            for other in run.meanwhile:
                self.deliver(other)
            _go_on(run.end, connection)

        handler = once("analytics")(body)
        try:
            self.said += handler(sns_event(self.sent))["outcomes"]
        except (Died, StillInProgress, RuntimeError, psycopg.Error):
            self.said.append("raised")
        finally:
            handler.end()
        assert self.rows.effects(self.sent) == ("stored" in self.said), "what is done is what was said, once"
        assert ("duplicate" in self.said) <= ("stored" in self.said)


def _go_on(end: End, connection: psycopg.Connection) -> None:
    match end:
        case End.COMPLETES:
            return
        case End.FAILS:
            raise RuntimeError(end)
        case End.DIES:
            raise Died
        case End.LOSES_ITS_CONNECTION:
            connection.execute("SELECT pg_terminate_backend(pg_backend_pid())")


@given(story=st.lists(MET | NESTED, min_size=1, max_size=2))
@settings(
    max_examples=drawn(50), suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
def test_however_runs_meet_and_end_the_effect_is_there_once(rows: Rows, story: list[Run]) -> None:
    told = Story(rows, message(), [])
    for run in story:
        told.deliver(run)
    rows.end_lease(told.sent)
    told.deliver(Run(End.COMPLETES, outlives_its_lease=False))

    assert rows.effects(told.sent) == told.said.count("stored") == 1


def test_a_run_that_was_taken_over_says_what_the_other_one_did(rows: Rows) -> None:
    told = Story(rows, message(), [])

    told.deliver(
        Run(End.COMPLETES, outlives_its_lease=True, meanwhile=(Run(End.COMPLETES, outlives_its_lease=False),))
    )

    assert told.said == ["stored", "duplicate"]
    assert rows.delivery(told.sent) == ("completed", 2, False, None)


@pytest.mark.parametrize("isolation", ["repeatable read", "serializable"])
def test_a_stricter_isolation_of_the_database_s_leaves_one_effect_too(
    rows: Rows, subscribers_url: str, monkeypatch: pytest.MonkeyPatch, isolation: str
) -> None:
    escaped = isolation.replace(" ", "\\ ")
    monkeypatch.setenv(
        "DATABASE_URL", make_conninfo(subscribers_url, options=f"-c default_transaction_isolation={escaped}")
    )
    alone = Run(End.COMPLETES, outlives_its_lease=False)
    told = Story(rows, message(), [])

    told.deliver(Run(End.COMPLETES, outlives_its_lease=True, meanwhile=(alone,)))
    told.deliver(alone)

    assert told.said == ["stored", "raised", "duplicate"]


@pytest.fixture(scope="module")
def process(subscribers_url: str) -> Iterator[Killable]:
    with killable(subscribers_url) as found:
        yield found


def test_whatever_moment_a_process_is_killed_at_the_next_delivery_leaves_one_effect(
    rows: Rows, handler: OnceHandler, process: Killable
) -> None:
    chance = random.Random(7)
    for number in range(examples(KILLS)):
        sent = message()
        event = queue_event(enveloped_record(sent)) if number % 2 else sns_event(sent)
        pid = process.start(event)
        if number % 4 == 0:
            process.wait_for(IN_THE_CODE)
        else:
            select.select([process.answers], [], [], chance.uniform(0, 0.02))
        process.kill(pid)
        assert rows.effects(sent) in (0, 1)

        _deliver_again(handler, sent, rows)

        assert rows.effects(sent) == 1
        assert handler(sns_event(sent)) == {"outcomes": ["duplicate"]}


def _deliver_again(handler: OnceHandler, sent: PilotMessage, rows: Rows) -> None:
    """As often as AWS would: a claim that the process sent before it was killed may reach the server after that."""
    for _ in range(3):
        rows.end_lease(sent)
        with suppress(StillInProgress):
            handler(sns_event(sent))
            return
