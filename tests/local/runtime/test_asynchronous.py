"""Lambda's rules for events that nobody waits for (docs/aws-facts.md#retries, #lambda-dead-letters)."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import Any

from tests.local.polling import eventually
from tests.local.runtime.conftest import TIME_SCALE, Laboratory, started


class Calls:
    """A handler that remembers its request ids and fails as often as it is told to."""

    def __init__(self, *, failures: int = 0) -> None:
        self.request_ids: list[str] = []
        self.times: list[float] = []
        self._failures = failures

    def __call__(self, event: Any, context: Any) -> None:
        self.request_ids.append(context.aws_request_id)
        self.times.append(time.monotonic())
        if len(self.request_ids) <= self._failures:
            raise RuntimeError("poisoned")


def test_an_accepted_event_runs_once_and_is_forgotten(laboratory: Laboratory) -> None:
    calls = Calls()
    laboratory.function("f", calls)
    laboratory.runtime.accept("f", b"{}", "id-1")
    eventually(lambda: not laboratory.events.unfinished(), "the event ended")
    assert calls.request_ids == ["id-1"]


def test_an_event_whose_acceptance_was_not_heard_and_is_offered_again_is_one_event(
    laboratory: Laboratory,
) -> None:
    gate = threading.Event()
    calls = Calls()

    def handler(event: Any, context: Any) -> None:
        calls(event, context)
        gate.wait(10)

    laboratory.function("f", handler)
    for _ in range(2):
        laboratory.runtime.accept("f", b"{}", "id-1")
    assert len(laboratory.events.unfinished()) == 1
    laboratory.runtime.accept("f", b"{}", "id-2")
    eventually(lambda: sorted(calls.request_ids) == ["id-1", "id-2"], "both ran")
    gate.set()


def test_a_failing_event_runs_three_times_under_one_request_id_then_becomes_a_dead_letter(
    laboratory: Laboratory,
) -> None:
    calls = Calls(failures=99)
    laboratory.function("f", calls)
    laboratory.runtime.accept("f", b'{"a":1}', "id-1")
    event, reason = eventually(lambda: laboratory.dead_letters, "a dead letter")[0]
    assert calls.request_ids == ["id-1"] * 3
    assert (event.payload, event.request_id) == (b'{"a":1}', "id-1")
    assert (reason.code, reason.message) == (200, "poisoned")
    eventually(lambda: not laboratory.events.unfinished(), "the event ended")


def test_the_retries_come_one_and_then_two_minutes_later_on_the_faster_clock(laboratory: Laboratory) -> None:
    calls = Calls(failures=99)
    laboratory.function("f", calls)
    laboratory.runtime.accept("f", b"{}", "id-1")
    eventually(lambda: laboratory.dead_letters, "a dead letter")
    first, second, third = calls.times
    assert second - first >= 60 / TIME_SCALE
    assert third - second >= 120 / TIME_SCALE


def test_no_clock_is_so_fast_that_a_retry_comes_before_a_lease_is_over(tmp_path: Path) -> None:
    with started(Laboratory(tmp_path / "events.sqlite3", least_pause_seconds=0.3)) as laboratory:
        calls = Calls(failures=99)
        laboratory.function("f", calls)
        laboratory.runtime.accept("f", b"{}", "id-1")
        eventually(lambda: laboratory.dead_letters, "a dead letter")
    first, second, third = calls.times
    assert min(second - first, third - second) >= 0.3


def test_a_retry_that_succeeds_leaves_no_dead_letter(laboratory: Laboratory) -> None:
    calls = Calls(failures=1)
    laboratory.function("f", calls)
    laboratory.runtime.accept("f", b"{}", "id-1")
    eventually(lambda: not laboratory.events.unfinished(), "the event ended")
    assert calls.request_ids == ["id-1"] * 2
    assert laboratory.dead_letters == []


def test_the_number_of_retries_is_the_functions(laboratory: Laboratory) -> None:
    calls = Calls(failures=99)
    laboratory.function("f", calls, maximum_retry_attempts=0)
    laboratory.runtime.accept("f", b"{}", "id-1")
    eventually(lambda: laboratory.dead_letters, "a dead letter")
    assert calls.request_ids == ["id-1"]


def test_a_retry_that_would_come_too_late_is_not_waited_for(tmp_path: Path) -> None:
    """On a clock of which a minute lasts ten minutes, so that the first run comes in time on any machine."""
    with started(Laboratory(tmp_path / "events.sqlite3", time_scale=0.1)) as laboratory:
        calls = Calls(failures=99)
        laboratory.function("f", calls, maximum_event_age_seconds=60)
        laboratory.runtime.accept("f", b"{}", "id-1")
        eventually(lambda: laboratory.dead_letters, "a dead letter")
        assert calls.request_ids == ["id-1"]


def test_no_more_run_at_once_than_the_reserved_concurrency_and_none_is_lost(laboratory: Laboratory) -> None:
    lock = threading.Lock()
    running, most, done = 0, 0, 0

    def handler(event: Any, context: Any) -> None:
        nonlocal running, most, done
        with lock:
            running += 1
            most = max(most, running)
        time.sleep(0.005)
        with lock:
            running -= 1
            done += 1

    laboratory.function("f", handler, reserved_concurrency=4)
    for number in range(100):
        laboratory.runtime.accept("f", b"{}", f"id-{number}")
    eventually(lambda: not laboratory.events.unfinished(), "all events ended")
    assert done == 100
    assert most <= 4
    assert laboratory.dead_letters == []


def test_waiting_for_a_place_uses_up_no_retry(laboratory: Laboratory) -> None:
    gate = threading.Event()
    calls = Calls()

    def handler(event: Any, context: Any) -> None:
        gate.wait(10)
        calls(event, context)

    laboratory.function("f", handler, reserved_concurrency=1, maximum_retry_attempts=0)
    for number in range(3):
        laboratory.runtime.accept("f", b"{}", f"id-{number}")
    eventually(lambda: laboratory.total("Throttles") > 0, "a throttle")
    gate.set()
    eventually(lambda: not laboratory.events.unfinished(), "all events ended")
    assert calls.request_ids == ["id-0", "id-1", "id-2"]


def test_an_event_that_never_found_a_place_is_given_up_as_429(laboratory: Laboratory) -> None:
    gate = threading.Event()
    laboratory.function("f", lambda *_: gate.wait(10), reserved_concurrency=1, maximum_event_age_seconds=600)
    laboratory.runtime.accept("f", b"{}", "id-0")
    laboratory.runtime.accept("f", b"{}", "id-1")
    event, reason = eventually(lambda: laboratory.dead_letters, "a dead letter")[0]
    gate.set()
    assert event.request_id == "id-1"
    assert (reason.code, reason.message) == (429, "Rate Exceeded.")


def test_with_reserved_concurrency_zero_events_are_given_up_at_once_and_without_a_code(
    laboratory: Laboratory,
) -> None:
    calls = Calls()
    laboratory.function("f", calls, reserved_concurrency=0)
    laboratory.runtime.accept("f", b"{}", "id-1")
    _, reason = eventually(lambda: laboratory.dead_letters, "a dead letter")[0]
    assert calls.request_ids == []
    assert reason.code is None
    assert reason.message == (
        "Function not invoked. Function isconfigured with zero reserved concurrent executions"
    )


def test_a_timeout_counts_as_a_failed_attempt(laboratory: Laboratory) -> None:
    release = threading.Event()
    laboratory.function("f", lambda *_: release.wait(10), timeout_seconds=0.1, maximum_retry_attempts=1)
    laboratory.runtime.accept("f", b"{}", "id-1")
    event, reason = eventually(lambda: laboratory.dead_letters, "a dead letter")[0]
    release.set()
    assert event.attempts == 2
    assert reason.code == 200
    assert reason.message == "RequestId: id-1 Error: Task timed out after 0.10 seconds"


def test_a_dead_letter_that_cannot_be_written_is_counted_and_dropped(laboratory: Laboratory) -> None:
    laboratory.queue_is_broken = True
    laboratory.function("f", Calls(failures=99), maximum_retry_attempts=0)
    laboratory.runtime.accept("f", b"{}", "id-1")
    eventually(lambda: not laboratory.events.unfinished(), "the event ended")
    assert laboratory.total("DeadLetterErrors") == 1


def test_an_event_for_a_deleted_function_is_dropped(laboratory: Laboratory) -> None:
    laboratory.runtime.accept("nobody", b"{}", "id-1")
    eventually(lambda: not laboratory.events.unfinished(), "the event ended")
    assert laboratory.total("AsyncEventsDropped") == 1


def test_an_event_waits_while_the_settings_of_its_function_cannot_be_read(laboratory: Laboratory) -> None:
    calls = Calls()
    laboratory.function("f", calls)
    laboratory.unreadable = True
    laboratory.runtime.accept("f", b"{}", "id-1")
    eventually(lambda: laboratory.refusals, "a refusal")
    laboratory.unreadable = False
    eventually(lambda: calls.request_ids, "the event ran")


def test_a_function_that_is_full_does_not_hold_up_another(laboratory: Laboratory) -> None:
    gate = threading.Event()
    calls = Calls()
    laboratory.function("full", lambda *_: gate.wait(10), reserved_concurrency=1)
    laboratory.function("free", calls)
    for number in range(3):
        laboratory.runtime.accept("full", b"{}", f"full-{number}")
    laboratory.runtime.accept("free", b"{}", "free")
    eventually(lambda: calls.request_ids, "the other function ran")
    gate.set()


def test_what_an_earlier_process_accepted_runs_in_the_next_with_the_attempts_it_has_left(
    tmp_path: Path,
) -> None:
    earlier = Laboratory(tmp_path / "events.sqlite3")
    earlier.runtime.accept("f", b"{}", "id-1")
    event = earlier.events.unfinished()[0]
    event.attempts = 2
    earlier.events.failed(event)
    earlier.events.close()

    later = Laboratory(tmp_path / "events.sqlite3")
    calls = Calls(failures=99)
    later.function("f", calls)
    later.runtime.start()
    eventually(lambda: later.dead_letters, "a dead letter")
    later.runtime.stop()
    later.events.close()
    assert calls.request_ids == ["id-1"]


def test_an_event_that_is_running_when_the_runtime_stops_is_kept(tmp_path: Path) -> None:
    laboratory = Laboratory(tmp_path / "events.sqlite3")
    started, gate = threading.Event(), threading.Event()

    def handler(event: Any, context: Any) -> None:
        started.set()
        gate.wait(10)

    laboratory.function("f", handler)
    laboratory.runtime.start()
    laboratory.runtime.accept("f", b"{}", "id-1")
    assert started.wait(10)
    laboratory.runtime.stop(timeout_seconds=0.05)
    assert [event.request_id for event in laboratory.events.unfinished()] == ["id-1"]
    gate.set()
    eventually(lambda: not laboratory.events.unfinished(), "the event ended")
    laboratory.events.close()
