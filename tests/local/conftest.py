"""The local environment, started once through its public entry, and what tests deploy into it."""

from __future__ import annotations

import contextlib
import dataclasses
import io
import json
import os
import subprocess
import sys
import uuid
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest
import urllib3

from b2bpilot.aws.session import AwsAccess, Timeouts
from b2bpilot.cli.app import main
from b2bpilot.local.state import EnvironmentState, read_state
from b2bpilot.ops.subscribers.new_folder import Protocol
from b2bpilot.pipeline.message import encode
from tests.cli.conftest import Result
from tests.events import message
from tests.forked import Forked
from tests.local.polling import eventually
from tests.local.subscriber_folders import TestSubscriber, write_subscriber
from tests.once import give_cluster
from tests.poison import FOR_A_PROCESS

Run = Callable[..., Result]
ROOT = Path(__file__).parents[2]
HANDLER = "tests.local.functions.handler"
SNS_MAY_SEND = json.dumps(
    {
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": {"Service": "sns.amazonaws.com"},
                "Action": "sqs:SendMessage",
                "Resource": "*",
            }
        ]
    }
)


@dataclass
class Machine:
    """One environment in a process of its own, which ends when its standard input does: also when this process is killed."""

    home: Path
    process: subprocess.Popen[str]
    clients: dict[str, Any] = dataclasses.field(default_factory=dict)

    @property
    def state(self) -> EnvironmentState:
        state = read_state(self.home)
        assert state is not None
        return state

    @property
    def access(self) -> AwsAccess:
        state = self.state
        return AwsAccess(
            region=state.region,
            endpoint_url=state.endpoint_url,
            access_key_id=state.access_key_id,
            secret_access_key=state.secret_access_key,
            elsewhere={side.region: side.endpoint_url for side in state.sides},
        )

    def client(self, service: str) -> Any:
        """One for all who ask: making one takes longer than most calls."""
        if service not in self.clients:
            self.clients[service] = self.access.client(service, Timeouts(attempts=1))
        return self.clients[service]

    def stack_output(self, name: str) -> str:
        (stack,) = self.client("cloudformation").describe_stacks(StackName=self.state.stack_name)["Stacks"]
        return {output["OutputKey"]: str(output["OutputValue"]) for output in stack["Outputs"]}[name]


def back_door_headers(state: EnvironmentState) -> dict[str, str]:
    """What opens the back door of the double of Twilio."""
    return urllib3.make_headers(basic_auth=f"{state.twilio_account_sid}:{state.twilio_auth_token}")


@contextlib.contextmanager
def machine(
    home: Path,
    *arguments: str,
    hear: Callable[[dict[str, Any]], None] = lambda _: None,
    start: type[subprocess.Popen[Any]] = Forked,
) -> Iterator[Machine]:
    """Start an environment from a shell full of poison, wait until it is ready, and end it with the block. `hear` gets
    what it reports until then; to `start` it with `subprocess.Popen` takes two seconds of processor time more."""
    own = ["--home", str(home), "--until-eof", "--handler", HANDLER]
    command = [sys.executable, "-m", "b2bpilot.local", *own, *arguments]
    give_cluster(home)
    environment = os.environ | FOR_A_PROCESS | {"PYTHONPATH": str(ROOT)}
    with start(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment, cwd="/"
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            for line in process.stdout:
                report = json.loads(line)
                assert report["kind"] != "error", report
                hear(report)
                if report["kind"] == "ready":
                    break
            assert process.poll() is None, "the environment ended while it started"
            yield Machine(home, process)
        finally:
            process.stdin.close()
            try:
                process.wait(60)
            except subprocess.TimeoutExpired:
                process.kill()
                raise


@pytest.fixture(scope="session")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    """Shared by all tests of one worker; each deploys its own functions, topics and queues into it."""
    with machine(tmp_path_factory.mktemp("local") / "home", start=subprocess.Popen) as found:
        yield found


@dataclass(kw_only=True)
class Subscribed(Machine):
    """An environment with two subscribers that `subscribers new` made. Both get every message, tests as well, and store it
    with the library; each writes down what it got and does as its order says (tests/local/subscriber_folders.py).

    `analytics` is a function at the topic, `archive` a function behind a queue. Their names are those of decision 38,
    such as `analytics-b2b-pilot-local-dlq`.
    """

    analytics: TestSubscriber
    archive: TestSubscriber

    def publish(self, *, test: bool = False, **attributes: str) -> str:
        """Publish a message on the topic, and return its message id."""
        made = message(test=test)
        encoded = encode(made)
        more = {name: {"DataType": "String", "StringValue": value} for name, value in attributes.items()}
        self.client("sns").publish(
            TopicArn=self.stack_output("TopicArn"),
            Message=encoded.body,
            MessageAttributes={**encoded.attributes, **more},
        )
        return str(made.message_id)

    def deliveries(self, subscriber: TestSubscriber, message_id: str) -> list[tuple[str, int]]:
        """The status and the attempts of the subscriber's own row."""
        url = self.state.database_url.replace("/b2bpilot?", f"/subscriber-{subscriber.name}?")
        look = "SELECT status, attempts FROM b2b_pilot_deliveries WHERE message_id = %s"
        with psycopg.connect(url) as connection:
            return list(connection.execute(look, (message_id,)).fetchall())

    def dead_letters(self, queue_name: str) -> list[dict[str, Any]]:
        """What is to be seen in a queue; nothing of it is taken."""
        sqs = self.client("sqs")
        found = sqs.receive_message(
            QueueUrl=sqs.get_queue_url(QueueName=queue_name)["QueueUrl"],
            MaxNumberOfMessages=10,
            MessageAttributeNames=["All"],
            VisibilityTimeout=0,
        )
        return list(found.get("Messages", []))

    def empty(self, queue_name: str) -> None:
        sqs = self.client("sqs")
        sqs.purge_queue(QueueUrl=sqs.get_queue_url(QueueName=queue_name)["QueueUrl"])


@pytest.fixture(scope="session")
def subscribed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Subscribed]:
    """Shared by all tests of one worker that ask for subscribers. Take back your order, and empty the queue of the dead
    letters that you made."""
    folder = tmp_path_factory.mktemp("subscribed")
    analytics = write_subscriber(folder / "analytics", "analytics")
    archive = write_subscriber(folder / "archive", "archive", protocol=Protocol.QUEUE)
    given = [f"--subscriber={each.folder}" for each in (analytics, archive)]
    with machine(folder / "home", *given) as found:
        yield Subscribed(found.home, found.process, found.clients, analytics=analytics, archive=archive)


@pytest.fixture(scope="session")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    """Two regions, which reply to each message. Shared by all tests of one worker that ask for it: leave both running."""
    with machine(tmp_path_factory.mktemp("pair") / "home", "--pair", "--reply-text", "Thank you") as found:
        yield found


@pytest.fixture
def run(environment: Machine, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run one command line against the shared environment."""
    return _running(environment, monkeypatch, capsys)


@pytest.fixture
def run_pair(pair: Machine, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run one command line against the pair; `--region` picks a side."""
    return _running(pair, monkeypatch, capsys)


def _running(found: Machine, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    monkeypatch.setenv("B2BPILOT_HOME", str(found.home))
    monkeypatch.setenv("B2BPILOT_ENV", "local")

    def run(*arguments: str) -> Result:
        capsys.readouterr()
        exit_code = main(list(arguments))
        captured = capsys.readouterr()
        return Result(exit_code=exit_code, stdout=captured.out, stderr=captured.err)

    return run


@dataclass
class Deployment:
    """A topic, a subscribed function with a dead-letter queue, and that queue, with names of their own."""

    environment: Machine
    diary: Path
    name: str = dataclasses.field(default_factory=lambda: f"t-{uuid.uuid4().hex[:8]}")
    topic_arn: str = ""
    function_arn: str = ""
    queue_url: str = ""
    queue_arn: str = ""
    subscription_arn: str = ""

    def deploy(self, *, to: str | None = None, **settings: Any) -> Deployment:
        """Subscribe it to the topic `to`, else to one of its own."""
        functions, sns, sqs = (self.environment.client(service) for service in ("lambda", "sns", "sqs"))
        self.queue_url = sqs.create_queue(QueueName=self.name, Attributes={"Policy": SNS_MAY_SEND})[
            "QueueUrl"
        ]
        attributes = sqs.get_queue_attributes(QueueUrl=self.queue_url, AttributeNames=["QueueArn"])
        self.queue_arn = attributes["Attributes"]["QueueArn"]
        function = {
            "FunctionName": self.name,
            "Runtime": "python3.13",
            "Role": f"arn:aws:iam::{self.environment.state.account_id}:role/any",
            "Handler": HANDLER,
            "Code": {"ZipFile": empty_zip()},
            "Timeout": 30,
            "DeadLetterConfig": {"TargetArn": self.queue_arn},
        }
        self.function_arn = functions.create_function(**(function | settings))["FunctionArn"]
        self.topic_arn = to or sns.create_topic(Name=self.name)["TopicArn"]
        functions.add_permission(
            FunctionName=self.name,
            StatementId="sns",
            Action="lambda:InvokeFunction",
            Principal="sns.amazonaws.com",
            SourceArn=self.topic_arn,
        )
        self.subscription_arn = sns.subscribe(
            TopicArn=self.topic_arn,
            Protocol="lambda",
            Endpoint=self.function_arn,
            Attributes={"RedrivePolicy": json.dumps({"deadLetterTargetArn": self.queue_arn})},
            ReturnSubscriptionArn=True,
        )["SubscriptionArn"]
        return self

    def order(self, **order: Any) -> str:
        return json.dumps({"diary": str(self.diary), **order})

    def publish(self, **order: Any) -> str:
        sns = self.environment.client("sns")
        published = sns.publish(
            TopicArn=self.topic_arn,
            Message=self.order(**order),
            MessageAttributes={
                "source": {"DataType": "String", "StringValue": "twilio"},
                "size": {"DataType": "Number", "StringValue": "7"},
            },
        )
        return str(published["MessageId"])

    def lines(self) -> list[dict[str, Any]]:
        if not self.diary.exists():
            return []
        return [json.loads(line) for line in self.diary.read_text(encoding="utf-8").splitlines()]

    def dead_letter(self) -> dict[str, Any]:
        sqs = self.environment.client("sqs")

        def receive() -> list[dict[str, Any]]:
            found = sqs.receive_message(
                QueueUrl=self.queue_url, MessageAttributeNames=["All"], MessageSystemAttributeNames=["All"]
            )
            return list(found.get("Messages", []))

        return eventually(receive, "a dead letter")[0]


@pytest.fixture
def deployment(environment: Machine, tmp_path: Path) -> Deployment:
    return Deployment(environment, tmp_path / "diary")


def empty_zip() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("empty.py", "")
    return buffer.getvalue()
