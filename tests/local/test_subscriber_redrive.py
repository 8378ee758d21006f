"""`dlq ... --subscriber`: another team's dead letters, from its own queue to its own function, and nobody else's."""

from __future__ import annotations

import json
import os
import random
import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from b2bpilot.cli.app import main
from b2bpilot.errors import PartlyFailed
from b2bpilot.ops.runs.record import RunState
from b2bpilot.ops.runs.runs import list_runs
from b2bpilot.pipeline.database import DatabaseManager
from b2bpilot.pipeline.message import PilotMessage, encode
from tests import forked
from tests.events import message
from tests.fuzz import VARIABLE
from tests.local.conftest import Subscribed
from tests.local.polling import eventually
from tests.local.subscriber_folders import TestSubscriber
from tests.local.test_owner import Queue, envelope, event

Cli = Callable[..., tuple[int, str, str]]


@pytest.fixture(autouse=True)
def in_order(subscribed: Subscribed) -> Iterator[None]:
    yield
    for each in (subscribed.analytics, subscribed.archive):
        each.order.unlink(missing_ok=True)
        queue_of(subscribed, each).empty()


@pytest.fixture
def cli(subscribed: Subscribed, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Cli:
    monkeypatch.setenv("B2BPILOT_HOME", str(subscribed.home))

    def run(*arguments: str) -> tuple[int, str, str]:
        exit_code = main([*arguments, "-e", "local"])
        captured = capsys.readouterr()
        return exit_code, captured.out, captured.err

    return run


def queue_of(subscribed: Subscribed, subscriber: TestSubscriber) -> Queue:
    sqs = subscribed.client("sqs")
    url = sqs.get_queue_url(QueueName=f"{subscriber.name}-b2b-pilot-local-dlq")["QueueUrl"]
    return Queue(sqs, url)


def subscription_of(subscribed: Subscribed, subscriber: TestSubscriber) -> str:
    sns = subscribed.client("sns")
    found = sns.list_subscriptions_by_topic(TopicArn=subscribed.stack_output("TopicArn"))["Subscriptions"]
    (arn,) = (
        one["SubscriptionArn"]
        for one in found
        if one["Endpoint"].endswith(f":{subscriber.name}-b2b-pilot-local")
    )
    return str(arn)


def publish(subscribed: Subscribed) -> PilotMessage:
    made = message()
    encoded = encode(made)
    subscribed.client("sns").publish(
        TopicArn=subscribed.stack_output("TopicArn"),
        Message=encoded.body,
        MessageAttributes=encoded.attributes,
    )
    return made


def test_a_redrive_of_a_subscriber_repairs_it_and_leaves_the_processor_s_rows(
    subscribed: Subscribed, cli: Cli
) -> None:
    analytics, queue = subscribed.analytics, queue_of(subscribed, subscribed.analytics)
    analytics.order.write_text("fail")
    sent = publish(subscribed)
    eventually(queue.all, "the dead letter of analytics")
    analytics.order.unlink()

    listed = cli("dlq", "list", "--subscriber", "analytics")[1]
    assert listed.startswith("Subscriber analytics:\nG1  1 exception: analytics is broken")

    exit_code, out, err = cli("dlq", "redrive", "--subscriber", "analytics", "--yes")

    assert exit_code == 0, out + err
    assert "subscriber analytics" in out
    assert "1 dead letter processed, as the function said" in out
    assert queue.all() == {}
    with DatabaseManager(subscribed.state.database_url) as database:
        row = database.get_submission_by_message_id(sent.message_id)
    assert row is not None
    assert row.attempts == 1


def lying_in(subscribed: Subscribed, subscriber: TestSubscriber) -> tuple[PilotMessage, str]:
    """Put a dead letter of a subscriber into its queue, as its sender would have it. Return its message and its id."""
    made, arn = message(), subscription_of(subscribed, subscriber)
    body = event(made, arn) if subscriber is subscribed.analytics else envelope(made, arn)
    return made, queue_of(subscribed, subscriber).put(body)


@pytest.mark.parametrize(
    ("answer", "exit_code", "counted"),
    [
        ('{"outcomes": ["duplicate"], "batchItemFailures": []}', 0, {"processed": 1}),
        ("null", 0, {"returned": 1}),
        ('{"batchItemFailures": [{"itemIdentifier": "1"}]}', 4, {"unfinished": 1}),
        ('{"outcomes": ["in_progress"]}', 4, {"unfinished": 1}),
    ],
)
def test_the_answer_of_its_function_is_the_proof(
    subscribed: Subscribed, cli: Cli, answer: str, exit_code: int, counted: dict[str, int]
) -> None:
    queue = queue_of(subscribed, subscribed.analytics)
    _, dead_letter = lying_in(subscribed, subscribed.analytics)
    subscribed.analytics.order.write_text(f"answer {answer}")

    ended, out, err = cli("dlq", "redrive", "--subscriber", "analytics", "--yes", "-o", "json")

    document = json.loads(out)
    told = {name: document["summary"][name] for name in ("processed", "returned", "accepted", "unfinished")}
    assert (ended, told) == (exit_code, dict.fromkeys(told, 0) | counted), err
    assert document["plan"]["database"]["proven"] is False
    assert set(queue.all()) == ({dead_letter} if exit_code else set())


@pytest.mark.parametrize("via", ["invoke", "queue"])
def test_a_subscriber_with_a_queue_gets_its_messages_by_either_route(
    subscribed: Subscribed, cli: Cli, via: str
) -> None:
    sent, _ = lying_in(subscribed, subscribed.archive)

    exit_code, out, err = cli("dlq", "redrive", "--subscriber", "archive", "--yes", "--via", via)

    assert eventually(lambda: subscribed.archive.stored(sent.message_id), "the message at its function")
    assert queue_of(subscribed, subscribed.archive).all() == {}
    if via == "invoke":
        assert (exit_code, "1 dead letter processed, as the function said" in out) == (0, True), out + err
    else:
        assert (exit_code, "1 dead letter accepted by AWS" in out) == (4, True), out + err
        assert "1 accepted by AWS and not known to be processed" in err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--subscriber", "analytics", "--via", "topic"], "it reaches every subscriber"),
        (["--subscriber", "archive", "--via", "topic"], "it reaches every subscriber"),
        (["--subscriber", "analytics", "--via", "queue"], "no queue stands before its function"),
        (["--subscriber", "archive", "--via", "async"], "its function takes events of its queue"),
        (["--via", "queue"], "no queue stands before the processor"),
        (
            ["--subscriber", "analytics", "--engine", "lambda"],
            "--engine lambda redrives the processor's alone",
        ),
        (["--subscriber", "analytics", "--wait", "5s"], "--wait cannot be used with --subscriber"),
        (["--subscriber", "analytics", "--include-completed"], "--include-completed cannot be used"),
        (["--subscriber", "nobody"], "nobody called 'nobody' is subscribed"),
        (["--subscriber", " "], "--subscriber is empty"),
    ],
)
def test_what_a_subscriber_does_not_have_is_refused_in_a_line(
    subscribed: Subscribed, cli: Cli, arguments: list[str], said: str
) -> None:
    exit_code, _, err = cli("dlq", "redrive", "--yes", *arguments)

    assert (exit_code, said in err) == (2, True), err


def test_whoever_s_dead_letters_lie_in_the_wrong_queue_they_are_told_and_left(
    subscribed: Subscribed, cli: Cli
) -> None:
    analytics, processor = subscribed.analytics, subscribed.stack_output("SubscriptionArn")
    ours = Queue(subscribed.client("sqs"), subscribed.stack_output("DeadLetterQueueUrl"))
    in_theirs = queue_of(subscribed, analytics).put(event(message(), processor))
    in_ours = ours.put(event(message(), subscription_of(subscribed, analytics)))
    try:
        exit_code, out, err = cli("dlq", "redrive", "--subscriber", "analytics", "--yes")
        assert exit_code == 5
        assert "Nothing was changed" in err
        assert "function b2b-pilot-background-processor-local: left as they are" in out + err
        assert cli("dlq", "redrive", "--yes")[0] == 5
        assert set(queue_of(subscribed, analytics).all()) == {in_theirs}
        assert set(ours.all()) == {in_ours}
    finally:
        ours.empty()


def test_a_discard_and_its_restore_touch_no_row(subscribed: Subscribed, cli: Cli) -> None:
    analytics, queue = subscribed.analytics, queue_of(subscribed, subscribed.analytics)
    analytics.order.write_text("fail")
    sent = publish(subscribed)
    eventually(queue.all, "the dead letter of analytics")
    before = queue.all()

    discarded = cli("dlq", "discard", "--subscriber", "analytics", "--confirm", "local")
    assert (discarded[0], queue.all()) == (0, {}), discarded
    run_id = next(line for line in discarded[2].splitlines() if line.startswith("run ")).split()[1]
    assert "subscriber analytics" in cli("runs", "show", run_id)[1]
    refused = cli("dlq", "restore", run_id, "--subscriber", "archive", "--yes")
    assert (refused[0], "environment local, subscriber analytics" in refused[2]) == (5, True), refused
    restored = cli("dlq", "restore", run_id, "--yes")

    assert restored[0] == 0, restored
    assert [body for body, _ in queue.all().values()] == [body for body, _ in before.values()]
    with DatabaseManager(subscribed.state.database_url) as database:
        row = database.get_submission_by_message_id(sent.message_id)
    assert row is not None
    assert (row.status, row.discarded_by) == ("completed", None)


def test_a_plan_of_one_subscriber_is_refused_for_another(
    subscribed: Subscribed, cli: Cli, tmp_path: Path
) -> None:
    lying_in(subscribed, subscribed.analytics)
    plan = str(tmp_path / "plan")
    assert cli("dlq", "redrive", "--subscriber", "analytics", "--plan", plan)[0] == 0

    for arguments in (["--subscriber", "archive"], []):
        exit_code, _, err = cli("dlq", "redrive", "--plan", plan, "--yes", *arguments)
        assert (exit_code, "was made for environment local, subscriber analytics" in err) == (2, True), err
    assert cli("dlq", "redrive", "--subscriber", "analytics", "--plan", plan, "--yes")[0] == 0


def test_every_subscriber_s_dead_letters_are_listed_and_who_cannot_be_read_stops_nobody(
    subscribed: Subscribed, cli: Cli
) -> None:
    lying_in(subscribed, subscribed.analytics)
    sns, sqs = subscribed.client("sns"), subscribed.client("sqs")
    topic = subscribed.stack_output("TopicArn")
    url = sqs.create_queue(QueueName="mute")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    mute = sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn, ReturnSubscriptionArn=True)
    try:
        exit_code, out, err = cli("dlq", "list", "--all")
        document = json.loads(cli("dlq", "list", "--all", "-o", "json")[1])
    finally:
        sns.unsubscribe(SubscriptionArn=mute["SubscriptionArn"])
        sqs.delete_queue(QueueUrl=url)

    assert exit_code == 0, out + err
    names = [line for line in out.splitlines() if line.startswith("Subscriber ")]
    assert names == [
        "Subscriber processor: no dead letters",
        "Subscriber analytics:",
        "Subscriber archive: no dead letters",
    ]
    assert "is empty" not in err, "said beside the name"
    assert "has no dead-letter queue" in err
    assert "b2bpilot dlq redrive -e local --subscriber analytics --group G1" in err
    listed = {one["subscriber"]: one for one in document["subscribers"]}
    assert listed["analytics"]["matched"] == 1
    assert listed["processor"]["groups"] == []


def test_what_sqs_gave_up_is_not_called_undelivered_and_goes_back_into_its_queue(
    subscribed: Subscribed, cli: Cli
) -> None:
    """A queue that no function of Lambda's empties: its own program does."""
    sns, sqs, name = subscribed.client("sns"), subscribed.client("sqs"), "audit"

    def made(name: str, **attributes: str) -> tuple[str, str]:
        url = sqs.create_queue(QueueName=name, Attributes=attributes)["QueueUrl"]
        found = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])
        return url, found["Attributes"]["QueueArn"]

    lost_url, lost = made(f"{name}-b2b-pilot-local-dlq")
    policy = {"deadLetterTargetArn": lost, "maxReceiveCount": 1}
    url, queue = made(f"{name}-b2b-pilot-local", RedrivePolicy=json.dumps(policy))
    subscription = sns.subscribe(
        TopicArn=subscribed.stack_output("TopicArn"),
        Protocol="sqs",
        Endpoint=queue,
        Attributes={"RedrivePolicy": json.dumps({"deadLetterTargetArn": lost})},
        ReturnSubscriptionArn=True,
    )["SubscriptionArn"]

    def received() -> list[Any]:
        return list(sqs.receive_message(QueueUrl=url, VisibilityTimeout=0).get("Messages", []))

    try:
        body = envelope(message(), subscription)
        sqs.send_message(QueueUrl=url, MessageBody=json.dumps(body))
        assert eventually(received, "the message")
        assert received() == []
        (group,) = json.loads(cli("dlq", "list", "--subscriber", name, "-o", "json")[1])["groups"]
        assert (group["kind"], group["error"]) == (
            "given up",
            f"queue {name}-b2b-pilot-local had it received too often",
        )

        exit_code, out, err = cli("dlq", "redrive", "--subscriber", name, "--yes")
        assert (exit_code, "1 dead letter accepted by AWS" in out) == (4, True), out + err
        (back,) = eventually(received, "the message in its queue again")
        assert json.loads(back["Body"]) == body
        assert received() == []
        shown = json.loads(cli("dlq", "list", "--subscriber", name, "-o", "json")[1])["groups"]
        assert [one["kind"] for one in shown] == ["given up"]
        again = json.loads(cli("dlq", "show", shown[0]["sample"], "--subscriber", name, "-o", "json")[1])
        assert again["dead_letter"]["redrives"] == 1
    finally:
        sns.unsubscribe(SubscriptionArn=subscription)
        for one in (url, lost_url):
            sqs.delete_queue(QueueUrl=one)


def test_a_redrive_that_is_killed_and_resumed_has_each_effect_once(subscribed: Subscribed, cli: Cli) -> None:
    """kill -9 at moments that a seed draws by the lines of the journal: 3 in 40 here, 20 in 500 with `make fuzz`."""
    count, kills = (500, 20) if VARIABLE in os.environ else (40, 3)
    queue, chance = queue_of(subscribed, subscribed.analytics), random.Random(17)
    sent = [lying_in(subscribed, subscribed.analytics)[0] for _ in range(count)]

    for _ in range(kills):
        killed_after(subscribed, lines=chance.randint(1, 4 * count // kills))
    exit_code, out, err = cli(*next_command(subscribed))
    if (
        exit_code == PartlyFailed.exit_code
    ):  # what was received before a plan was written is in flight for a while
        eventually(lambda: not hidden(subscribed), "the end of their visibility timeout")
        exit_code, out, err = cli(*next_command(subscribed))

    assert (exit_code, queue.all()) == (0, {}), out + err
    assert {len(subscribed.analytics.stored(one.message_id)) for one in sent} == {1}
    with DatabaseManager(subscribed.state.database_url) as database:
        assert database.progress_of([one.message_id for one in sent]) == {}


def next_command(subscribed: Subscribed) -> list[str]:
    """Resume the interrupted run; one that was killed before its plan was written sent nothing and is begun anew."""
    for record in list_runs(subscribed.home):
        is_planned = "plan complete" in record.path.read_text()
        if record.command == "redrive" and record.state is RunState.INTERRUPTED and is_planned:
            return ["runs", "resume", record.run_id, "--yes"]
    return ["dlq", "redrive", "--subscriber", "analytics", "--yes"]


def killed_after(subscribed: Subscribed, *, lines: int) -> None:
    """Kill the next command when the journals have so many more lines, or let it end."""
    over, before = threading.Event(), journal_lines(subscribed)

    def kill(process: int) -> None:
        while not over.wait(0.002):
            if journal_lines(subscribed) - before >= lines:
                with suppress(ProcessLookupError):
                    os.kill(process, signal.SIGKILL)
                return

    environ = {"HOME": str(subscribed.home), "B2BPILOT_HOME": str(subscribed.home)}
    with ThreadPoolExecutor(1) as pool:
        command = [*next_command(subscribed), "-e", "local"]
        forked.run(*command, environ=environ, started=lambda process: pool.submit(kill, process))
        over.set()


def journal_lines(subscribed: Subscribed) -> int:
    return sum(
        path.read_bytes().count(b"\n") for path in (subscribed.home / "runs").glob("*-redrive-*.jsonl")
    )


def hidden(subscribed: Subscribed) -> int:
    sqs = subscribed.client("sqs")
    url = sqs.get_queue_url(QueueName=subscribed.analytics.dead_letter_queue)["QueueUrl"]
    name = "ApproximateNumberOfMessagesNotVisible"
    return int(sqs.get_queue_attributes(QueueUrl=url, AttributeNames=[name])["Attributes"][name])
