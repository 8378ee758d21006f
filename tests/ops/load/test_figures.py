"""Latencies, troubles and what stands out, from requests and rows that a test makes up."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from b2bpilot.ops.load import figures
from b2bpilot.ops.load.clients import STOPPED, LoadAttempt, LoadRequests
from b2bpilot.ops.load.loaded import Loaded
from b2bpilot.ops.load.plan import LoadPlan
from b2bpilot.ops.load.report import LoadLatency, histogram
from b2bpilot.ops.table.clocks import Offset, compare
from b2bpilot.pipeline.rows_of_tests import RowOfTest

START = datetime(2026, 10, 1, 12, tzinfo=UTC)
EVEN = Offset(ahead=timedelta(), error=timedelta())


def attempt(number: int, at: float, *, error: str | None = None, seconds: float = 0.1) -> LoadAttempt:
    return LoadAttempt(
        number=number, copy=1, at=at, seconds=seconds, error=error, is_stopped=error == STOPPED
    )


def requests(*attempts: LoadAttempt) -> LoadRequests:
    return LoadRequests(started_at=START, seconds=60, attempts=list(attempts))


def loaded(*attempts: LoadAttempt) -> Loaded:
    return Loaded(run_id="run", plan=LoadPlan(clients=1), requests=requests(*attempts))


def row(message_id: str, seconds: float, *, attempts: int = 1) -> RowOfTest:
    return RowOfTest(
        message_id=message_id,
        rows=1,
        is_completed=True,
        attempts=attempts,
        completed_at=START + timedelta(seconds=seconds),
        last_error=None,
        lease_expires_at=None,
    )


def test_the_databases_clock_is_taken_off_what_it_says() -> None:
    ahead = Offset(ahead=timedelta(seconds=5), error=timedelta())
    assert figures.stored_at(requests(), [row("a", 5.5)], ahead) == {"a": 0.5}


def test_two_clocks_are_compared_by_the_fastest_answer() -> None:
    times = iter(START + timedelta(seconds=s) for s in (0, 2, 10, 10.2, 20, 22, 30, 32, 40, 42))
    database_now = START + timedelta(seconds=110.1)

    offset = compare(lambda: database_now, clock=lambda: next(times))
    assert offset == Offset(ahead=timedelta(seconds=100), error=timedelta(seconds=0.1))


def test_a_row_before_the_answer_counts_as_no_time() -> None:
    one = loaded(attempt(0, 0.0, seconds=1.0))
    (message_id,) = one.message_ids()
    assert figures.store_latency(one, {message_id: 0.4}).values == [0.0]
    assert figures.store_latency(one, {message_id: 1.25}).values == [250.0]


def test_an_outage_that_ended_well_is_one_sentence() -> None:
    outage = [attempt(0, 1, error="no connection"), attempt(0, 2, error="no connection"), attempt(0, 3)]
    (line,) = figures.story(requests(*outage), [], {})
    assert line == (
        "12:00:01.0 to 12:00:02.1: 2 requests were not accepted (no connection 2); all were made again and accepted"
    )


def test_what_was_given_up_in_an_outage_is_counted() -> None:
    (line,) = figures.story(requests(attempt(0, 1, error="answered 503"), attempt(1, 2)), [], {})
    assert line.endswith("(answered 503 1); 1 of them was given up")


def test_a_request_that_the_run_did_not_live_to_see_answered_is_no_outage() -> None:
    assert figures.story(requests(attempt(0, 1, error=STOPPED)), [], {}) == []


def test_a_standstill_and_takeovers_are_told() -> None:
    rows = [row("a", 1), row("b", 9, attempts=2)]
    lines = figures.story(requests(), rows, {"a": 1.0, "b": 9.0})
    assert lines == [
        "12:00:01.0 to 12:00:09.0: no row was completed for 8.0 s",
        "1 message needed more than one attempt (up to 2): a run before had failed or died",
    ]


def test_the_timeline_has_every_second() -> None:
    seconds = figures.timeline(requests(attempt(0, 0), attempt(1, 2, error="no answer")), {"a": 3.5})
    assert [(second.accepted, second.errors, second.stored) for second in seconds] == [
        (1, 0, 0),
        (0, 0, 0),
        (0, 1, 0),
        (0, 0, 1),
    ]


def test_percentiles_are_values_that_were_measured() -> None:
    latency = LoadLatency(values=[float(n) for n in range(1, 101)])
    assert latency.summary() == {"count": 100, "p50": 50.0, "p95": 95.0, "p99": 99.0, "max": 100.0}
    assert LoadLatency(values=[]).percentile(50) is None


def test_a_histogram_counts_every_value_once() -> None:
    buckets = histogram([0.0, 3.0, 3.5, 700.0])
    assert [(bucket.low, bucket.high, bucket.count) for bucket in buckets if bucket.count] == [
        (0, 1, 1),
        (2, 5, 2),
        (500, 1_000, 1),
    ]
    assert buckets[0].low == 0
    assert buckets[-1].high == 1_000
