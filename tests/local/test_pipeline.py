"""The whole way: a signed webhook, the deployed template, the real handlers, PostgreSQL, and the commands that look after it."""

from __future__ import annotations

import itertools
import json
import os
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from b2bpilot.cli.app import main
from b2bpilot.pipeline.database import DatabaseManager
from b2bpilot.pipeline.models import SubmissionStatus, UserSubmission
from b2bpilot.twilio.samples import Sample, sample_params
from b2bpilot.twilio.webhook import WebhookClient
from tests.events import message
from tests.local.conftest import Machine, machine
from tests.local.polling import eventually


@pytest.fixture(scope="module")
def pipeline(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    """An environment of this module's own: its tests break things. Time runs fast: Lambda's retries come after a second."""
    with machine(tmp_path_factory.mktemp("pipeline") / "home", "--time-scale", "300") as found:
        yield found


@pytest.fixture
def webhook(pipeline: Machine) -> Iterator[WebhookClient]:
    with client_of(pipeline) as client:
        yield client


@pytest.fixture
def database(pipeline: Machine) -> Iterator[DatabaseManager]:
    with DatabaseManager(pipeline.state.database_url) as manager:
        yield manager


def client_of(pipeline: Machine) -> WebhookClient:
    return WebhookClient(pipeline.state.webhook_url, auth_token=pipeline.state.twilio_auth_token)


def row(database: DatabaseManager, message_id: str | None, status: SubmissionStatus) -> UserSubmission:
    """Wait until the message's row has the status."""
    assert message_id is not None

    def look() -> list[UserSubmission]:
        found = database.get_submission_by_message_id(message_id)
        return [found] if found is not None and found.status is status else []

    return eventually(look, f"a {status} row")[0]


def dead_letters(pipeline: Machine, count: int) -> list[dict[str, Any]]:
    """Wait for so many dead letters, and give them back."""
    sqs, url = pipeline.client("sqs"), pipeline.stack_output("DeadLetterQueueUrl")

    def look() -> list[dict[str, Any]]:
        found = sqs.receive_message(
            QueueUrl=url,
            MaxNumberOfMessages=10,
            VisibilityTimeout=0,
            MessageAttributeNames=["All"],
            MessageSystemAttributeNames=["All"],
        ).get("Messages", [])
        return list(found) if len(found) >= count else []

    return eventually(look, f"{count} dead letters")


def b2bpilot(pipeline: Machine, monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setenv("B2BPILOT_HOME", str(pipeline.home))
    return main([*arguments, "-e", "local"])


def test_a_webhook_becomes_a_row_and_its_retry_changes_nothing(
    webhook: WebhookClient, database: DatabaseManager
) -> None:
    params = sample_params(Sample.EMOJI)

    first = webhook.post(params)
    stored = row(database, first.message_id, SubmissionStatus.COMPLETED)
    second = webhook.post(params)

    assert (first.status, second.status, second.message_id) == (200, 200, first.message_id)
    assert stored.params == params
    eventually(lambda: row(database, first.message_id, SubmissionStatus.COMPLETED) == stored, "the same row")


def test_many_webhooks_at_once_some_of_them_twice_are_stored_exactly_once(
    pipeline: Machine, database: DatabaseManager
) -> None:
    messages = [sample_params(Sample.TEXT) for _ in range(120)]
    deliveries = messages + messages[:30]
    before = sum(database.count_by_status().values())

    def post(share: list[dict[str, str]]) -> list[tuple[int, str | None]]:
        with client_of(pipeline) as client:
            return [(answer.status, answer.message_id) for answer in map(client.post, share)]

    with ThreadPoolExecutor(8) as pool:
        shares = [deliveries[n::8] for n in range(8)]
        answers = list(itertools.chain.from_iterable(pool.map(post, shares)))

    assert {status for status, _ in answers} == {200}
    ids = {message_id for _, message_id in answers}
    assert len(ids) == len(messages)
    for message_id in ids:
        row(database, message_id, SubmissionStatus.COMPLETED)
    assert sum(database.count_by_status().values()) == before + len(messages)


def test_a_poisoned_message_is_tried_three_times_and_then_a_dead_letter(
    pipeline: Machine, webhook: WebhookClient, database: DatabaseManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer = webhook.post(sample_params(Sample.POISON))

    (dead_letter,) = dead_letters(pipeline, 1)
    failed = row(database, answer.message_id, SubmissionStatus.FAILED)

    assert (failed.attempts, failed.last_error) == (3, "NumMedia is 'two', not a count")
    assert dead_letter["MessageAttributes"]["ErrorCode"] == {"DataType": "Number", "StringValue": "200"}
    assert dead_letter["MessageAttributes"]["ErrorMessage"] == {
        "DataType": "String",
        "StringValue": "NumMedia is 'two', not a count",
    }
    assert dead_letter["MessageAttributes"]["RequestID"]["DataType"] == "String"
    record = json.loads(dead_letter["Body"])["Records"][0]
    assert json.loads(record["Sns"]["Message"])["message_id"] == answer.message_id
    assert record["Sns"]["MessageAttributes"]["source"] == {"Type": "String", "Value": "twilio"}
    assert b2bpilot(pipeline, monkeypatch, "dlq", "redrive", "--yes") == 4
    dead_letters(pipeline, 1)
    _empty(pipeline)


def test_messages_that_arrive_while_the_database_is_down_are_all_there_once_after_a_redrive(
    pipeline: Machine, webhook: WebhookClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    with closed_database(pipeline):
        answers = [webhook.post(sample_params(Sample.TEXT)) for _ in range(9)]
        dead_letters(pipeline, 9)

    assert b2bpilot(pipeline, monkeypatch, "dlq", "redrive", "--yes") == 0
    with DatabaseManager(pipeline.state.database_url) as database:
        for answer in answers:
            assert answer.status == 200
            assert row(database, answer.message_id, SubmissionStatus.COMPLETED).attempts == 1


class closed_database:  # noqa: N801  # used as a function
    """The database refuses connections, and has ended those that were open."""

    def __init__(self, pipeline: Machine) -> None:
        self._dsn = make_conninfo(pipeline.state.database_url, dbname="postgres")

    def __enter__(self) -> None:
        with psycopg.connect(self._dsn, autocommit=True) as admin:
            admin.execute("ALTER DATABASE b2bpilot WITH ALLOW_CONNECTIONS false")
            admin.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'b2bpilot'")

    def __exit__(self, *_: object) -> None:
        with psycopg.connect(self._dsn, autocommit=True) as admin:
            admin.execute("ALTER DATABASE b2bpilot WITH ALLOW_CONNECTIONS true")


def test_a_processor_that_is_killed_after_its_claim_leaves_a_message_that_ends_completed_once(
    tmp_path: Path,
) -> None:
    """Lambda still holds its event and runs it again, and the dead run's lease is over."""
    home = tmp_path / "home"
    with machine(home, "--time-scale", "10") as first:
        with (
            psycopg.connect(first.state.database_url, autocommit=True) as admin,
            client_of(first) as webhook,
            DatabaseManager(first.state.database_url) as database,
        ):
            _block_completion(admin)
            message_id = webhook.post(sample_params(Sample.TEXT)).message_id
            row(database, message_id, SubmissionStatus.PROCESSING)
        os.kill(first.process.pid, signal.SIGKILL)
        first.process.wait(30)

    with (
        machine(home, "--time-scale", "10") as second,
        DatabaseManager(second.state.database_url) as database,
    ):
        assert row(database, message_id, SubmissionStatus.COMPLETED).attempts == 2
        assert database.count_by_status() == {SubmissionStatus.COMPLETED: 1}


def test_a_run_that_dies_without_a_word_is_taken_over_by_lambdas_own_retry(
    pipeline: Machine, webhook: WebhookClient, database: DatabaseManager
) -> None:
    """It could neither complete its row nor say that it failed, so its lease stands when the retry comes."""
    with psycopg.connect(pipeline.state.database_url, autocommit=True) as admin:
        admin.execute(
            "CREATE FUNCTION die() RETURNS trigger LANGUAGE plpgsql AS"
            " $$ BEGIN RAISE EXCEPTION 'the first run writes nothing more'; END $$"
        )
        admin.execute(
            "CREATE TRIGGER first_run_dies BEFORE UPDATE ON b2b_pilot_user_submissions"
            " FOR EACH ROW WHEN (OLD.attempts = 1 AND NEW.attempts = 1) EXECUTE FUNCTION die()"
        )
        try:
            message_id = webhook.post(sample_params(Sample.TEXT)).message_id
            stored = row(database, message_id, SubmissionStatus.COMPLETED)
        finally:
            admin.execute("DROP FUNCTION die CASCADE")

    assert stored.attempts == 2
    assert stored.stale_attempts == 0


def _block_completion(admin: psycopg.Connection) -> None:
    """The first run claims its message and then waits for ever."""
    admin.execute(
        "CREATE FUNCTION wait_for_ever() RETURNS trigger LANGUAGE plpgsql AS"
        " $$ BEGIN PERFORM pg_sleep(3600); RETURN NEW; END $$"
    )
    admin.execute(
        "CREATE TRIGGER wait_before_completion BEFORE UPDATE ON b2b_pilot_user_submissions"
        " FOR EACH ROW WHEN (NEW.status = 'completed' AND NEW.attempts = 1) EXECUTE FUNCTION wait_for_ever()"
    )


def _empty(pipeline: Machine) -> None:
    sqs, url = pipeline.client("sqs"), pipeline.stack_output("DeadLetterQueueUrl")
    for dead_letter in sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", []):
        sqs.delete_message(QueueUrl=url, ReceiptHandle=dead_letter["ReceiptHandle"])


def test_an_abandoned_message_waits_for_a_person_who_publishes_it_again(
    pipeline: Machine,
    webhook: WebhookClient,
    database: DatabaseManager,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A failed message is published again once, then abandoned: two dead letters at most, where there were up to six."""
    monkeypatch.setenv("B2BPILOT_HOME", str(pipeline.home))
    stale = pipeline.stack_output("StaleFunctionName")
    with psycopg.connect(pipeline.state.database_url, autocommit=True) as admin:
        admin.execute(
            "ALTER TABLE b2b_pilot_user_submissions ADD CONSTRAINT crm_is_down CHECK (status <> 'completed') NOT VALID"
        )
        try:
            message_id = webhook.post(sample_params(Sample.TEXT)).message_id
            _dead_letters_of(pipeline, message_id, 1)
            row(database, message_id, SubmissionStatus.FAILED)
            _an_hour_passes(admin, message_id)
            pipeline.client("lambda").invoke(FunctionName=stale, Payload=b"{}")
            _all_runs_ended(database, message_id, 6)
            for _ in range(4):
                _an_hour_passes(admin, message_id)
                pipeline.client("lambda").invoke(FunctionName=stale, Payload=b"{}")
            abandoned = row(database, message_id, SubmissionStatus.ABANDONED)
        finally:
            admin.execute("ALTER TABLE b2b_pilot_user_submissions DROP CONSTRAINT crm_is_down")
    _dead_letters_of(pipeline, message_id, 2)
    assert abandoned.attempts == 6
    assert abandoned.republished_at is not None

    assert main(["submissions", "republish", "--abandoned", "--yes", "-e", "local", "-o", "json"]) == 0

    document = json.loads(capsys.readouterr().out)
    assert document["plan"]["messages"] == document["republished"]["completed"] == 1
    assert document["plan"]["database"]["proven"]
    assert row(database, message_id, SubmissionStatus.COMPLETED).attempts == 7
    assert main(["submissions", "republish", str(message_id), "--yes", "-e", "local"]) == 5
    assert "it is completed. Nothing was published" in capsys.readouterr().err
    assert main(["submissions", "republish", "--abandoned", "--yes", "-e", "local"]) == 0
    run_id = document["republished"]["run_id"]
    assert main(["runs", "resume", run_id, "--yes", "-e", "local"]) == 0
    assert "nothing left to do" in capsys.readouterr().err
    _empty(pipeline)


def _dead_letters_of(pipeline: Machine, message_id: str | None, count: int) -> None:
    """Wait until the queue holds so many of this message; other tests leave theirs in it."""

    def look() -> bool:
        return (
            sum(str(message_id) in dead_letter["Body"] for dead_letter in dead_letters(pipeline, count))
            == count
        )

    eventually(look, f"{count} dead letters of {message_id}")


def _an_hour_passes(admin: psycopg.Connection, *message_ids: str | None) -> None:
    admin.execute(
        "UPDATE b2b_pilot_user_submissions SET updated_at = updated_at - interval '1 hour',"
        " lease_expires_at = lease_expires_at - interval '1 hour', next_stale_at = next_stale_at - interval '1 hour'"
        " WHERE message_id = ANY(%s)",
        (list(message_ids),),
    )


def _all_runs_ended(database: DatabaseManager, message_id: str | None, attempts: int) -> None:
    def look() -> bool:
        found = database.get_submission_by_message_id(str(message_id))
        return found is not None and found.attempts == attempts and found.lease_expires_at is None

    eventually(look, f"the end of run {attempts}")


def test_under_load_the_stale_processor_goes_on_and_one_unreadable_row_stops_nothing(
    pipeline: Machine,
    database: DatabaseManager,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """At e623749 a throttle in the last five minutes stopped it, and so did a priority that it does not know."""
    waiting = [message() for _ in range(3)]
    for one in waiting:
        database.claim(one, lease=timedelta(0))
    urgent, parked, healthy = (one.message_id for one in waiting)
    processor = pipeline.stack_output("ProcessorFunctionName")
    pipeline.client("cloudwatch").put_metric_data(
        Namespace="AWS/Lambda",
        MetricData=[
            {
                "MetricName": "Throttles",
                "Dimensions": [{"Name": "FunctionName", "Value": processor}],
                "Value": 1_000_000,
            }
        ],
    )
    with psycopg.connect(pipeline.state.database_url, autocommit=True) as admin:
        _an_hour_passes(admin, urgent, parked, healthy)
        set_ = "UPDATE b2b_pilot_user_submissions SET {} WHERE message_id = %s"
        admin.execute(set_.format("priority = 'urgent'").encode(), (urgent,))
        admin.execute(set_.format("status = 'parked'").encode(), (parked,))

    stale = pipeline.stack_output("StaleFunctionName")
    answer = pipeline.client("lambda").invoke(FunctionName=stale, Payload=b"{}")

    report = json.loads(answer["Payload"].read())
    assert (report["published"], report["unreadable"], report["reserve"]) == (1, 1, 1)
    row(database, healthy, SubmissionStatus.COMPLETED)
    assert "priority 'urgent'" in str(row(database, urgent, SubmissionStatus.ABANDONED).last_error)
    assert b2bpilot(pipeline, monkeypatch, "submissions", "list", "-o", "json") == 0
    listed = {one["message_id"]: one["status"] for one in json.loads(capsys.readouterr().out)["submissions"]}
    assert (listed[parked], listed[urgent], listed[healthy]) == ("parked", "abandoned", "completed")
    assert b2bpilot(pipeline, monkeypatch, "submissions", "stuck", "-o", "json") == 0
    stuck = {one["message_id"]: one["problem"] for one in json.loads(capsys.readouterr().out)["submissions"]}
    assert (stuck[parked], stuck[urgent]) == ("unreadable", "abandoned")
    with psycopg.connect(pipeline.state.database_url, autocommit=True) as admin:
        admin.execute(
            "DELETE FROM b2b_pilot_user_submissions WHERE message_id = ANY(%s)", ([urgent, parked],)
        )


def test_a_message_whose_row_is_spelled_otherwise_is_a_duplicate_when_twilio_calls_again(
    pipeline: Machine, webhook: WebhookClient, database: DatabaseManager
) -> None:
    params = sample_params(Sample.TEXT)
    message_id = webhook.post(params).message_id
    row(database, message_id, SubmissionStatus.COMPLETED)
    with psycopg.connect(pipeline.state.database_url, autocommit=True) as admin:
        admin.execute(
            "UPDATE b2b_pilot_user_submissions SET message_id = upper(message_id) WHERE message_id = %s",
            (message_id,),
        )
        count = database.count_by_status()

        webhook.post(params)

        eventually(lambda: _is_spelled(admin, message_id), "the second delivery")
    assert database.count_by_status() == count


def _is_spelled(admin: psycopg.Connection, message_id: str | None) -> bool:
    found = admin.execute("SELECT 1 FROM b2b_pilot_user_submissions WHERE message_id = %s", (message_id,))
    return found.fetchone() is not None
