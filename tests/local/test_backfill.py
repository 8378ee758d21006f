"""`subscribers backfill`, from the real table to a deployed subscriber."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import uuid
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest

from b2bpilot.cli.app import main
from b2bpilot.ops.runs.record import RunRecord, RunState
from b2bpilot.ops.runs.runs import list_runs
from tests.events import message
from tests.forked import Forked
from tests.local.conftest import Deployment, Machine
from tests.local.polling import eventually
from tests.ops.backfill.rows import put, row_of

PERIOD = ("--since", "2001-01-01", "--until", "2001-02-01")


@dataclass
class Stage:
    """A subscriber of the environment's own topic, whose function writes down what it gets."""

    deployment: Deployment
    name: str
    rows: psycopg.Connection

    def put(self, count: int) -> set[str]:
        """Write rows of so many messages, which the processor would take up, and return their ids."""
        messages = [message(params={"diary": str(self.deployment.diary)}) for _ in range(count)]
        put(self.rows, (row_of(one, status="failed") for one in messages))
        return {one.message_id for one in messages}

    def delivered(self) -> Counter[str]:
        """How often each message was processed to its end."""
        lines = self.deployment.lines()
        events = {line["request_id"]: line["event"] for line in lines if "event" in line}
        ended = [line["request_id"] for line in lines if "end" in line]
        return Counter(message_id_in(events[request_id]) for request_id in ended)

    def require_untouched(self) -> None:
        """The processor got none of it."""
        query = "SELECT DISTINCT attempts, republished_at FROM b2b_pilot_user_submissions WHERE created_at < '2002-01-01'"
        assert self.rows.execute(query).fetchall() == [(1, None)]


def message_id_in(event: dict[str, Any]) -> str:
    return str(json.loads(event["Records"][0]["Sns"]["Message"])["message_id"])


@pytest.fixture
def stage(environment: Machine, tmp_path: Path) -> Iterator[Stage]:
    name = f"backfilled-{uuid.uuid4().hex[:6]}"
    deployment = Deployment(environment, tmp_path / "diary", name=f"{name}-b2b-pilot-local").deploy(
        to=environment.stack_output("TopicArn")
    )
    sns = environment.client("sns")
    with psycopg.connect(environment.state.database_url, autocommit=True) as rows:
        yield Stage(deployment, name, rows)
        sns.unsubscribe(SubscriptionArn=deployment.subscription_arn)
        rows.execute("DELETE FROM b2b_pilot_user_submissions WHERE created_at < '2002-01-01'")


@pytest.fixture
def cli(environment: Machine, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("B2BPILOT_HOME", str(environment.home))
    return lambda *arguments: main([*arguments, "-e", "local"])


def test_a_thousand_rows_are_delivered_to_the_subscriber_and_none_to_the_processor(
    stage: Stage, cli: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    sent = stage.put(1_000)

    assert cli("subscribers", "backfill", stage.name, *PERIOD, "--yes", "-o", "json") == 0

    document = json.loads(capsys.readouterr().out)
    assert (document["plan"]["messages"], document["backfilled"]["accepted"]) == (1_000, 1_000)
    eventually(lambda: len(stage.delivered()) == 1_000, "a thousand deliveries")
    assert stage.delivered() == dict.fromkeys(sent, 1)
    stage.require_untouched()


def test_a_backfill_that_is_killed_and_resumed_delivers_the_same(
    stage: Stage, cli: Any, environment: Machine, capsys: pytest.CaptureFixture[str]
) -> None:
    sent = stage.put(400)
    command = ["subscribers", "backfill", stage.name, *PERIOD, "--rate", "100", "--yes", "-e", "local"]
    environ = os.environ | {"B2BPILOT_HOME": str(environment.home)}
    with Forked(
        [sys.executable, "-m", "b2bpilot", *command],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=environ,
    ) as process:
        eventually(lambda: any(len(one.messages) > 50 for one in runs_to(stage, environment)), "a part")
        process.kill()
    (record,) = runs_to(stage, environment)
    assert record.state is RunState.INTERRUPTED
    perhaps = {one.queue_message_id for one in record.messages.values() if one.is_unknown}
    assert 50 < len(record.messages) < 400

    assert cli("runs", "resume", record.run_id, "--yes", "-o", "json") == 0

    document = json.loads(capsys.readouterr().out)
    assert (document["plan"]["perhaps_before"], document["backfilled"]["accepted"]) == (len(perhaps), 400)
    eventually(lambda: len(stage.delivered()) == 400, "four hundred deliveries")
    found = stage.delivered()
    assert found.keys() == sent
    assert {message_id for message_id, times in found.items() if times > 1} <= perhaps
    stage.require_untouched()


def runs_to(stage: Stage, environment: Machine) -> list[RunRecord]:
    """The environment is shared: others' runs are in its folder, too."""
    arn = stage.deployment.subscription_arn
    return [one for one in list_runs(environment.home) if one.parameters.get("subscription") == arn]
