"""Redrives in the local environment: five causes of which four are fixed, and runs that are killed."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest

from b2bpilot.aws.queue import DeadLetterQueue, Outgoing, Unsent
from b2bpilot.cli.app import main
from b2bpilot.errors import PartlyFailed
from b2bpilot.ops.runs.record import RunState
from b2bpilot.ops.runs.runs import list_runs
from b2bpilot.pipeline.database import DatabaseManager
from b2bpilot.pipeline.message import PilotMessage, encode
from b2bpilot.pipeline.models import SubmissionStatus
from tests.cli.dlq.dead_letters import editor
from tests.events import SUBSCRIPTION_ARN, message, sns_event
from tests.forked import Forked
from tests.local.conftest import Machine, machine
from tests.local.polling import eventually

ERRORS = (
    'connection to server at "10.0.3.7", port 5432 failed: FATAL: too many connections',
    "Task timed out after 300.00 seconds",
    "Rate Exceeded.",
    "PostgreSQL refused a statement: canceling statement due to lock timeout",
)
POISON = "NumMedia is 'two', not a count"


@pytest.fixture(scope="module")
def pipeline(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    with machine(tmp_path_factory.mktemp("redrive") / "home", "--time-scale", "300") as found:
        yield found


class OwnQueue(DeadLetterQueue):
    """What is put into it names this environment's subscription, as what Lambda writes does."""

    subscription_arn = ""

    def send(self, messages: Sequence[Outgoing]) -> list[Unsent]:
        named = [
            replace(one, body=one.body.replace(SUBSCRIPTION_ARN, self.subscription_arn)) for one in messages
        ]
        return super().send(named)


@pytest.fixture
def queue(pipeline: Machine) -> DeadLetterQueue:
    found = OwnQueue.connect(pipeline.stack_output("DeadLetterQueueUrl"), access=pipeline.access)
    found.subscription_arn = pipeline.stack_output("SubscriptionArn")
    while dead_letters := found.receive(hidden_seconds=30, wait_seconds=0):
        found.delete(dead_letters)
    return found


@pytest.fixture
def database(pipeline: Machine) -> Iterator[DatabaseManager]:
    with psycopg.connect(pipeline.state.database_url, autocommit=True) as admin:
        admin.execute("TRUNCATE b2b_pilot_user_submissions")
    with DatabaseManager(pipeline.state.database_url) as manager:
        yield manager


@pytest.fixture
def cli(pipeline: Machine, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("B2BPILOT_HOME", str(pipeline.home))
    return lambda *arguments: main([*arguments, "-e", "local"])


def dead_letter(of: PilotMessage, error: str) -> Outgoing:
    attributes = {"RequestID": str(uuid.uuid4()), "ErrorMessage": error}
    return Outgoing(
        body=json.dumps(sns_event(of)),
        attributes={name: {"DataType": "String", "StringValue": text} for name, text in attributes.items()},
    )


def test_of_five_causes_the_four_that_are_fixed_leave_the_queue_and_every_message_is_stored_once(
    cli: Any, queue: DeadLetterQueue, database: DatabaseManager, capsys: pytest.CaptureFixture[str]
) -> None:
    good = [(message(), ERRORS[n % len(ERRORS)]) for n in range(800)]
    bad = [(message(params={"NumMedia": "two"}), POISON) for _ in range(200)]
    mixed = random.Random(7).sample(good + bad, 1_000)
    assert not queue.send([dead_letter(of, error) for of, error in mixed])

    assert cli("dlq", "list", "-o", "json") == 0
    listed = json.loads(capsys.readouterr().out)
    assert sorted(group["count"] for group in listed["groups"]) == [200] * 5

    assert cli("dlq", "redrive", "--yes", "--max-failures", "60", "-o", "json") == 4
    summary = json.loads(capsys.readouterr().out)["summary"]

    assert (summary["completed"], summary["unfinished"]) == (800, 200)
    counts = database.count_by_status()
    assert counts == {SubmissionStatus.COMPLETED: 800, SubmissionStatus.FAILED: 200}
    rows = database.progress_of([of.message_id for of, _ in good])
    assert {row.attempts for row in rows.values()} == {1}
    assert queue.counters().visible == 200


@pytest.mark.parametrize("off", [timedelta(minutes=-4), timedelta(minutes=4), timedelta(days=-2)], ids=str)
def test_on_a_machine_whose_clock_is_wrong_a_redrive_takes_what_is_there(  # noqa: PLR0917  # fixtures
    pipeline: Machine,
    queue: DeadLetterQueue,
    database: DatabaseManager,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    off: timedelta,
) -> None:
    monkeypatch.setenv("B2BPILOT_HOME", str(pipeline.home))
    good, poisoned = message(), message(params={"NumMedia": "two"})
    assert not queue.send([dead_letter(good, ERRORS[0]), dead_letter(poisoned, POISON)])
    arguments = ["dlq", "redrive", "-e", "local", "--since", "3m", "--yes", "-o", "json"]

    assert main(arguments, machine=lambda: datetime.now(UTC) + off) == 4

    found = json.loads(capsys.readouterr().out)
    assert found["plan"]["saw"] == 2
    assert (found["summary"]["completed"], found["summary"]["unfinished"]) == (1, 1)
    assert POISON in found["unfinished"][0]["reason"]
    assert found["clocks"][0]["ahead_seconds"] == pytest.approx(off.total_seconds(), abs=2)


def test_what_another_consumer_holds_is_told_by_plan_and_end_and_is_not_called_done(
    cli: Any, queue: DeadLetterQueue, database: DatabaseManager, capsys: pytest.CaptureFixture[str]
) -> None:
    assert not queue.send([dead_letter(message(), ERRORS[0]) for _ in range(125)])
    held = [one for _ in range(10) for one in queue.receive(hidden_seconds=600, wait_seconds=1)]
    assert len(held) == 100
    try:
        assert cli("dlq", "redrive", "--dry-run") == 0
        assert "About 100 more dead letters were not looked at (100 in flight" in capsys.readouterr().err
        assert cli("dlq", "redrive", "--limit", "5", "--yes") == 0, "no more was asked for"
        capsys.readouterr()

        assert cli("dlq", "redrive", "--yes", "-o", "json") == 4
        found = json.loads(capsys.readouterr().out)
        assert (found["plan"]["unseen"], found["plan"]["unseen_in_flight"]) == (100, 100)
        assert (found["summary"]["completed"], found["summary"]["unseen"]) == (20, 100)
        assert "about 100 more dead letters were not looked at" in found["error"]["message"]

        assert queue.send([dead_letter(message(), ERRORS[1])]) == []
        assert cli("dlq", "redrive", "--error", "no such error", "--yes") == 4
        shown = capsys.readouterr()
        assert "None of those that were looked at matches." in shown.out
        assert cli("dlq", "discard", "--error", ERRORS[1], "--yes") == 4
        assert "about 100 more dead letters were not looked at" in capsys.readouterr().err
    finally:
        queue.release(held)
    assert cli("dlq", "redrive", "--yes", "-o", "json") == 0
    assert json.loads(capsys.readouterr().out)["summary"]["completed"] == 100


def test_what_arrives_during_a_redrive_stays_untouched(
    pipeline: Machine,
    queue: DeadLetterQueue,
    database: DatabaseManager,
) -> None:
    """The run waits for rows that somebody holds while another dead letter and a live message arrive."""
    planned, later, live = [message() for _ in range(30)], message(), message()
    assert not queue.send([dead_letter(of, ERRORS[0]) for of in planned])
    with psycopg.connect(pipeline.state.database_url) as holder, holder.cursor() as rows_of_somebody:
        rows_of_somebody.executemany(
            "INSERT INTO b2b_pilot_user_submissions (message_id, status) VALUES (%s, 'pending')",
            [(of.message_id,) for of in planned],
        )
        with redriving(pipeline) as run:
            eventually(lambda: is_sending(pipeline), "the first dead letter is being sent")
            assert not queue.send([dead_letter(later, ERRORS[0])])
            publish(pipeline, live)
            eventually(lambda: database.progress_of([live.message_id]), "the row of the live message")
            holder.rollback()
            assert run.wait(60) == 0

    (left,) = queue.receive(hidden_seconds=0, wait_seconds=0)
    assert left.message is not None
    assert (left.message.message_id, left.redrives, left.receive_count) == (later.message_id, 0, 1)
    rows = database.progress_of([of.message_id for of in [*planned, live, later]])
    assert {one for one, row in rows.items() if row.status is SubmissionStatus.COMPLETED} == {
        of.message_id for of in [*planned, live]
    }
    assert {row.attempts for row in rows.values()} == {1}


@pytest.mark.parametrize("place", ["queue", "export"])
@pytest.mark.parametrize("local", [[], ["--local"]])
def test_a_replay_processes_copies_and_takes_nothing_out_of_the_queue(
    cli: Any,
    queue: DeadLetterQueue,
    database: DatabaseManager,
    tmp_path: Any,
    *,
    place: str,
    local: list[str],
    capsys: pytest.CaptureFixture[str],
) -> None:
    good, bad = message(), message(params={"NumMedia": "two"})
    assert not queue.send([dead_letter(good, ERRORS[0]), dead_letter(bad, POISON)])
    source = []
    if place == "export":
        source = ["--file", str(tmp_path / "letters.jsonl")]
        assert cli("dlq", "export", source[1]) == 0
    capsys.readouterr()

    assert cli("dlq", "replay", "--yes", "-o", "json", *source, *local) == 4

    replayed = json.loads(capsys.readouterr().out)["replayed"]
    assert {one["message_id"]: one["error"] for one in replayed} == {
        good.message_id: None,
        bad.message_id: POISON,
    }
    assert database.count_by_status() == {SubmissionStatus.COMPLETED: 1, SubmissionStatus.FAILED: 1}
    assert queue.counters().visible == 2


def test_what_is_completed_already_is_only_removed(
    cli: Any, queue: DeadLetterQueue, database: DatabaseManager, capsys: pytest.CaptureFixture[str]
) -> None:
    of = message()
    assert not queue.send([dead_letter(of, ERRORS[0])])
    assert cli("dlq", "redrive", "--yes") == 0
    assert not queue.send([dead_letter(of, ERRORS[0])])
    capsys.readouterr()

    assert cli("dlq", "redrive", "--yes", "-o", "json") == 0

    summary = json.loads(capsys.readouterr().out)["summary"]
    assert (summary["removed"], summary["completed"]) == (1, 0)
    assert database.progress_of([of.message_id])[of.message_id].attempts == 1
    assert queue.counters().total == 0


@pytest.mark.parametrize("via", ["async", "topic"])
def test_the_routes_that_only_accept_are_proved_by_the_rows(
    cli: Any, queue: DeadLetterQueue, database: DatabaseManager, via: str, capsys: pytest.CaptureFixture[str]
) -> None:
    good = [message() for _ in range(60)]
    assert not queue.send([dead_letter(of, ERRORS[0]) for of in good])
    bad = message(params={"NumMedia": "two"})
    assert not queue.send([dead_letter(bad, POISON)])

    code = cli("dlq", "redrive", "--yes", "--via", via, "--max-failures", "100", "-o", "json")

    document = json.loads(capsys.readouterr().out)
    assert (code, document["summary"]["completed"]) == (4, 60)
    (unfinished,) = document["unfinished"]
    assert unfinished["message_id"] == bad.message_id
    assert "failed again" in unfinished["reason"]
    returned = eventually(lambda: queue.receive(hidden_seconds=0, wait_seconds=0), "a new dead letter")
    assert returned[0].redrives == 1


@contextmanager
def unsubscribed(pipeline: Machine) -> Iterator[None]:
    """The processor gets nothing of the topic in the block."""
    sns, topic = pipeline.client("sns"), pipeline.stack_output("TopicArn")
    (found,) = sns.list_subscriptions_by_topic(TopicArn=topic)["Subscriptions"]
    attributes = sns.get_subscription_attributes(SubscriptionArn=found["SubscriptionArn"])["Attributes"]
    sns.unsubscribe(SubscriptionArn=found["SubscriptionArn"])
    try:
        yield
    finally:
        kept = {name: attributes[name] for name in ("FilterPolicy", "RedrivePolicy") if name in attributes}
        sns.subscribe(TopicArn=topic, Protocol="lambda", Endpoint=found["Endpoint"], Attributes=kept)


@contextmanager
def filtered(pipeline: Machine, source: object = "nobody") -> Iterator[None]:
    """The processor's subscription has a filter policy; left alone, one that rejects what the dead letters hold."""
    sns, topic = pipeline.client("sns"), pipeline.stack_output("TopicArn")
    (found,) = sns.list_subscriptions_by_topic(TopicArn=topic)["Subscriptions"]
    arn = found["SubscriptionArn"]
    before = sns.get_subscription_attributes(SubscriptionArn=arn)["Attributes"].get("FilterPolicy", "{}")
    policy = {"SubscriptionArn": arn, "AttributeName": "FilterPolicy"}
    sns.set_subscription_attributes(**policy, AttributeValue=json.dumps({"source": [source]}))
    try:
        yield
    finally:
        sns.set_subscription_attributes(**policy, AttributeValue=before)


def test_what_the_processors_filter_policy_rejects_is_not_published(
    cli: Any, pipeline: Machine, queue: DeadLetterQueue, capsys: pytest.CaptureFixture[str]
) -> None:
    assert not queue.send([dead_letter(message(), ERRORS[0])])
    with filtered(pipeline):
        assert cli("dlq", "redrive", "--yes", "--via", "topic") == 5

    assert "rejects 1 of 1, such as" in capsys.readouterr().err
    assert queue.counters().visible == 1


def test_what_a_filter_policy_may_reject_is_not_published_without_a_proof(
    cli: Any, pipeline: Machine, queue: DeadLetterQueue, capsys: pytest.CaptureFixture[str]
) -> None:
    assert not queue.send([dead_letter(message(), ERRORS[0])])
    with filtered(pipeline, {"wildcard": "*"}):
        assert cli("dlq", "redrive", "--yes", "--via", "topic", "--wait", "0s") == 5

    assert "lets 1 of 1 through cannot be told, such as" in capsys.readouterr().err
    assert queue.counters().visible == 1


@pytest.mark.parametrize("wait", ["0s", "60s"])
def test_a_topic_that_reaches_nobody_gets_nothing(
    cli: Any, pipeline: Machine, queue: DeadLetterQueue, wait: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert not queue.send([dead_letter(message(), ERRORS[0])])
    with unsubscribed(pipeline):
        assert cli("dlq", "redrive", "--yes", "--via", "topic", "--wait", wait) == 5

    assert "the processor is not subscribed to" in capsys.readouterr().err
    assert queue.counters().visible == 1


def test_a_dead_letter_that_failed_in_three_runs_is_set_aside_and_the_exit_code_says_that_it_is_not_done(
    cli: Any, queue: DeadLetterQueue, database: DatabaseManager, capsys: pytest.CaptureFixture[str]
) -> None:
    bad = message(params={"NumMedia": "two"})
    assert not queue.send([dead_letter(bad, POISON)])
    for _ in range(3):
        assert cli("dlq", "redrive", "--yes") == 4
    capsys.readouterr()

    assert cli("dlq", "redrive", "--yes", "-o", "json") == 4

    document = json.loads(capsys.readouterr().out)
    assert document["plan"]["decisions"] == {"set aside": 1}
    assert document["error"]["message"] == "nothing was sent: 1 dead letter stays in the queue"
    assert database.progress_of([bad.message_id])[bad.message_id].attempts == 3
    assert cli("dlq", "show", bad.message_id) == 0
    assert "set it aside: it was sent 3 times and failed" in capsys.readouterr().out


def test_a_frozen_plan_sends_exactly_its_dead_letters_and_says_which_are_gone(
    cli: Any,
    queue: DeadLetterQueue,
    database: DatabaseManager,
    tmp_path: Any,
    capsys: pytest.CaptureFixture[str],
) -> None:
    planned, later = message(), message()
    assert not queue.send([dead_letter(planned, ERRORS[0])])
    plan = str(tmp_path / "plan.json")
    assert cli("dlq", "redrive", "--plan", plan) == 0
    assert not queue.send([dead_letter(later, ERRORS[0])])

    assert cli("dlq", "redrive", "--plan", plan, "--yes") == 0

    assert database.progress_of([planned.message_id, later.message_id]).keys() == {planned.message_id}
    assert queue.counters().visible == 1
    capsys.readouterr()
    assert cli("dlq", "redrive", "--plan", plan, "--dry-run", "-o", "json") == 0
    assert json.loads(capsys.readouterr().out)["gone"] == [planned.message_id]
    assert cli("dlq", "redrive", "--plan", plan, "--yes") == 0


def test_dead_letters_of_a_plan_that_are_not_there_and_not_completed_are_not_called_done(
    cli: Any, queue: DeadLetterQueue, tmp_path: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    one = message()
    assert not queue.send([dead_letter(one, ERRORS[0])])
    plan = str(tmp_path / "plan.json")
    assert cli("dlq", "redrive", "--plan", plan) == 0
    (taken,) = queue.receive(hidden_seconds=30, wait_seconds=1)
    queue.delete([taken])

    assert cli("dlq", "redrive", "--plan", plan, "--yes") == 4

    assert (
        f"1 of the plan neither seen in the queue nor completed, such as {one.message_id}"
        in capsys.readouterr().err
    )


def test_nothing_is_changed_without_a_confirmation(
    cli: Any, queue: DeadLetterQueue, database: DatabaseManager, capsys: pytest.CaptureFixture[str]
) -> None:
    assert not queue.send([dead_letter(message(), ERRORS[0])])

    assert cli("dlq", "redrive") == 5
    assert cli("dlq", "redrive", "--dry-run") == 0

    assert "Nothing was changed" in capsys.readouterr().err
    assert queue.counters().visible == 1
    assert database.count_by_status() == {}


def test_a_redrive_that_is_killed_and_resumed_ends_with_every_message_stored_once(
    cli: Any, pipeline: Machine, queue: DeadLetterQueue, database: DatabaseManager
) -> None:
    """Four kills here; `python -m bench.killed_redrives` does it twenty times with 500 dead letters."""
    sent = [message() for _ in range(120)]
    assert not queue.send([dead_letter(of, ERRORS[0]) for of in sent])
    chance = random.Random(11)
    for _ in range(4):
        kill_after(
            [sys.executable, "-m", "b2bpilot", *next_command(pipeline)], pipeline, lines=chance.randint(1, 6)
        )

    ended = main(next_command(pipeline))
    if (
        ended == PartlyFailed.exit_code
    ):  # what a run had received when it was killed before its plan is in flight for a while
        eventually(lambda: not queue.counters().hidden, "the end of their visibility timeout")
        ended = main(next_command(pipeline))

    assert ended == 0
    assert database.count_by_status() == {SubmissionStatus.COMPLETED: 120}
    rows = database.progress_of([of.message_id for of in sent])
    assert {row.attempts for row in rows.values()} == {1}
    assert queue.counters().total == 0


@contextmanager
def redriving(pipeline: Machine) -> Iterator[subprocess.Popen[bytes]]:
    """A redrive in a process of its own, which does not outlive the block."""
    command = [sys.executable, "-m", "b2bpilot", "dlq", "redrive", "--yes", "-e", "local"]
    environ = os.environ | {"B2BPILOT_HOME": str(pipeline.home)}
    output = subprocess.DEVNULL
    with Forked(command, stdout=output, stderr=output, env=environ) as process:
        try:
            yield process
        finally:
            process.kill()


def is_sending(pipeline: Machine) -> bool:
    running = [run for run in list_runs(pipeline.home) if run.state is RunState.RUNNING]
    return any('"sending"' in run.path.read_text() for run in running)


def publish(pipeline: Machine, of: PilotMessage) -> None:
    encoded = encode(of)
    pipeline.client("sns").publish(
        TopicArn=pipeline.stack_output("TopicArn"),
        Message=encoded.body,
        MessageAttributes=encoded.attributes,
    )


def next_command(pipeline: Machine) -> list[str]:
    """Resume the interrupted run; one that was killed before its plan was written sent nothing and is begun anew."""
    for record in list_runs(pipeline.home):
        is_planned = "plan complete" in record.path.read_text()
        if record.command == "redrive" and record.state is RunState.INTERRUPTED and is_planned:
            return ["runs", "resume", record.run_id, "--yes"]
    return ["dlq", "redrive", "--yes", "-e", "local"]


def kill_after(command: list[str], pipeline: Machine, *, lines: int) -> None:
    """SIGKILL the command when it has said so many lines."""
    environ = os.environ | {"B2BPILOT_HOME": str(pipeline.home)}
    with Forked(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, env=environ
    ) as process:
        assert process.stderr is not None
        for _ in range(lines):
            process.stderr.readline()
        process.send_signal(signal.SIGKILL)


def test_a_discarded_message_is_published_and_stored_by_nobody_until_it_is_restored(
    cli: Any,
    pipeline: Machine,
    queue: DeadLetterQueue,
    database: DatabaseManager,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The real stale processor, and a delivery that comes all the same once the cause is fixed."""
    failed = message(params={"NumMedia": "two"})
    publish(pipeline, failed)
    eventually(lambda: queue.counters().visible, "the dead letter")
    assert cli("dlq", "discard", "--message-id", failed.message_id, "--yes") == 0
    assert queue.counters().total == 0

    with psycopg.connect(pipeline.state.database_url, autocommit=True) as admin:
        admin.execute("UPDATE b2b_pilot_user_submissions SET updated_at = now() - interval '1 hour'")
    stale = pipeline.client("lambda").invoke(FunctionName=pipeline.stack_output("StaleFunctionName"))
    assert "FunctionError" not in stale
    publish(pipeline, replace(failed, params={**failed.params, "NumMedia": "0"}))
    live = message()
    publish(pipeline, live)
    eventually(lambda: is_completed(database, live), "the row of a message that came later")
    row = database.progress_of([failed.message_id])[failed.message_id]
    assert (row.status, row.attempts, row.republished_at) == (SubmissionStatus.ABANDONED, row.attempts, None)
    assert row.discarded_by is not None

    assert cli("dlq", "restore", row.discarded_by, "--yes") == 0
    capsys.readouterr()
    row = database.progress_of([failed.message_id])[failed.message_id]
    assert (row.status, row.discarded_by) == (SubmissionStatus.FAILED, None)
    assert queue.counters().visible == 1


def test_another_dead_letter_of_a_discarded_message_stays_in_the_queue_and_names_the_run(
    cli: Any,
    pipeline: Machine,
    queue: DeadLetterQueue,
    database: DatabaseManager,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The processor skipped it as discarded, and its dead letter was deleted though no archive had it."""
    failed = message(params={"NumMedia": "two"})
    publish(pipeline, failed)
    eventually(lambda: queue.counters().visible, "the dead letter")
    assert cli("dlq", "discard", "--message-id", failed.message_id, "--yes") == 0
    run_id = database.progress_of([failed.message_id])[failed.message_id].discarded_by
    queue.send([dead_letter(failed, POISON)])

    for arguments in (["--yes"], ["--yes", "--via", "async"], ["--yes", "--via", "topic"]):
        capsys.readouterr()
        assert cli("dlq", "redrive", *arguments) == 4
        said = capsys.readouterr()
        assert "leave: a person discarded its message" in said.out
        assert f"dlq restore -e local {run_id}" in said.err
        assert f"b2bpilot dlq discard -e local --message-id {failed.message_id}" in said.err
        assert "--include-poison" not in said.err
        assert queue.counters().visible == 1
    assert cli("dlq", "list") == 0
    assert f"Discarded in run {run_id}: 1 message" in "".join(capsys.readouterr())
    assert cli("dlq", "show", failed.message_id) == 0
    assert f"discarded in run {run_id}" in capsys.readouterr().out

    deliver_later(pipeline, failed)
    eventually(lambda: queue.counters().visible == 2, "what a redrive let go before the discard")


def deliver_later(pipeline: Machine, of: PilotMessage) -> None:
    """What `--via async` hands over, in the processor's own queue."""
    mark = {"run_id": "20261130T010000Z-redrive-0a1b", "attempt": 1, "accepted_only": True}
    pipeline.client("lambda").invoke(
        FunctionName=pipeline.stack_output("ProcessorFunctionName"),
        InvocationType="Event",
        Payload=json.dumps({**sns_event(of), "redrive": mark}),
    )


def test_whoever_publishes_the_row_of_an_edited_dead_letter_publishes_what_was_corrected(  # noqa: PLR0917  # fixtures
    cli: Any,
    pipeline: Machine,
    queue: DeadLetterQueue,
    database: DatabaseManager,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    """The row kept the original: published again, as `status` advised, it was stored, and a redrive deleted the correction."""
    failed = message(params={"NumMedia": "two", "Body": "my card is 4111"})
    publish(pipeline, failed)
    eventually(lambda: queue.counters().visible, "the dead letter")
    correct = "document['params'].update(NumMedia='0', Body='my card is ***')"
    editor(monkeypatch, tmp_path, f"{correct}; path.write_text(json.dumps(document))")
    assert cli("dlq", "edit", failed.message_id, "--yes") == 0

    assert cli("submissions", "republish", "--abandoned", "--yes") == 0
    assert cli("dlq", "redrive", "--yes") == 0
    row = database.get_submission_by_message_id(failed.message_id)
    assert row is not None
    assert (row.status, row.text) == (SubmissionStatus.COMPLETED, "my card is ***")
    assert queue.counters().total == 0


def is_completed(database: DatabaseManager, of: PilotMessage) -> bool:
    row = database.progress_of([of.message_id]).get(of.message_id)
    return row is not None and row.status is SubmissionStatus.COMPLETED
