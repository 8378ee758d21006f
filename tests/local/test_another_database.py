"""What a row says of a message: nothing in another database than the processor's, and nothing of another kind."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from b2bpilot.aws.queue import DeadLetterQueue, Outgoing
from b2bpilot.cli.app import main
from b2bpilot.ops import migrations
from b2bpilot.pipeline.message import PilotMessage, encode
from tests.events import message, sns_event
from tests.local.conftest import Machine
from tests.local.forwarding import tunnel
from tests.local.polling import eventually
from tests.local.test_redrive import OwnQueue

BROKEN = {"NumMedia": "two"}
"""The processor claims such a message and cannot store it."""
COMPLETED = """
    INSERT INTO b2b_pilot_user_submissions (message_id, status, test, attempts, completed_at)
    VALUES (%s, 'completed', %s, 1, now())
"""


@pytest.fixture
def queue(environment: Machine) -> Iterator[DeadLetterQueue]:
    """The dead-letter queue, empty before and after the test."""
    found = OwnQueue.connect(environment.stack_output("DeadLetterQueueUrl"), access=environment.access)
    found.subscription_arn = environment.stack_output("SubscriptionArn")
    environment.client("sqs").purge_queue(QueueUrl=environment.stack_output("DeadLetterQueueUrl"))
    yield found
    environment.client("sqs").purge_queue(QueueUrl=environment.stack_output("DeadLetterQueueUrl"))


@pytest.fixture
def cli(environment: Machine, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Any:
    """Run one command; gives exit code, its JSON, and what it said."""
    monkeypatch.setenv("B2BPILOT_HOME", str(environment.home))

    def run(*arguments: str) -> tuple[int, Any, str]:
        exit_code = main([*arguments, "-e", "local", "-o", "json"])
        captured = capsys.readouterr()
        return exit_code, json.loads(captured.out or "{}"), captured.err

    return run


@pytest.fixture
def copy_url(environment: Machine) -> Iterator[str]:
    """A database beside the environment's own, as somebody restores one to look at something."""
    name = f"restored_{uuid.uuid4().hex}"
    with psycopg.connect(environment.state.database_url, autocommit=True) as admin:
        admin.execute(f"CREATE DATABASE {name}".encode())
        url = make_conninfo(environment.state.database_url, dbname=name)
        migrations.apply(url)
        yield url
        admin.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())


@pytest.fixture(params=["a database of the same server", "another server"])
def other_url(request: pytest.FixtureRequest) -> str:
    fixture = "copy_url" if request.param == "a database of the same server" else "database_url"
    return str(request.getfixturevalue(fixture))


def complete(url: str, of: PilotMessage) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(COMPLETED, (of.message_id, of.test))


def dead_letter(of: PilotMessage) -> Outgoing:
    error = {"DataType": "String", "StringValue": "boom"}
    return Outgoing(body=json.dumps(sns_event(of)), attributes={"ErrorMessage": error})


def ids_in(queue: DeadLetterQueue) -> set[str]:
    found = queue.receive(hidden_seconds=0, wait_seconds=1)
    return {one.message.message_id for one in found if one.message}


def processed(environment: Machine, cli: Any) -> PilotMessage:
    """Let the processor store a message, so that its log tells which database it is connected to."""
    one = message(test=True)
    encoded = encode(one)
    environment.client("sns").publish(
        TopicArn=environment.stack_output("TopicArn"),
        Message=encoded.body,
        MessageAttributes=encoded.attributes,
    )
    group = f"/aws/lambda/{environment.stack_output('ProcessorFunctionName')}"

    def lines() -> Any:
        pattern = f'"{one.message_id}" "database_identity"'
        answer = environment.client("logs").filter_log_events(logGroupName=group, filterPattern=pattern)
        return [found for found in answer["events"] if '"stored"' in found["message"]]

    eventually(lines, "the processor's line")
    return one


@pytest.mark.parametrize("via", ["invoke", "async", "topic"])
def test_a_row_of_another_database_deletes_no_dead_letter(
    cli: Any, queue: DeadLetterQueue, other_url: str, via: str
) -> None:
    """The row is completed there, the processor cannot store the message, and the dead letter is the only copy."""
    only = message(params=BROKEN)
    complete(other_url, only)
    assert not queue.send([dead_letter(only)])

    which = ("--message-id", only.message_id)
    code, document, said = cli("dlq", "redrive", "--yes", *which, "--via", via, "--database-url", other_url)

    assert code == 4, said
    assert document["plan"]["database"]["proven"] is False
    assert document["plan"]["database"]["origin"] == "--database-url"
    assert document["plan"]["decisions"] == {"send": 1}
    assert (document["summary"]["removed"], document["summary"]["completed"]) == (0, 0)
    eventually(lambda: only.message_id in ids_in(queue), "the message, in a dead letter")


def test_what_the_processor_stored_is_not_called_stored_by_another_database(
    cli: Any, queue: DeadLetterQueue, copy_url: str
) -> None:
    """It is deleted on the processor's own word, and the exit code says that no row proved it."""
    one = message()
    assert not queue.send([dead_letter(one)])

    which = ("--message-id", one.message_id)
    code, document, said = cli("dlq", "redrive", "--yes", *which, "--database-url", copy_url)

    assert code == 4, said
    summary = document["summary"]
    assert (summary["completed"], summary["processed"], summary["unfinished"]) == (0, 1, 0)
    assert "1 processed, as the function said; no row was asked" in document["error"]["message"]
    assert one.message_id not in ids_in(queue)


def test_the_engine_in_lambda_proves_nothing_by_another_database(
    cli: Any, queue: DeadLetterQueue, copy_url: str
) -> None:
    only = message(params=BROKEN)
    complete(copy_url, only)
    assert not queue.send([dead_letter(only)])

    code, document, said = cli("dlq", "redrive", "--engine", "lambda", "--yes", "--database-url", copy_url)

    assert code == 4, said
    assert document["plan"]["database"]["proven"] is False
    assert (document["summary"]["completed"], document["summary"]["proven"]) == (None, False)
    assert only.message_id in ids_in(queue)


def test_through_a_tunnel_the_processors_log_proves_the_database(
    cli: Any, environment: Machine, queue: DeadLetterQueue
) -> None:
    stored = processed(environment, cli)
    assert not queue.send([dead_letter(stored)])
    which = ("--message-id", stored.message_id)
    with tunnel(environment.state.database_url) as url:
        code, document, said = cli("dlq", "redrive", "--yes", *which, "--database-url", url)

    assert code == 0, said
    assert document["plan"]["database"]["proven"] is True
    assert "wrote into its log" in document["plan"]["database"]["why"]
    assert document["summary"]["removed"] == 1


def test_every_command_says_that_another_database_tells_it_nothing(
    cli: Any, queue: DeadLetterQueue, copy_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EDITOR", "true")
    only = message()
    complete(copy_url, only)
    assert not queue.send([dead_letter(only)])
    given = ("--database-url", copy_url)

    _, listed, said = cli("dlq", "list", "--message-id", only.message_id, *given)
    assert ([group["rows"] for group in listed["groups"]], listed["database"]["proven"]) == (
        [{"unknown": 1}],
        False,
    )
    assert "Rows were not checked" in said
    code, shown, said = cli("dlq", "show", only.message_id, *given)
    assert code == 0, said
    assert (shown["dead_letter"]["row_state"], shown["dead_letter"]["row"]) == ("unknown", None)
    assert shown["dead_letter"]["decision"] == "send"
    code, _, said = cli("dlq", "edit", only.message_id, *given)
    assert (code, "Whether it is stored already is unknown" in said) == (0, True)
    _, story, _ = cli("inspect", only.message_id, *given)
    assert (story["inspection"]["verdict"], story["submission"]) == ("dead letter", None)
    assert "proves nothing of it" in " ".join(story["inspection"]["gaps"])


def test_what_shows_rows_says_whether_the_database_is_the_processors(
    cli: Any, environment: Machine, copy_url: str
) -> None:
    shown = message()
    for url in (environment.state.database_url, copy_url):
        complete(url, shown)
    for given, is_proven in ((), True), (("--database-url", copy_url), False):
        for command in (("list",), ("stuck",), ("show", shown.message_id)):
            code, document, said = cli("submissions", *command, *given)
            assert (code, document["database"]["proven"]) == (0, is_proven), command
            told = "not proven to be the processor's" if not is_proven else ": the processor's"
            assert told in said, command
        _, document, _ = cli("status", *given)
        assert document["status"]["database"]["proven"] is is_proven


def test_what_is_published_and_cannot_be_proved_is_unknown(cli: Any, copy_url: str) -> None:
    given = ("--database-url", copy_url)

    code, document, said = cli("publish", "--wait", "30s", *given)

    assert (code, document["waited"]["verdict"]) == (4, "unknown")
    assert "not proven to be the processor's" in said
    code, document, _ = cli("load", "--requests", "3", *given)
    assert (code, document["error"]["code"]) == (5, "refused")


def test_a_tests_row_stands_for_no_real_message(
    cli: Any, environment: Machine, queue: DeadLetterQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EDITOR", "true")
    real = message()
    complete(environment.state.database_url, replace(real, test=True))
    assert not queue.send([dead_letter(real)])

    _, listed, _ = cli("dlq", "list", "--message-id", real.message_id)
    assert [group["rows"] for group in listed["groups"]] == [{"id taken": 1}]
    code, shown, said = cli("dlq", "show", real.message_id)
    assert code == 0, said
    assert (shown["dead_letter"]["row"], shown["dead_letter"]["decision"]) == (None, "send")
    code, _, said = cli("dlq", "edit", real.message_id)
    assert (code, "discard" in said) == (0, False), said
    _, story, _ = cli("inspect", real.message_id)
    assert (story["inspection"]["verdict"], story["submission"]) == ("dead letter", None)

    code, document, said = cli("dlq", "redrive", "--engine", "lambda", "--yes")

    assert code == 4, said
    assert document["summary"]["completed"] == 0
    assert real.message_id in ids_in(queue)
