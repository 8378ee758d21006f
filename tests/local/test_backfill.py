"""`subscribers backfill`, from the real table to a deployed subscriber."""

from __future__ import annotations

import json
import uuid
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
import pytest

from b2bpilot.cli.app import main
from b2bpilot.pipeline.message import PilotMessage
from tests.events import message
from tests.local.conftest import Deployment, Machine
from tests.local.polling import eventually

THEN = datetime(2001, 1, 1, 12, tzinfo=UTC)
"""When no other test's rows were created."""
PERIOD = ("--since", "2001-01-01", "--until", "2001-02-01")


@dataclass
class Stage:
    """A subscriber of the environment's own topic, whose function writes down what it gets."""

    deployment: Deployment
    name: str
    rows: psycopg.Connection

    def put(self, of: PilotMessage, **columns: Any) -> PilotMessage:
        """Write the row that the processor leaves of the message."""
        of = replace(of, params={**of.params, "diary": str(self.deployment.diary)})
        row = {
            "message_id": of.message_id,
            "message_sid": of.params["MessageSid"],
            "status": "completed",
            "source": of.source.value,
            "message_type": of.message_type.value,
            "priority": of.priority.value,
            "test": of.test,
            "params": json.dumps(dict(of.params)),
            "attempts": 1,
            "received_at": of.received_at,
            "created_at": THEN,
            "completed_at": THEN,
            **columns,
        }
        names = ", ".join(row)
        values = ", ".join(f"%({name})s" for name in row)
        self.rows.execute(f"INSERT INTO b2b_pilot_user_submissions ({names}) VALUES ({values})", row)  # type: ignore[call-overload]  # the columns are this test's own
        return of

    def delivered(self) -> Counter[str]:
        """How often each message was processed to its end."""
        lines = self.deployment.lines()
        events = {line["request_id"]: line["event"] for line in lines if "event" in line}
        ended = [line["request_id"] for line in lines if "end" in line]
        return Counter(message_id_in(events[request_id]) for request_id in ended)


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
    sent = {stage.put(message()).message_id for _ in range(1_000)}

    assert cli("subscribers", "backfill", stage.name, *PERIOD, "--yes", "-o", "json") == 0

    document = json.loads(capsys.readouterr().out)
    assert (document["plan"]["messages"], document["backfilled"]["accepted"]) == (1_000, 1_000)
    eventually(lambda: len(stage.delivered()) == 1_000, "a thousand deliveries")
    assert stage.delivered() == dict.fromkeys(sent, 1)
    query = "SELECT DISTINCT attempts, republished_at FROM b2b_pilot_user_submissions WHERE created_at < '2002-01-01'"
    assert stage.rows.execute(query).fetchall() == [(1, None)]
