"""A redrive inside AWS, in the deployed template: it ends by itself, whatever happens to the command that watches it."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest

from b2bpilot.aws.mappings import AS_DEPLOYED
from b2bpilot.cli.app import main
from b2bpilot.errors import Refused
from b2bpilot.ops.environment import Environment, discover
from b2bpilot.ops.redrive_in_aws import switch as remote
from b2bpilot.pipeline.message import PilotMessage
from tests.events import SUBSCRIPTION_ARN, message, sns_event
from tests.forked import Forked
from tests.local.conftest import ROOT, Machine
from tests.local.polling import eventually

OFF_WITHIN_LOOKS = 180

Run = Callable[..., tuple[int, str, str]]

POISON = {"NumMedia": "many"}
"""The processor claims such a message and cannot store it."""


@pytest.fixture
def deployed(environment: Machine) -> Environment:
    return discover("local", environment.access)


@pytest.fixture
def queue(deployed: Environment) -> Iterator[Any]:
    """SQS's client, with an empty dead-letter queue before and after the test."""
    client = deployed.access.client("sqs")
    _purge(client, deployed)
    yield client
    _purge(client, deployed)


@pytest.fixture
def run(environment: Machine, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run one command about the local environment, for exit code, stdout and stderr."""
    monkeypatch.setenv("B2BPILOT_HOME", str(environment.home))

    def run(*arguments: str) -> tuple[int, str, str]:
        exit_code = main([*arguments, "-e", "local"])
        captured = capsys.readouterr()
        return exit_code, captured.out, captured.err

    return run


def _purge(client: Any, deployed: Environment) -> None:
    client.purge_queue(QueueUrl=deployed.stack.dead_letter_queue_url)


def _put(client: Any, deployed: Environment, messages: list[PilotMessage]) -> None:
    for start in range(0, len(messages), 10):
        entries = [
            {
                "Id": str(number),
                "MessageBody": json.dumps(sns_event(one)).replace(
                    SUBSCRIPTION_ARN, deployed.stack.subscription_arn
                ),
                "MessageAttributes": {"ErrorMessage": {"DataType": "String", "StringValue": "boom"}},
            }
            for number, one in enumerate(messages[start : start + 10])
        ]
        client.send_message_batch(QueueUrl=deployed.stack.dead_letter_queue_url, Entries=entries)


def _killed_when_on(environment: Machine) -> str:
    """Run the command in a process of its own, kill it once the mapping is on, and return its run."""
    command = [
        sys.executable,
        "-m",
        "b2bpilot",
        "dlq",
        "redrive",
        "-e",
        "local",
        "--engine",
        "lambda",
        "--yes",
    ]
    shell = os.environ | {"PYTHONPATH": str(ROOT), "B2BPILOT_HOME": str(environment.home)}
    with Forked(command, stderr=subprocess.PIPE, text=True, cwd=ROOT, env=shell) as process:
        assert process.stderr is not None
        lines = iter(process.stderr.readline, "")
        run_id = next(line for line in lines if line.startswith("run ")).split()[1]
        next(line for line in lines if line.startswith("redriver enabled"))
        process.kill()
    return run_id


def _wait_until_off(deployed: Environment) -> None:
    """Look only: what watches, ends as well."""
    for _ in range(OFF_WITHIN_LOOKS):
        if not remote.switched(deployed).state.is_on:
            return
        time.sleep(0.5)
    pytest.fail("the mapping is still on")


def _counts(deployed: Environment, client: Any) -> tuple[int, int]:
    values = client.get_queue_attributes(
        QueueUrl=deployed.stack.dead_letter_queue_url,
        AttributeNames=["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"],
    )["Attributes"]
    return int(values["ApproximateNumberOfMessages"]), int(values["ApproximateNumberOfMessagesNotVisible"])


def test_a_run_whose_command_was_killed_ends_by_itself_and_leaves_the_poison_in_sight(
    environment: Machine, deployed: Environment, queue: Any, run: Run
) -> None:
    messages = [message(params=POISON if number % 10 == 0 else {}) for number in range(200)]
    _put(queue, deployed, messages)
    queue.send_message(QueueUrl=deployed.stack.dead_letter_queue_url, MessageBody="not JSON")
    run_id = _killed_when_on(environment)
    _wait_until_off(deployed)
    eventually(lambda: _counts(deployed, queue) == (21, 0), "21 dead letters, all visible")
    switched = remote.switched(deployed)
    found = switched.run
    assert found is not None
    assert (found.run_id, found.ended) == (run_id, "nothing is left to try")
    assert switched.max_concurrency == AS_DEPLOYED

    with psycopg.connect(environment.state.database_url) as connection:
        rows = connection.execute(
            "SELECT status, attempts FROM b2b_pilot_user_submissions WHERE message_id = ANY(%s)",
            ([one.message_id for one in messages],),
        ).fetchall()
    assert Counter(rows) == {("completed", 1): 180, ("failed", 1): 20}

    exit_code, out, err = run("runs", "resume", run_id, "-o", "json")
    assert exit_code == 4, err
    assert (
        json.loads(out)["error"]["message"]
        == "180 messages completed; 20 dead letters failed again, 1 dead letter set aside"
    )
    _, shown, _ = run("runs", "show", run_id, "-o", "json", "--all")
    outcomes = Counter(one["outcome"] for one in json.loads(shown)["messages"])
    assert outcomes == {"deleted": 180, "failed": 20}


def test_leaving_the_command_turns_the_mapping_off(deployed: Environment, queue: Any) -> None:
    with (
        contextlib.suppress(KeyboardInterrupt),
        remote.redriving(deployed, run_id="left", max_concurrency=5) as running,
    ):
        assert next(running.readings).state.is_on
        assert remote.switched(deployed).max_concurrency == 5
        raise KeyboardInterrupt
    found = remote.switched(deployed)
    assert (found.state.is_on, found.max_concurrency) == (False, AS_DEPLOYED)
    assert found.run is not None
    assert (found.run.run_id, found.run.ended) == ("left", "the command ended it")


def test_a_second_run_is_refused_while_one_is_on(deployed: Environment, queue: Any) -> None:
    with (
        remote.redriving(deployed, run_id="first", max_concurrency=2),
        pytest.raises(Refused, match="for run first"),
        remote.redriving(deployed, run_id="second", max_concurrency=2),
    ):
        pass
    assert not remote.switched(deployed).state.is_on


REDRIVE = ("dlq", "redrive", "--engine", "lambda", "--yes", "-o", "json")


def test_the_command_ends_with_zero_when_the_rows_and_the_queue_prove_it(
    deployed: Environment, queue: Any, run: Run
) -> None:
    _put(queue, deployed, [message() for _ in range(25)])
    exit_code, out, err = run(*REDRIVE)
    assert exit_code == 0, err
    document = json.loads(out)
    assert document["plan"]["decisions"] == {"send": 25, "left": 0}
    assert (document["summary"]["completed"], document["summary"]["proven"]) == (25, True)
    assert not remote.switched(deployed).state.is_on


def test_nothing_is_turned_on_for_an_empty_queue(deployed: Environment, queue: Any, run: Run) -> None:
    before = remote.switched(deployed).run
    exit_code, _, err = run(*REDRIVE)
    assert (exit_code, "run " in err) == (0, False)
    assert remote.switched(deployed).run == before


def test_a_paused_processor_is_refused_before_anything_is_on(
    deployed: Environment, queue: Any, run: Run
) -> None:
    _put(queue, deployed, [message()])
    with _reserve(deployed, deployed.stack.processor_function_name, 0):
        exit_code, _, err = run("dlq", "redrive", "--engine", "lambda", "--yes")
    assert (exit_code, "has a reserved concurrency of 0" in err) == (5, True)
    assert _counts(deployed, queue) == (1, 0)


def test_a_redriver_that_cannot_run_is_refused_before_anything_is_on(
    deployed: Environment, queue: Any, run: Run
) -> None:
    _put(queue, deployed, [message()])
    with _reserve(deployed, deployed.stack.redriver_function_name, 0):
        exit_code, _, err = run("dlq", "redrive", "--engine", "lambda", "--yes")
    assert (exit_code, "does not run" in err) == (5, True)
    assert not remote.switched(deployed).state.is_on


def test_a_mapping_that_somebody_left_on_is_refused_before_anybody_looks_at_the_queue(
    deployed: Environment, queue: Any, run: Run
) -> None:
    mapping = remote.mapping_of(deployed)
    mapping.enable(max_concurrency=2)
    try:
        exit_code, _, err = run("dlq", "redrive", "--engine", "lambda", "--yes")
    finally:
        mapping.disable()
    assert (exit_code, "Reading the dead-letter queue" in err) == (5, False)
    assert "the redriver is enabled, though no redrive is on. Nothing was changed" in err
    assert f"--uuid {mapping.uuid} --no-enabled" in err


@contextlib.contextmanager
def _reserve(deployed: Environment, function: str, reserve: int) -> Iterator[None]:
    client = deployed.access.client("lambda")
    before = client.get_function_concurrency(FunctionName=function).get("ReservedConcurrentExecutions")
    client.put_function_concurrency(FunctionName=function, ReservedConcurrentExecutions=reserve)
    try:
        yield
    finally:
        if before is None:
            client.delete_function_concurrency(FunctionName=function)
        else:
            client.put_function_concurrency(FunctionName=function, ReservedConcurrentExecutions=before)
