"""A redrive inside AWS, in the deployed template: it ends by itself, whatever happens to the command that watches it."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import textwrap
import time
from collections import Counter
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from b2bpilot.aws.session import AwsAccess
from b2bpilot.errors import Refused
from b2bpilot.ops.deadletters import remote
from b2bpilot.ops.environment import Environment, discover
from b2bpilot.pipeline.message import PilotMessage
from tests.events import message, sns_event
from tests.local.conftest import ROOT, Machine
from tests.local.polling import eventually

OFF_WITHIN_LOOKS = 180

POISON = {"NumMedia": "many"}
"""The processor claims such a message and cannot store it."""


@pytest.fixture
def deployed(environment: Machine) -> Environment:
    state = environment.state
    access = AwsAccess(
        region=state.region,
        endpoint_url=state.endpoint_url,
        access_key_id=state.account_id,
        secret_access_key="local",
    )
    return discover("local", access)


@pytest.fixture
def queue(deployed: Environment) -> Iterator[Any]:
    """SQS's client, with an empty dead-letter queue before and after the test."""
    client = deployed.access.client("sqs")
    _purge(client, deployed)
    yield client
    _purge(client, deployed)


def _purge(client: Any, deployed: Environment) -> None:
    client.purge_queue(QueueUrl=deployed.stack.dead_letter_queue_url)


def _put(client: Any, deployed: Environment, messages: list[PilotMessage]) -> None:
    for start in range(0, len(messages), 10):
        entries = [
            {
                "Id": str(number),
                "MessageBody": json.dumps(sns_event(one)),
                "MessageAttributes": {"ErrorMessage": {"DataType": "String", "StringValue": "boom"}},
            }
            for number, one in enumerate(messages[start : start + 10])
        ]
        client.send_message_batch(QueueUrl=deployed.stack.dead_letter_queue_url, Entries=entries)


def _command(deployed: Environment, run_id: str) -> subprocess.Popen[str]:
    """A command in a process of its own; it says when the run is on."""
    access = deployed.access
    code = f"""
    from b2bpilot.aws.session import AwsAccess
    from b2bpilot.ops.deadletters.remote import redriving
    from b2bpilot.ops.environment import discover

    access = AwsAccess(region={access.region!r}, endpoint_url={access.endpoint_url!r},
                       access_key_id={access.access_key_id!r}, secret_access_key="local")
    with redriving(discover("local", access), None, run_id={run_id!r}, max_concurrency=4) as looks:
        for look in looks:
            print(look.state, flush=True)
    """
    return subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(code)],
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )


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
    environment: Machine, deployed: Environment, queue: Any
) -> None:
    messages = [message(params=POISON if number % 10 == 0 else {}) for number in range(200)]
    _put(queue, deployed, messages)
    with _command(deployed, "killed") as command:
        assert command.stdout is not None
        assert command.stdout.readline().strip() == "Enabled"
        command.kill()
    _wait_until_off(deployed)
    eventually(lambda: _counts(deployed, queue) == (20, 0), "20 letters, all visible", within=30)
    run = remote.switched(deployed).run
    assert run is not None
    assert (run.run_id, run.ended) == ("killed", "nothing is left to try")

    with psycopg.connect(environment.state.database_url) as connection:
        rows = connection.execute(
            "SELECT status, attempts FROM b2b_pilot_user_submissions WHERE message_id = ANY(%s)",
            ([one.message_id for one in messages],),
        ).fetchall()
    assert Counter(rows) == {("completed", 1): 180, ("failed", 1): 20}


def test_leaving_the_command_turns_the_mapping_off(deployed: Environment, queue: Any) -> None:
    with (
        contextlib.suppress(KeyboardInterrupt),
        remote.redriving(deployed, None, run_id="left", max_concurrency=2) as looks,
    ):
        assert next(looks).state.is_on
        raise KeyboardInterrupt
    found = remote.switched(deployed)
    assert not found.state.is_on
    assert found.run is not None
    assert (found.run.run_id, found.run.ended) == ("left", "the command ended it")


def test_a_second_run_is_refused_while_one_is_on(deployed: Environment, queue: Any) -> None:
    with (
        remote.redriving(deployed, None, run_id="first", max_concurrency=2),
        pytest.raises(Refused, match="for run first"),
        remote.redriving(deployed, None, run_id="second", max_concurrency=2),
    ):
        pass
    assert not remote.switched(deployed).state.is_on
