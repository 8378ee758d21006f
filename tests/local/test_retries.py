"""What is said of a message whose run failed a moment ago, with the real processor: only a fact says that Lambda runs it again."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from b2bpilot.pipeline.message import PilotMessage
from tests.events import message, sns_event
from tests.local.conftest import Machine, Run
from tests.local.polling import eventually

PROMISES = ("runs it again at", "retry possible", "waiting for a retry", "may try")


@pytest.fixture
def queue_url(environment: Machine) -> Iterator[str]:
    url = environment.stack_output("DeadLetterQueueUrl")
    environment.client("sqs").purge_queue(QueueUrl=url)
    yield url
    environment.client("sqs").purge_queue(QueueUrl=url)


@pytest.fixture
def failed(environment: Machine) -> PilotMessage:
    """A message that the processor cannot store, run once and synchronously: its row counts one attempt, made just now."""
    poison = message(params={"NumMedia": "two"})
    answer = invoke(environment, sns_event(poison))
    assert answer["errorMessage"].startswith("NumMedia is 'two'")
    return poison


def invoke(environment: Machine, event: dict[str, Any]) -> Any:
    answer = environment.client("lambda").invoke(
        FunctionName=environment.stack_output("ProcessorFunctionName"), Payload=json.dumps(event)
    )
    return json.loads(answer["Payload"].read())


def write_dead_letter(environment: Machine, queue_url: str, of: PilotMessage) -> None:
    """As Lambda writes it when the event grew too old after its first run."""
    values = {"RequestID": ("String", "r"), "ErrorCode": ("Number", "200"), "ErrorMessage": ("String", "x")}
    event = sns_event(of)
    event["Records"][0]["EventSubscriptionArn"] = environment.stack_output("SubscriptionArn")
    event["Records"][0]["Sns"]["TopicArn"] = environment.stack_output("TopicArn")
    environment.client("sqs").send_message(
        QueueUrl=queue_url,
        MessageBody=json.dumps(event),
        MessageAttributes={
            name: {"DataType": kind, "StringValue": value} for name, (kind, value) in values.items()
        },
    )


def problem(run: Run, of: PilotMessage) -> str:
    rows = run("submissions", "stuck", "--all", "-o", "json").document["submissions"]
    return next(str(row["problem"]) for row in rows if row["message_id"] == of.message_id)


def test_of_a_synchronous_run_no_retry_is_promised(run: Run, failed: PilotMessage, queue_url: str) -> None:
    def told() -> dict[str, Any] | None:
        found: dict[str, Any] = run("inspect", failed.message_id, "-o", "json").document["inspection"]
        return None if "the log does not show" in found["explanation"] else found

    inspection = eventually(told, "the run's lines in the log")
    assert inspection["verdict"] == "failed"
    assert "whether Lambda runs it again is not known: " in inspection["explanation"]
    assert "a synchronous one (an invoke) never, and nothing says which this was" in inspection["explanation"]
    assert problem(run, failed) == "retry possible"


def test_a_dead_letter_is_one_at_once(
    run: Run, environment: Machine, failed: PilotMessage, queue_url: str
) -> None:
    write_dead_letter(environment, queue_url, failed)
    assert problem(run, failed) == "dead letter"
    listed = run("submissions", "stuck", "--exit-code")
    assert listed.exit_code == 3
    told = run("inspect", failed.message_id).stdout
    assert "dead letter: its dead letter is in the queue, so Lambda does not run it again" in told
    assert not [promise for promise in PROMISES if promise in told]


def test_what_was_discarded_while_the_database_was_away_is_not_said_to_come_again(
    run: Run, environment: Machine, failed: PilotMessage, queue_url: str
) -> None:
    write_dead_letter(environment, queue_url, failed)
    away = ("--database-url", "postgresql://me@127.0.0.1:9/none")
    discarded = run("dlq", "discard", "--message-id", failed.message_id, "--yes", *away)
    assert discarded.exit_code == 4, discarded.stderr

    assert problem(run, failed) == "discarded, not marked"
    told = run("inspect", failed.message_id).stdout
    assert "a dead letter of it was discarded in run " in told
    assert "b2bpilot runs resume " in told
    assert not [promise for promise in PROMISES if promise in told]


def test_a_redrive_by_invoke_that_failed_is_not_said_to_be_repeated(
    run: Run, environment: Machine, failed: PilotMessage, queue_url: str
) -> None:
    write_dead_letter(environment, queue_url, failed)
    redriven = run("dlq", "redrive", "--message-id", failed.message_id, "--yes", "--include-poison")
    assert redriven.exit_code == 4, redriven.stderr
    environment.client("sqs").purge_queue(QueueUrl=queue_url)

    told = run("inspect", failed.message_id, "-o", "json").document["inspection"]["explanation"]
    assert "NumMedia is 'two', not a count" in told
    assert not [promise for promise in PROMISES if promise in told]
