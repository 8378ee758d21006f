"""No command asks AWS for more than docs/iam.md says, nor for another secret: each is run, and what it asked for is held against
the table."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from botocore.client import BaseClient

from b2bpilot.cli.app import main
from b2bpilot.ops.verify.iam import COMMANDS, DATABASE_SECRET, OLD_SECRET, TWILIO_SECRET, secrets_of
from tests.local.conftest import Deployment, Machine, machine

MESSAGE = "7d6f3f0a-1b64-4f53-9a53-5b0b6c0b0a01"
SERVICES = {"monitoring": "cloudwatch"}
OPERATIONS = {
    "ChangeMessageVisibilityBatch": "ChangeMessageVisibility",
    "DeleteMessageBatch": "DeleteMessage",
    "Invoke": "InvokeFunction",
    "PublishBatch": "Publish",
    "SendMessageBatch": "SendMessage",
}
"""Whose IAM action has another name."""

ASKED = (
    ("publish", f"--message-id {MESSAGE} --wait"),
    ("publish", f"--message-id {MESSAGE} --via webhook --duplicate 1 --wait"),
    ("publish", "poison"),
    ("inspect", MESSAGE),
    ("logs", "--since 10m"),
    ("status", ""),
    ("verify", "--with-twilio"),
    ("diagnose", ""),
    ("delivery", "--to queue"),
    ("migrate", "--yes"),
    ("submissions list", ""),
    ("submissions stuck", ""),
    ("submissions show", MESSAGE),
    ("subscribers", ""),
    ("subscribers test", "--param Body=hello"),
    ("subscribers backfill", "function --since 1h --yes"),
    ("subscribers backfill", "queue --since 1h --yes"),
    ("dlq list", ""),
    ("dlq list", "--subscriber processor"),
    ("dlq export", "letters.jsonl"),
    ("dlq replay", "--yes"),
    ("dlq redrive", "--yes"),
    ("dlq restore", "letters.jsonl --yes"),
    ("dlq discard", "--yes --confirm local --reason test"),
    ("twilio route", ""),
    ("twilio reconcile", "--since 1h"),
)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """The IAM actions behind the calls that are made."""
    found: set[str] = set()
    call: Callable[..., Any] = BaseClient._make_api_call

    def recorded(client: BaseClient, operation: str, parameters: Any) -> Any:
        signing = client.meta.service_model.signing_name
        found.add(_action(SERVICES.get(signing, signing), operation))
        if operation == "GetSecretValue":
            found.add(_secret(parameters["SecretId"]))
        return call(client, operation, parameters)

    monkeypatch.setattr(BaseClient, "_make_api_call", recorded)
    return found


def _secret(arn: str) -> str:
    """Which of the stack's secrets it is, by the logical id in its name."""
    return next(
        template
        for name, template in (
            ("-TwilioSecret-", TWILIO_SECRET),
            ("-DatabaseSecret-", DATABASE_SECRET),
            ("-Secret-", OLD_SECRET),
        )
        if name in arn
    )


def _action(service: str, operation: str) -> str:
    if service == "apigateway":
        return "apigateway:GET"
    return f"{service}:{OPERATIONS.get(operation, operation)}"


def _subscribe(environment: Machine, folder: Path) -> None:
    """A function and a queue beside the processor."""
    topic = environment.stack_output("TopicArn")
    Deployment(environment, folder / "diary", name="function-b2b-pilot-local").deploy(to=topic)
    sqs, sns = environment.client("sqs"), environment.client("sns")
    url = sqs.create_queue(QueueName="queue-b2b-pilot-local")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)


def test_each_command_asks_for_what_the_table_says_and_for_nothing_else(
    asked: set[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """In an environment of its own: it leaves a message that failed."""
    monkeypatch.chdir(tmp_path)
    beyond: dict[str, set[str]] = {}
    with machine(tmp_path / "home", "--time-scale", "300") as environment:
        monkeypatch.setenv("B2BPILOT_HOME", str(environment.home))
        _subscribe(environment, tmp_path)
        for command, options in ASKED:
            asked.clear()
            main([*command.split(), *options.split(), "-e", "local"])
            assert asked, f"{command} asked nothing: {capsys.readouterr().err}"
            if more := asked - {*COMMANDS[command], *secrets_of(command)}:
                beyond[f"{command} {options}"] = more
            capsys.readouterr()

    assert beyond == {}
