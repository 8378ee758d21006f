"""`b2bpilot load`: what it asks before it sends, and what it refuses."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.aws_clients import client
from tests.cli.conftest import OUTPUTS, Run, Staging, create_stack


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("B2BPILOT_HOME", str(tmp_path / "pilot"))


ANY_ID = {"message_id": [{"anything-but": ["none"]}]}
"""Every message passes, and nobody can know it beforehand."""


def witness_takes(staging: Staging, policy: dict[str, Any]) -> None:
    (one,) = client("sns").list_subscriptions_by_topic(TopicArn=staging.topic_arn)["Subscriptions"]
    client("sns").set_subscription_attributes(
        SubscriptionArn=one["SubscriptionArn"],
        AttributeName="FilterPolicy",
        AttributeValue=json.dumps(policy),
    )


UNKNOWN = "--allow-unknown-subscribers"


@pytest.fixture(autouse=True)
def a_witness_that_nobody_can_be_sure_of(staging: Staging) -> None:
    witness_takes(staging, ANY_ID)


@pytest.mark.parametrize("policy", [{}, {"test": ["true"]}, {"source": ["cli"]}])
def test_a_load_is_refused_while_somebody_else_takes_its_messages(
    run: Run, staging: Staging, policy: dict[str, Any]
) -> None:
    witness_takes(staging, policy)
    result = run("load", "-e", "staging", "--via", "topic", "--yes")
    assert result.exit_code == 5
    assert "the test messages would also reach witness" in result.stderr
    assert "b2bpilot subscribers -e staging --coverage" in result.stderr
    assert "Nothing was sent" in result.stderr
    assert staging.messages() == []


def test_a_load_is_refused_where_nobody_can_tell_unless_somebody_takes_it_on(
    run: Run, staging: Staging
) -> None:
    line = ("load", "-e", "staging", "--via", "topic")
    result = run(*line, "--yes")
    assert result.exit_code == 5
    assert "it is unknown whether the test messages would also reach witness" in result.stderr
    assert "hint: --allow-unknown-subscribers sends them all the same" in result.stderr
    assert staging.messages() == []
    assert "hint: run it again with --yes" in run(*line, UNKNOWN).stderr


def test_a_load_is_not_refused_for_who_leaves_test_messages_out(run: Run, staging: Staging) -> None:
    witness_takes(staging, {"test": ["false"]})
    result = run("load", "-e", "staging", "--dry-run", "-o", "json")
    assert result.document["plan"]["reach"] == {"reached": [], "unknown": [], "error": None}
    assert "hint: run it again with --yes" in run("load", "-e", "staging").stderr


@pytest.fixture
def prod(staging: Staging) -> Staging:
    create_stack("prod", {**OUTPUTS, "TopicArn": staging.topic_arn, "SecretArn": staging.secret_arn})
    return staging


@pytest.mark.parametrize("answer", [[], ["--yes"], ["--confirm", "staging"]])
def test_production_is_refused_without_its_name(run: Run, prod: Staging, answer: list[str]) -> None:
    result = run(
        "load", "-e", "prod", "--via", "topic", "--clients", "1", "--requests", "1", UNKNOWN, *answer
    )
    assert result.exit_code == 5
    assert result.stderr.startswith(
        "Load environment prod (account 123456789012, eu-west-1): 1 test message from 1 client"
    )
    assert prod.messages() == []


def test_another_environment_is_asked_about(run: Run, staging: Staging) -> None:
    result = run("load", "-e", "staging", "--via", "topic", UNKNOWN)
    assert result.exit_code == 5
    assert "hint: run it again with --yes" in result.stderr
    assert staging.messages() == []


def test_nothing_is_sent_when_the_database_does_not_answer(run: Run, staging: Staging) -> None:
    nowhere = "postgresql://me:hunter2@127.0.0.1:9/pilot"
    result = run("load", "-e", "staging", "--via", "topic", "--yes", UNKNOWN, "--database-url", nowhere)
    assert result.exit_code == 1
    assert "no connection to pilot at 127.0.0.1:9" in result.stderr
    assert "Nothing was sent" in result.stderr
    assert staging.messages() == []


def test_a_dry_run_shows_the_plan_and_sends_nothing(run: Run, staging: Staging) -> None:
    result = run("load", "-e", "staging", "--duplicates", "5%", "--poison", "1%", "--dry-run")
    assert result.exit_code == 0
    assert result.stdout.splitlines() == [
        "Load environment staging (account 123456789012, eu-west-1): 1,000 test messages from 100 clients, through the webhook",
        "  5.0% of them twice",
        "  1.0% can never be stored: they become dead letters, and the queue's alarm may ring",
        "  their rows and dead letters are removed at the end",
        "  unknown whether it reaches: witness",
    ]
    assert result.stderr == "Dry run: nothing was changed.\n"


def test_a_load_without_a_number_of_messages_says_how_long_it_goes_on(run: Run, staging: Staging) -> None:
    result = run("load", "-e", "staging", "--duration", "1m30s", "--dry-run")
    assert "test messages for 90 s from 100 clients" in result.stdout


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--requests", "5", "--duration", "1m"], "--requests cannot be used with --duration"),
        (["--duration", "3s", "--ramp", "5s"], "--ramp: 5 s is longer than --duration, 3 s"),
        (["--poison", "many"], "--poison: 'many' is not a percentage"),
        (["--poison", "60%", "--duplicates", "60%"], "more than all messages"),
        (["--poison", "60%", "--high", "60%"], "more than all messages"),
        (["--report", "missing/folder/load.html"], "--report: missing/folder/load.html cannot be written"),
    ],
)
def test_bad_options_are_refused(run: Run, staging: Staging, options: list[str], said: str) -> None:
    result = run("load", "-e", "staging", *options)
    assert result.exit_code == 2
    assert said in result.stderr.splitlines()[0]
