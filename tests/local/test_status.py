"""`b2bpilot status` and `subscribers` on the deployed template: what it shows is what is there."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest

from tests import forked
from tests.local.conftest import Machine, Run
from tests.local.polling import eventually


@pytest.fixture
def queue_url(environment: Machine) -> Iterator[str]:
    """The dead-letter queue, empty before and after."""
    url = environment.stack_output("DeadLetterQueueUrl")
    environment.client("sqs").purge_queue(QueueUrl=url)
    yield url
    environment.client("sqs").purge_queue(QueueUrl=url)


def status(run: Run) -> Any:
    return run("status", "-o", "json").document["status"]


def test_a_message_is_seen_all_the_way(run: Run, queue_url: str) -> None:
    before = status(run)
    assert run("publish", "--body", "hello", "--wait").exit_code == 0

    def counted() -> Any:
        now = status(run)
        grown = {
            name: now["traffic"]["totals"][name] - before["traffic"]["totals"][name]
            for name in ("published", "delivered", "stored")
        }
        return now if min(grown.values()) > 0 else None

    found = eventually(counted, "the message counted by CloudWatch")
    assert found["unanswered"] == []
    assert found["rows"]["by_status"]["completed"] > before["rows"]["by_status"].get("completed", 0)
    assert (found["rows"]["latency_ms"] or found["traffic"]["latency_ms"])["p95"] > 0
    assert found["reserved_concurrency"] == {"runs": 10}
    assert (found["redriver"]["state"], found["redriver"]["on"]) == ("Disabled", False)
    assert {alarm["name"] for alarm in found["alarms"]} >= {"b2b-pilot-dlq-local"}


def test_a_dead_letter_is_what_is_wrong_and_stays_visible(
    run: Run, environment: Machine, queue_url: str
) -> None:
    environment.client("sqs").send_message(QueueUrl=queue_url, MessageBody="x")
    result = run("status", "--exit-code")
    assert result.exit_code == 3
    lines = result.stdout.splitlines()
    at = next(place for place, line in enumerate(lines) if ". 1 dead letter in the queue (last " in line)
    assert lines[at + 1] == "   b2bpilot dlq list -e local"
    assert any(line.startswith("dead letters  1; the oldest ") for line in lines)
    counted = environment.client("sqs").get_queue_attributes(
        QueueUrl=queue_url, AttributeNames=["ApproximateNumberOfMessages"]
    )
    assert counted["Attributes"]["ApproximateNumberOfMessages"] == "1"


def test_a_filter_policy_that_rejects_our_messages_is_fixed_by_the_printed_command(
    run: Run, environment: Machine
) -> None:
    assert run("subscribers").exit_code == 0
    arn = environment.stack_output("SubscriptionArn")
    environment.client("sns").set_subscription_attributes(
        SubscriptionArn=arn, AttributeName="FilterPolicy", AttributeValue='{"source": ["twilio"]}'
    )
    assert 'source is "cli", wanted ["twilio"]' in run("subscribers", "test", "--source", "cli").stdout
    broken = run("subscribers", "-o", "json")
    assert broken.exit_code == 1
    (found,) = broken.document["subscriptions"]
    (problem,) = found["problems"]
    aws(problem["command"])
    assert run("subscribers").exit_code == 0


def aws(command: str) -> None:
    """Run a command of the AWS CLI as it was printed, in a shell that knows no AWS."""
    variables = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    variables |= {
        "PATH": forked.path(),
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    }
    subprocess.run(command, shell=True, env=variables, check=True)
