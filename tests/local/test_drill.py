"""Woken at 3 a.m.: from `status` to the proof in four commands at most, each as the tool printed it.

Each system is broken through AWS's or PostgreSQL's own interface. What is run next is looked up in what was printed so
far, and pasted; where the repair is nobody's command (a server that is down), somebody repairs it beside the tool.
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import psycopg
import pytest

from b2bpilot.cli.app import main
from b2bpilot.pipeline.message import message_id_for
from tests.cli.dlq.dead_letters import at_a_terminal
from tests.local.conftest import Machine, machine
from tests.local.polling import eventually
from tests.local.test_status import aws
from tests.local.test_twilio import receive

FIRST = "b2bpilot status -e local"
MOST = 4
TABLE = "b2b_pilot_user_submissions"
PRINTED = re.compile(r"(?:^ *|`|: )((?:AWS_\S+ )*(?:b2bpilot|aws) [^`\n]*)", re.MULTILINE)
"""A command that stands alone on its line, at the end of one, or in backticks."""


@pytest.fixture(scope="module")
def pipeline(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    """Time runs as it does: an hour that passes in seconds would have poison published again."""
    with machine(tmp_path_factory.mktemp("drill") / "home") as found:
        yield found


@dataclass
class Operator:
    """Somebody at a terminal who knows nothing but what was printed. `seen` is all of it."""

    monkeypatch: pytest.MonkeyPatch
    capsys: pytest.CaptureFixture[str]
    seen: str = ""
    ran: list[str] = field(default_factory=list)
    exit_code: int = 0

    def paste(self, wanted: str) -> str:
        """Run the printed command that matches, and say y where it asks. Returns what it showed."""
        printed = [found.strip() for found in PRINTED.findall(self.seen)]
        command = next((one for one in printed if re.search(wanted, one)), None)
        assert command is not None, f"no command {wanted!r} was printed:\n{self.seen}"
        self.ran.append(command)
        shown = self._run(command)
        self.seen += shown
        return shown

    def begin(self, told: str) -> None:
        """Run `status`, again and again until CloudWatch has counted what it is to tell."""
        self.seen = eventually(lambda: shown if told in (shown := self._run(FIRST)) else "", told)
        self.ran.append(FIRST)

    def _run(self, command: str) -> str:
        if not command.startswith("b2bpilot"):
            aws(command)
            return ""
        with self.monkeypatch.context() as patched:
            screen = at_a_terminal(patched, "y")
            self.exit_code = main(shlex.split(command)[1:])
        return f"{self.capsys.readouterr().out}\n{screen.getvalue()}"


@pytest.fixture
def operator(
    pipeline: Machine, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Operator]:
    monkeypatch.setenv("B2BPILOT_HOME", str(pipeline.home))
    eventually(lambda: drain(pipeline), "an empty dead-letter queue")
    found = Operator(monkeypatch, capsys)
    yield found
    assert len(found.ran) <= MOST, found.ran


def counted(pipeline: Machine) -> dict[str, int]:
    names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    attributes = pipeline.client("sqs").get_queue_attributes(
        QueueUrl=pipeline.stack_output("DeadLetterQueueUrl"), AttributeNames=names
    )["Attributes"]
    return {name: int(attributes[name]) for name in names}


def drain(pipeline: Machine) -> bool:
    """What somebody held at the moment is there again after a purge."""
    pipeline.client("sqs").purge_queue(QueueUrl=pipeline.stack_output("DeadLetterQueueUrl"))
    return not any(counted(pipeline).values())


def wait_for_dead_letters(pipeline: Machine, number: int) -> None:
    eventually(
        lambda: [*counted(pipeline).values()] == [number, 0], f"{number} dead letters, in nobody's hands"
    )


def publish(capsys: pytest.CaptureFixture[str], *arguments: str) -> None:
    main(["publish", "-e", "local", *arguments])
    capsys.readouterr()


def stored(pipeline: Machine, sids: Sequence[str]) -> int:
    with psycopg.connect(pipeline.state.database_url) as connection:
        query = f"SELECT count(*) FROM {TABLE} WHERE message_id = ANY(%s) AND status = 'completed'"
        found = connection.execute(query, ([message_id_for(sid) for sid in sids],)).fetchone()
    return int(found[0]) if found else 0


def test_a_column_was_dropped_and_poison_lies_beside(pipeline: Machine, operator: Operator) -> None:
    publish(operator.capsys, "poison", "--count", "4")
    wait_for_dead_letters(pipeline, 4)
    publish(operator.capsys, "text", "--wait")
    with psycopg.connect(pipeline.state.database_url, autocommit=True) as connection:
        connection.execute(f"ALTER TABLE {TABLE} DROP COLUMN params")
    sids = receive(pipeline, 3)
    wait_for_dead_letters(pipeline, 7)

    operator.begin("runs of the processor failed")
    operator.paste("diagnose errors")
    operator.paste("migrate")
    proof = operator.paste("dlq redrive .*--group")

    assert operator.exit_code == 0
    assert "3 dead letters whose messages are completed, as their rows say" in proof
    assert stored(pipeline, sids) == len(sids)


def test_the_reserve_is_0(pipeline: Machine, operator: Operator) -> None:
    pipeline.client("lambda").put_function_concurrency(
        FunctionName=pipeline.stack_output("ProcessorFunctionName"), ReservedConcurrentExecutions=0
    )
    sids: list[str] = []
    eventually(
        lambda: sids.extend(receive(pipeline)) or sum(counted(pipeline).values()), "the reserve being felt"
    )
    eventually(
        lambda: stored(pipeline, sids) + sum(counted(pipeline).values()) == len(sids),
        "an end of each message",
    )

    operator.begin("reserved concurrency is 0")
    operator.paste("verify .*processor")
    operator.paste("put-function-concurrency")
    proof = operator.paste("dlq redrive")

    assert operator.exit_code == 0
    assert re.search(
        r"dead letters? whose messages? (?:is|are) completed, as (?:its row says|their rows say)", proof
    )
    assert stored(pipeline, sids) == len(sids)


def test_sns_may_not_invoke_the_processor(pipeline: Machine, operator: Operator) -> None:
    functions, name = pipeline.client("lambda"), pipeline.stack_output("ProcessorFunctionName")
    for statement in json.loads(functions.get_policy(FunctionName=name)["Policy"])["Statement"]:
        functions.remove_permission(FunctionName=name, StatementId=statement["Sid"])
    sids = receive(pipeline, 2)
    wait_for_dead_letters(pipeline, 2)

    operator.begin("that SNS could not deliver")
    operator.paste("subscribers")
    operator.paste("add-permission")
    proof = operator.paste("dlq redrive")

    assert operator.exit_code == 0
    assert "2 dead letters whose messages are completed, as their rows say" in proof
    assert stored(pipeline, sids) == len(sids)


def test_the_database_cannot_be_reached(pipeline: Machine, operator: Operator) -> None:
    """Its server comes back by somebody's hand: no command of ours starts it."""
    with unreachable(pipeline.state.database_url):
        sids = receive(pipeline, 2)
        wait_for_dead_letters(pipeline, 2)
        operator.begin("The database cannot be read from this machine: no connection to")
        assert "nothing listens there" in operator.paste("verify .*database")
    proof = operator.paste("dlq redrive")

    assert operator.exit_code == 0
    assert "2 dead letters whose messages are completed, as their rows say" in proof
    assert stored(pipeline, sids) == len(sids)


@contextmanager
def unreachable(dsn: str) -> Iterator[None]:
    """A server whose socket is elsewhere answers nobody who asks where it was, and who was connected is thrown out."""
    socket = next(Path(dsn.partition("host=")[2]).glob(".s.PGSQL.*[0-9]"))
    aside = socket.with_name("aside")
    with psycopg.connect(dsn, autocommit=True) as connection:
        socket.rename(aside)
        try:
            connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE pid <> pg_backend_pid() AND backend_type = 'client backend'"
            )
            yield
        finally:
            aside.rename(socket)


def test_a_filter_policy_drops_messages(pipeline: Machine, operator: Operator) -> None:
    """SNS tells the publisher that all is well; Twilio alone still has them."""
    pipeline.client("sns").set_subscription_attributes(
        SubscriptionArn=pipeline.stack_output("SubscriptionArn"),
        AttributeName="FilterPolicy",
        AttributeValue='{"source": ["nobody"]}',
    )
    sids = receive(pipeline, 2, ago=timedelta(hours=1))

    operator.begin("the processor's loses messages")
    operator.paste("subscribers")
    operator.paste("FilterPolicy")
    operator.paste("twilio reconcile .*--publish-missing")

    assert operator.exit_code == 0
    assert stored(pipeline, sids) == len(sids)
