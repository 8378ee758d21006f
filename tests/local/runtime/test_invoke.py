"""Synchronous invocations, containers and what handlers see."""

from __future__ import annotations

import json
import logging
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from b2bpilot.local.runtime import function
from b2bpilot.local.runtime.configuration import FunctionMissing
from b2bpilot.local.runtime.function import Throttled
from b2bpilot.local.runtime.logs import CapturedOutput
from tests.local.polling import eventually
from tests.local.runtime.conftest import Laboratory


@pytest.fixture
def _captured() -> Iterator[None]:
    with CapturedOutput():
        yield


def test_the_answer_of_the_handler_is_the_result(laboratory: Laboratory) -> None:
    laboratory.function("f", lambda event, _: {"seen": event["Körper"]})
    result = laboratory.runtime.invoke("f", json.dumps({"Körper": "🚚"}).encode(), "id-1")
    assert result.error is None
    assert json.loads(result.payload) == {"seen": "🚚"}


def test_an_exception_is_described_as_lambda_does(laboratory: Laboratory) -> None:
    def handler(event: Any, context: Any) -> None:
        raise KeyError("missing")

    laboratory.function("f", handler)
    result = laboratory.runtime.invoke("f", b"{}", "id-1")
    described = json.loads(result.payload)
    assert result.error == "'missing'"
    assert described["errorType"] == "KeyError"
    assert described["requestId"] == "id-1"
    assert "test_invoke.py" in described["stackTrace"][0]


def test_a_handler_that_exits_is_a_failed_run_and_the_function_goes_on(laboratory: Laboratory) -> None:
    laboratory.function("f", lambda event, _: event or sys.exit(1))
    assert laboratory.runtime.invoke("f", b"{}", "id-1").error == "1"
    assert laboratory.runtime.invoke("f", b"7", "id-2").payload == b"7"


def test_an_answer_that_is_no_json_is_a_failed_run(laboratory: Laboratory) -> None:
    laboratory.function("f", lambda *_: {1, 2})
    assert "not JSON serializable" in (laboratory.runtime.invoke("f", b"{}", "id-1").error or "")


def test_at_the_limit_a_synchronous_invocation_is_throttled(laboratory: Laboratory) -> None:
    gate, started = threading.Event(), threading.Event()

    def handler(event: Any, context: Any) -> None:
        started.set()
        gate.wait(10)

    laboratory.function("f", handler, reserved_concurrency=1)
    laboratory.runtime.accept("f", b"{}", "id-1")
    assert started.wait(10)
    with pytest.raises(Throttled):
        laboratory.runtime.invoke("f", b"{}", "id-2")
    gate.set()


def test_a_function_without_a_limit_of_its_own_takes_more_than_it_has_containers(
    laboratory: Laboratory,
) -> None:
    gate = threading.Event()
    laboratory.function("f", lambda *_: gate.wait(10))
    with ThreadPoolExecutor(80) as clients:
        answers = [clients.submit(laboratory.runtime.invoke, "f", b"{}", f"id-{n}") for n in range(80)]
        seen: list[float] = []

        def all_in_flight() -> bool:
            taken = laboratory.metrics.take()
            seen.extend(
                value for metric, values in taken.items() for value in values if "Conc" in metric.name
            )
            return 80 in seen

        try:
            eventually(all_in_flight, "all were taken")
        finally:
            gate.set()
    assert {answer.result().payload for answer in answers} == {b"true"}


def test_who_finds_every_container_busy_waits_for_one(
    laboratory: Laboratory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(function, "COLD_START_SECONDS", 0.01)
    barrier = threading.Barrier(3)

    def handler(event: Any, context: Any) -> str:
        try:
            barrier.wait(0.5)
        except threading.BrokenBarrierError:
            return "two"
        return "three at once"

    laboratory.function("f", handler, most_containers=2)
    with ThreadPoolExecutor(6) as clients:
        answers = clients.map(lambda n: laboratory.runtime.invoke("f", b"{}", f"id-{n}"), range(6))
        assert {answer.payload for answer in answers} == {b'"two"'}
    assert laboratory.loads == 2


def test_a_timed_out_run_frees_its_place_and_its_container_is_never_used_again(
    laboratory: Laboratory,
) -> None:
    gate = threading.Event()
    laboratory.function(
        "f", lambda event, _: event and gate.wait(60), timeout_seconds=0.5, reserved_concurrency=1
    )
    late = laboratory.runtime.invoke("f", b"1", "id-1")
    assert late.status == "timeout"
    assert json.loads(late.payload) == {
        "errorType": "Sandbox.Timedout",
        "errorMessage": "RequestId: id-1 Error: Task timed out after 0.50 seconds",
    }
    assert laboratory.runtime.invoke("f", b"0", "id-2").error is None
    assert laboratory.loads == 2
    gate.set()


def test_a_warm_container_is_used_again(laboratory: Laboratory) -> None:
    laboratory.function("f", lambda *_: None)
    for number in range(5):
        laboratory.runtime.invoke("f", b"{}", f"id-{number}")
    assert laboratory.loads == 1


def test_a_changed_setting_gets_a_new_container_a_changed_limit_does_not(laboratory: Laboratory) -> None:
    laboratory.function("f", lambda *_: None)
    laboratory.runtime.invoke("f", b"{}", "id-1")
    laboratory.change("f", reserved_concurrency=3)
    laboratory.runtime.invoke("f", b"{}", "id-2")
    assert laboratory.loads == 1
    laboratory.change("f", environment={"A": "1"})
    laboratory.runtime.invoke("f", b"{}", "id-3")
    assert laboratory.loads == 2


def test_changed_code_gets_a_new_container(laboratory: Laboratory) -> None:
    laboratory.function("f", lambda *_: None)
    laboratory.runtime.invoke("f", b"{}", "id-1")
    laboratory.change("f", code_sha256="another")
    laboratory.runtime.invoke("f", b"{}", "id-2")
    assert laboratory.loads == 2


def test_runs_that_last_get_containers_of_their_own(laboratory: Laboratory) -> None:
    barrier = threading.Barrier(3)
    laboratory.function("f", lambda *_: barrier.wait(10) is not None)
    for number in range(3):
        laboratory.runtime.accept("f", b"{}", f"id-{number}")
    eventually(lambda: not laboratory.events.unfinished(), "all three met")
    assert laboratory.dead_letters == []


def test_a_function_that_does_not_exist_is_said_to_be_missing(laboratory: Laboratory) -> None:
    with pytest.raises(FunctionMissing):
        laboratory.runtime.invoke("nobody", b"{}", "id-1")


def test_the_context_has_the_names_of_aws(laboratory: Laboratory) -> None:
    def handler(event: Any, context: Any) -> list[Any]:
        remaining = context.get_remaining_time_in_millis()
        return [context.aws_request_id, context.function_name, context.invoked_function_arn, remaining]

    laboratory.function("f", handler, timeout_seconds=20)
    request_id, name, arn, remaining = json.loads(laboratory.runtime.invoke("f", b"{}", "id-1").payload)
    assert (request_id, name) == ("id-1", "f")
    assert arn.endswith(":function:f")
    assert 0 < remaining <= 20_000


@pytest.mark.usefixtures("_captured")
def test_log_records_become_lambdas_json_lines_with_extra_fields_at_the_top(laboratory: Laboratory) -> None:
    def handler(event: Any, context: Any) -> None:
        logging.getLogger("shop").info("Stored %s", "it", extra={"event": "stored", "latency_ms": 12})
        logging.getLogger("shop").debug("not at this level")

    laboratory.function("f", handler)
    result = laboratory.runtime.invoke("f", b"{}", "id-1")
    start, line, report = laboratory.logs.parsed()
    assert start["type"] == "platform.start"
    assert report["record"]["status"] == "success"
    assert line.pop("timestamp").endswith("Z")
    assert line == {
        "level": "INFO",
        "message": "Stored it",
        "logger": "shop",
        "requestId": "id-1",
        "event": "stored",
        "latency_ms": 12,
    }
    assert '"event": "stored"' in result.log_tail


@pytest.mark.usefixtures("_captured")
def test_an_exception_is_logged_with_its_type_and_trace(laboratory: Laboratory) -> None:
    def handler(event: Any, context: Any) -> None:
        try:
            int("bad")
        except ValueError:
            logging.getLogger().exception("Failed")
        raise RuntimeError("worse")

    laboratory.function("f", handler)
    laboratory.runtime.invoke("f", b"{}", "id-1")
    _, caught, uncaught, report = laboratory.logs.parsed()
    assert (caught["errorType"], caught["errorMessage"]) == (
        "ValueError",
        "invalid literal for int() with base 10: 'bad'",
    )
    assert (uncaught["log_level"], uncaught["errorType"], uncaught["requestId"]) == (
        "ERROR",
        "RuntimeError",
        "id-1",
    )
    assert report["record"]["status"] == "error"


def test_what_a_handler_prints_is_in_its_log_and_nowhere_else(
    laboratory: Laboratory, capsys: pytest.CaptureFixture[str]
) -> None:
    laboratory.function("f", lambda *_: print("hello"))  # noqa: T201  # the subject of the test
    with CapturedOutput():
        result = laboratory.runtime.invoke("f", b"{}", "id-1")
        print("from elsewhere")  # noqa: T201
    assert "hello" in result.log_tail.splitlines()
    assert capsys.readouterr().out == "from elsewhere\n"
