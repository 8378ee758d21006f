"""Run commands as a shell does, against moto's AWS and a real database."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from moto import mock_aws

from b2bpilot.cli.app import main
from tests.aws_clients import client
from tests.events import SUBSCRIPTION_ARN

REGION, ACCOUNT = "eu-west-1", "123456789012"
OUTPUTS = {
    "Environment": "staging",
    "DeadLetterQueueUrl": "https://sqs.eu-west-1.amazonaws.com/123456789012/b2b-pilot-dead-letters-staging",
    "DeadLetterQueueArn": "arn:aws:sqs:eu-west-1:123456789012:b2b-pilot-dead-letters-staging",
    "WebhookFunctionName": "b2b-pilot-webhook-handler-staging",
    "ProcessorFunctionName": "b2b-pilot-background-processor-staging",
    "StaleFunctionName": "b2b-pilot-stale-message-processor-staging",
    "RedriverFunctionName": "b2b-pilot-dead-letter-redriver-staging",
    "RedriverMappingId": "14e0db71-5d35-4eb5-b481-8945cf9d10c2",
    "WebhookUrl": "https://hooks.example.com/webhook",
    "ApiId": "a1b2c3",
    "SubscriptionArn": SUBSCRIPTION_ARN,
    "ScheduleName": "b2b-pilot-stale-staging",
    "DashboardName": "b2b-pilot-staging",
    "ProcessorReservedConcurrency": "10",
    "StaleAfterMinutes": "15",
    "Delivery": "topic",
    "MessageQueueUrl": "https://sqs.eu-west-1.amazonaws.com/123456789012/b2b-pilot-staging-MessageQueue-1",
    "MessageQueueArn": "arn:aws:sqs:eu-west-1:123456789012:b2b-pilot-staging-MessageQueue-1",
    "MessageMappingId": "9c3a8d2e-1f6b-4a7d-8e45-3b2a1c0d9e8f",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    exit_code: int
    stdout: str
    stderr: str

    @property
    def document(self) -> Any:
        return json.loads(self.stdout)

    @property
    def lines(self) -> list[Any]:
        return [json.loads(line) for line in self.stdout.splitlines()]


Run = Callable[..., Result]


@pytest.fixture(autouse=True)
def a_clean_shell(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No settings of the machine the tests run on."""
    for name in list(os.environ):
        if name.startswith(("B2BPILOT_", "AWS_", "XDG_")) or name == "DATABASE_URL":
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    (tmp_path / "project").mkdir()
    monkeypatch.chdir(tmp_path / "project")


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """Run one command line."""

    def run(*arguments: str) -> Result:
        exit_code = main(list(arguments))
        captured = capsys.readouterr()
        return Result(exit_code=exit_code, stdout=captured.out, stderr=captured.err)

    return run


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """An empty account, reached without naming anything."""
    with mock_aws():
        monkeypatch.setenv("AWS_DEFAULT_REGION", REGION)
        yield


@dataclass(frozen=True, slots=True, kw_only=True)
class Staging:
    """The environment `staging`: a stack with the template's outputs; what its topic got can be read."""

    topic_arn: str
    secret_arn: str
    queue_url: str

    def messages(self) -> list[dict[str, Any]]:
        sqs = client("sqs")
        received = sqs.receive_message(
            QueueUrl=self.queue_url, MaxNumberOfMessages=10, MessageAttributeNames=["All"]
        )
        return [
            {
                "body": json.loads(message["Body"]),
                "attributes": {k: v["StringValue"] for k, v in message["MessageAttributes"].items()},
            }
            for message in received.get("Messages", [])
        ]


@pytest.fixture
def staging(aws: None, database_url: str) -> Staging:
    sns = client("sns")
    sqs = client("sqs")
    topic_arn = sns.create_topic(Name="b2b-pilot-messages-staging")["TopicArn"]
    queue_url = sqs.create_queue(QueueName="witness")["QueueUrl"]
    queue_arn = sqs.get_queue_attributes(QueueUrl=queue_url, AttributeNames=["QueueArn"])["Attributes"][
        "QueueArn"
    ]
    sns.subscribe(
        TopicArn=topic_arn, Protocol="sqs", Endpoint=queue_arn, Attributes={"RawMessageDelivery": "true"}
    )
    admit_sns(queue_url, topic_arn)
    secret = json.dumps({"DATABASE_URL": database_url, "TWILIO_AUTH_TOKEN": "top secret token"})
    secret_arn = client("secretsmanager").create_secret(Name="b2b-pilot-staging", SecretString=secret)["ARN"]
    create_stack("staging", {**OUTPUTS, "TopicArn": topic_arn, "SecretArn": secret_arn})
    return Staging(topic_arn=topic_arn, secret_arn=secret_arn, queue_url=queue_url)


def admit_sns(queue_url: str, topic_arn: str) -> None:
    statement = {
        "Effect": "Allow",
        "Principal": {"Service": "sns.amazonaws.com"},
        "Action": "sqs:SendMessage",
        "Resource": "*",
        "Condition": {"ArnEquals": {"aws:SourceArn": topic_arn}},
    }
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    client("sqs").set_queue_attributes(QueueUrl=queue_url, Attributes={"Policy": policy})


def create_stack(environment: str, outputs: dict[str, str]) -> None:
    template = {
        "Resources": {"Queue": {"Type": "AWS::SQS::Queue"}},
        "Outputs": {name: {"Value": value} for name, value in outputs.items()},
    }
    client("cloudformation").create_stack(
        StackName=f"b2b-pilot-{environment}", TemplateBody=json.dumps(template)
    )
