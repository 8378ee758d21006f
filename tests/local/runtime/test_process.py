"""A handler in a process of its own: what it is given, what it says, and how it ends."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path
from typing import Any

import psutil
import pytest

from b2bpilot.local.runtime.process import HandlerProcess
from tests.local.polling import eventually
from tests.local.runtime.conftest import Laboratory

HANDLER = """
import logging
import os
import sys
import threading
import time

from helper import NAME


def handler(event, context):
    what = event.get("do")
    if what == "raise":
        raise ValueError("no such crm")
    if what == "exit":
        sys.exit(3)
    if what == "die":
        os.abort()
    if what == "sleep":
        time.sleep(60)
    if what == "unprintable":
        return object()
    if what == "log":
        logging.getLogger("crm").info("Said", extra={"message_id": "m-1"})
        logging.getLogger("crm").debug("Not said")
        print("printed")
        print("to stderr", file=sys.stderr)
        os.write(1, b"to the descriptor\\n")
        thread = threading.Thread(target=logging.getLogger("crm").warning, args=("From a thread",))
        thread.start()
        thread.join()
    return {"pid": os.getpid(), "name": NAME, "own": dict(os.environ), "left": context.get_remaining_time_in_millis(),
            "request_id": context.aws_request_id}
"""


@pytest.fixture
def function(laboratory: Laboratory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Laboratory:
    """`f`, from a folder of its own, in a shell that has variables of others."""
    monkeypatch.setenv("DATABASE_URL", "somebody's")
    monkeypatch.setenv("TWILIO_AUTH_TOKEN", "ours")
    code, packages = tmp_path / "code", tmp_path / "packages"
    for folder, name, text in ((code, "handler.py", HANDLER), (packages, "helper.py", "NAME = 'crm'")):
        folder.mkdir()
        (folder / name).write_text(text)
    laboratory.function("f", lambda *_: None, timeout_seconds=5, environment={"CRM": "1"})
    laboratory.change("f", handler="handler.handler")
    process = HandlerProcess(laboratory.configurations["f"], code, packages=packages)
    laboratory.handlers["handler.handler"] = process
    return laboratory


def invoke(function: Laboratory, **order: Any) -> dict[str, Any]:
    found = function.runtime.invoke("f", json.dumps(order).encode(), "id-1").payload
    answer: dict[str, Any] = json.loads(found)
    return answer


def test_it_has_its_own_variables_and_the_shells_programs_and_nothing_else(function: Laboratory) -> None:
    answer = invoke(function)
    assert answer["own"]["CRM"] == "1"
    assert answer["own"]["PATH"] == os.environ["PATH"]
    assert not {"DATABASE_URL", "TWILIO_AUTH_TOKEN"} & set(answer["own"])
    assert (answer["name"], answer["request_id"]) == ("crm", "id-1")
    assert 0 < answer["left"] <= 5_000
    assert answer["pid"] != os.getpid()
    assert invoke(function)["pid"] == answer["pid"]


def test_what_it_logs_and_prints_are_lines_of_its_run(function: Laboratory) -> None:
    result = function.runtime.invoke("f", b'{"do": "log"}', "id-7")
    said = [line for line in function.logs.lines if "platform." not in line]
    assert [json.loads(line)["message"] for line in said if line.startswith("{")] == ["Said", "From a thread"]
    first = json.loads(said[0])
    assert (first["requestId"], first["level"], first["message_id"]) == ("id-7", "INFO", "m-1")
    assert [line for line in said if not line.startswith("{")] == ["printed", "to stderr"]
    assert "printed" in result.log_tail


@pytest.mark.parametrize(
    ("order", "kind", "said"),
    [
        ("raise", "ValueError", "no such crm"),
        ("unprintable", "TypeError", "Object of type object is not JSON serializable"),
        ("exit", "SystemExit", "3"),
        ("die", "Runtime.ExitError", "RequestId: id-1 Error: Runtime exited with error: signal: aborted"),
    ],
)
def test_what_goes_wrong_is_the_functions_error_and_the_next_event_is_run(
    function: Laboratory, order: str, kind: str, said: str
) -> None:
    described = invoke(function, do=order)
    assert (described["errorType"], described["errorMessage"]) == (kind, said)
    if order == "raise":
        assert "code/handler.py" in described["stackTrace"][-1]
        assert len(described["stackTrace"]) == 1
    assert invoke(function)["name"] == "crm"
    assert function.total("Errors") == 1


def test_one_that_is_killed_between_two_events_is_started_again(function: Laboratory) -> None:
    pid = invoke(function)["pid"]
    os.kill(pid, signal.SIGKILL)
    eventually(lambda: has_ended(pid), "its end")
    assert invoke(function)["pid"] != pid


def has_ended(pid: int) -> bool:
    """Whether its parent has taken note of it yet or not."""
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def test_a_timeout_kills_it(function: Laboratory) -> None:
    function.change("f", timeout_seconds=1)
    pid = invoke(function)["pid"]
    described = invoke(function, do="sleep")
    assert described["errorType"] == "Sandbox.Timedout"
    eventually(lambda: not psutil.pid_exists(pid), "its end")
    eventually(lambda: '"status": "timeout"' in function.logs.lines[-1], "its report")
    assert "Runtime.ExitError" not in "".join(function.logs.lines)


def test_a_handler_that_is_not_there_is_an_error_of_each_run(function: Laboratory, tmp_path: Path) -> None:
    (tmp_path / "packages" / "helper.py").unlink()
    for _ in range(2):
        assert "No module named 'helper'" in invoke(function)["errorMessage"]
    (tmp_path / "packages" / "helper.py").write_text("NAME = 'again'")
    assert invoke(function)["name"] == "again"


def test_it_ends_with_the_runtime(function: Laboratory) -> None:
    pid = invoke(function)["pid"]
    function.runtime.stop()
    assert not psutil.pid_exists(pid)
