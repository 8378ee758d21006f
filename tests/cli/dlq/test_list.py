"""`b2bpilot dlq list` and `b2bpilot dlq show`."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NoReturn

import pytest

from b2bpilot.aws.logs import LogLine
from b2bpilot.aws.queue import DeadLetterQueue
from b2bpilot.aws.queue_attributes import Counters
from b2bpilot.cli.dlq.group_view import next_steps
from b2bpilot.cli.frame import remembered
from b2bpilot.errors import DatabaseUnreachable
from b2bpilot.ops.dead_letters.causes import Cause, Group
from b2bpilot.ops.dead_letters.filters import Selection
from b2bpilot.ops.dead_letters.listing import DeadLetterListing, show_dead_letter
from b2bpilot.ops.dead_letters.peek import Peek
from b2bpilot.pipeline.database import DatabaseManager
from b2bpilot.pipeline.dead_letter import FailureKind
from b2bpilot.pipeline.message import PilotMessage
from b2bpilot.pipeline.owner import Owner, Ownership
from b2bpilot.pipeline.processing import submission_fields
from tests.aws_clients import client
from tests.cli.conftest import OUTPUTS, REGION, Result, Run, Staging
from tests.events import message, sns_event

LOG_GROUP = f"/aws/lambda/{OUTPUTS['ProcessorFunctionName']}"
REQUEST_ID = "045aed0d-5e0a-4e8d-96dc-2a992a1cf962"
NUMBER = "whatsapp:+15005550006"
LONG = "Please deliver to the back entrance, the front is closed until Monday"


class DeadLetters:
    """The dead-letter queue of `staging`."""

    def __init__(self) -> None:
        self._client = client("sqs")
        self.url = self._client.create_queue(QueueName="b2b-pilot-dead-letters-staging")["QueueUrl"]
        self.queue = DeadLetterQueue(self._client, self.url)

    def put(self, of: PilotMessage | str, error: str | None = None, **beside: Any) -> str:
        """Write a dead letter and return its id in the queue."""
        body = of if isinstance(of, str) else json.dumps(sns_event(of, **beside))
        attributes = {"RequestID": REQUEST_ID, "ErrorMessage": error} if error else {}
        sent = self._client.send_message(
            QueueUrl=self.url,
            MessageBody=body,
            MessageAttributes={
                name: {"DataType": "String", "StringValue": value} for name, value in attributes.items()
            },
        )
        return sent["MessageId"]

    def move_on_after(self, receives: int) -> None:
        self._client.create_queue(QueueName="second")
        policy = {
            "deadLetterTargetArn": f"arn:aws:sqs:{REGION}:123456789012:second",
            "maxReceiveCount": receives,
        }
        self._client.set_queue_attributes(QueueUrl=self.url, Attributes={"RedrivePolicy": json.dumps(policy)})


@pytest.fixture
def dead_letters(staging: Staging, monkeypatch: pytest.MonkeyPatch) -> DeadLetters:
    monkeypatch.setenv("B2BPILOT_ENV", "staging")
    return DeadLetters()


@pytest.fixture(autouse=True)
def an_sqs_that_answers_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("b2bpilot.ops.dead_letters.sweep.LONG_POLL_SECONDS", 0)


@pytest.fixture
def rows(staging: Staging, database_url: str) -> Callable[[PilotMessage, str | None], None]:
    def process(of: PilotMessage, error: str | None) -> None:
        with DatabaseManager(database_url) as database:
            claim = database.claim(of, lease=timedelta(seconds=60))
            assert claim is not None
            if error:
                database.fail(claim, error)
            else:
                database.complete(claim, submission_fields(of))

    return process


@pytest.fixture
def three_causes(
    dead_letters: DeadLetters, rows: Callable[[PilotMessage, str | None], None]
) -> list[PilotMessage]:
    """Three refused orders, of which one was completed later; one timeout without a row; one that is no message."""
    sent = [message() for _ in range(4)]
    for number, one in enumerate(sent[:3]):
        dead_letters.put(one, f"order {4711 + number} has no customer")
        rows(one, None if number == 0 else f"order {4711 + number} has no customer")
    dead_letters.put(sent[3], f"RequestId: {uuid.uuid4()} Error: Task timed out after 300.00 seconds")
    dead_letters.put("hello")
    return sent


def test_the_groups_say_what_failed_what_the_database_knows_and_where_to_look(
    run: Run, three_causes: list[PilotMessage]
) -> None:
    result = run("dlq", "list")
    lines = result.stdout.splitlines()

    assert result.exit_code == 0
    assert lines[0] == "G1  3 exception: order <n> has no customer"
    assert lines[1].endswith("; 3 expire in 3 d; rows: 2 failed, 1 completed")
    assert lines[2] == f"    for example {three_causes[0].message_id}"
    assert lines[3] == "G2  1 timeout: Task timed out after <n> seconds"
    assert lines[4].endswith("; 1 expires in 3 d; rows: 1 not stored")
    assert lines[6] == "G3  1 unreadable: the body is not JSON"
    assert "rows" not in lines[7]
    assert result.stderr.splitlines()[-3:] == [
        "5 dead letters in 3 groups.",
        f"Next: b2bpilot dlq show -e staging {three_causes[0].message_id}",
        "When the cause is fixed: b2bpilot dlq redrive -e staging --group G1",
    ]


def test_of_a_part_of_a_group_no_redrive_of_the_whole_is_printed(
    run: Run, three_causes: list[PilotMessage]
) -> None:
    said = run("dlq", "list", "--message-id", three_causes[1].message_id).stderr
    assert said.endswith(f"Next: b2bpilot dlq show -e staging {three_causes[1].message_id}\n")
    assert "dlq redrive" not in said


def test_two_lists_are_the_same_and_everything_can_be_received_at_once(
    run: Run, dead_letters: DeadLetters, three_causes: list[PilotMessage]
) -> None:
    first, second = (run("dlq", "list", "-o", "json").document for _ in range(2))

    assert first == second
    assert len(dead_letters.queue.receive(hidden_seconds=30)) == 5


def test_json_is_one_document(run: Run, three_causes: list[PilotMessage]) -> None:
    document = run("dlq", "list", "-o", "json").document
    group = document["groups"][0]

    assert document["database"]["proven"] is True
    assert {name: value for name, value in document.items() if name not in ("groups", "database")} == {
        "schema_version": 1,
        "matched": 5,
        "saw": 5,
        "about": 5,
        "complete": True,
        "not_released": 0,
        "database_error": None,
        "discarded": {},
    }
    assert group["rows"] == {"failed": 2, "completed": 1}
    assert (group["group"], group["kind"], group["count"], group["expiring"]) == ("G1", "exception", 3, 3)
    assert group["oldest"] <= group["newest"] < group["expires_at"]


def test_jsonl_is_one_group_a_line(run: Run, three_causes: list[PilotMessage]) -> None:
    lines = run("dlq", "list", "-o", "jsonl").lines
    assert [(line["schema_version"], line["group"]) for line in lines] == [(1, "G1"), (1, "G2"), (1, "G3")]


@pytest.mark.parametrize(
    ("options", "groups"),
    [
        (["--group", "g2"], {"G2": 1}),
        (["--error", "CUSTOMER"], {"G1": 3}),
        (["--since", "1h"], {"G1": 3, "G2": 1, "G3": 1}),
        (["--until", "1h"], {}),
        (["--older-than", "1h"], {}),
        (["--from", "+15005550006"], {"G1": 3, "G2": 1}),
        (["--from", "+1500"], {}),
        (["--where", "failure.kind == 'timeout'"], {"G2": 1}),
        (["--where", "params.NumMedia == '1'", "--error", "order"], {"G1": 3}),
        (["--group", "G1", "--limit", "2"], {"G1": 2}),
        (["--group", "G1", "--error", "timed out"], {}),
    ],
)
def test_filters_hold_together_and_the_numbers_stay(
    run: Run, three_causes: list[PilotMessage], options: list[str], groups: dict[str, int]
) -> None:
    found = run("dlq", "list", *options, "-o", "json").document["groups"]
    assert {group["group"]: group["count"] for group in found} == groups


def test_messages_are_named_by_id_or_sid_and_more_than_once(
    run: Run, three_causes: list[PilotMessage]
) -> None:
    options = ["--message-id", three_causes[1].message_id]
    options += ["--message-id", three_causes[3].params["MessageSid"]]
    result = run("dlq", "list", *options, "-o", "json")

    assert {group["sample"] for group in result.document["groups"]} == {
        three_causes[1].message_id,
        three_causes[3].message_id,
    }


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--where", "failure.kind =="], "--where: 'failure.kind ==' cannot be used"),
        (["--where", "like(params.Body)"], "--where: 'like(params.Body)' cannot be used: Unknown function"),
        (["--since", "yesterday"], "--since: 'yesterday' is neither a duration nor a time"),
        (["--older-than", "old"], "--older-than: 'old' is not a duration"),
        (["--message-id", "4711"], "'4711' is neither a message_id nor a MessageSid"),
        (["--limit", "0"], "--limit: '0' must be a whole number from 1"),
    ],
)
def test_a_bad_filter_is_refused(run: Run, dead_letters: DeadLetters, options: list[str], said: str) -> None:
    result = run("dlq", "list", *options)

    assert result.exit_code == 2
    assert result.stderr.startswith(f"error: {said}")


def test_a_group_that_is_not_there_is_an_error(run: Run, three_causes: list[PilotMessage]) -> None:
    result = run("dlq", "list", "--group", "G4")

    assert result.exit_code == 2
    assert "error: there is no group G4; the queue has G1 to G3\n" in result.stderr


def test_a_field_that_no_dead_letter_has_is_an_error(run: Run, three_causes: list[PilotMessage]) -> None:
    result = run("dlq", "list", "--where", "params.Statsu != 'x'")

    assert (result.exit_code, result.stdout) == (2, "")
    assert "error: --where: none of the dead letters has params.Statsu\n" in result.stderr


def test_one_dead_letter_is_one_dead_letter(run: Run, dead_letters: DeadLetters) -> None:
    dead_letters.put(message())

    assert "1 dead letter in 1 group.\n" in run("dlq", "list").stderr


def test_an_empty_queue_is_said(run: Run, dead_letters: DeadLetters) -> None:
    result = run("dlq", "list", "--exit-code")

    assert (result.exit_code, result.stdout) == (0, "")
    assert result.stderr.endswith("The dead-letter queue is empty.\n")


def test_of_the_processor_s_empty_queue_it_is_said_that_others_have_their_own(
    run: Run, dead_letters: DeadLetters, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where an earlier command found some."""
    monkeypatch.setenv("B2BPILOT_HOME", str(tmp_path))
    remembered.remember_subscribers(tmp_path, "staging", {"crm": "function crm"})

    assert run("dlq", "list").stderr.endswith(
        "The dead-letter queue is empty.\n"
        "That is the processor's. Other subscribers have queues of their own: --all lists those, too.\n"
    )


@pytest.mark.parametrize(("options", "code"), [([], 3), (["--error", "order"], 3), (["--error", "else"], 0)])
def test_the_exit_code_says_whether_there_are_any(
    run: Run, three_causes: list[PilotMessage], options: list[str], code: int
) -> None:
    assert run("dlq", "list", "--exit-code", *options).exit_code == code


def test_dead_letters_are_listed_without_a_database(run: Run, three_causes: list[PilotMessage]) -> None:
    result = run("dlq", "list", "--database-url", "postgresql://u:secretword@127.0.0.1:1/x")

    assert result.exit_code == 0
    assert "rows" not in result.stdout
    assert "The database did not answer: no connection to" in result.stderr
    assert "secretword" not in result.stderr


def test_a_redrive_policy_of_the_queue_is_warned_of(run: Run, dead_letters: DeadLetters) -> None:
    dead_letters.move_on_after(9)
    assert (
        "Warning: this queue has a redrive policy of its own. SQS moves what was received 9 times to second"
        in run("dlq", "list").stderr
    )


def test_a_dead_letter_is_shown_in_full(
    run: Run, dead_letters: DeadLetters, rows: Callable[[PilotMessage, str | None], None]
) -> None:
    sent = message(params={"Body": LONG})
    dead_letters.put(
        sent, f"no customer for {NUMBER}", redrive={"run_id": "20261123T194501Z-redrive-3f9a", "attempt": 1}
    )
    rows(sent, f"no customer for {NUMBER}")
    result = run("dlq", "show", sent.params["MessageSid"])
    lines = [line.split(None, 1) for line in result.stdout.splitlines() if not line.startswith(" ")]
    story = dict(lines)

    assert result.exit_code == 0
    assert story["dead"].startswith("letter ")
    assert story["dead"].endswith("(lambda, group G1)")
    assert story["failure"] == f"exception: no customer for whatsapp:+1500***0006 (request {REQUEST_ID})"
    assert story["expires"].endswith("(in 3 d)")
    assert story["row"] == "failed, attempts: 1; last error: no customer for whatsapp:+1500***0006"
    assert story["log"] == f"none: log group {LOG_GROUP} does not exist"
    assert story["redrive"] == "would  send it again, for the second time"
    for part in ("received (twilio)", "published to the topic", "row created", "From  whatsapp:+1500***0006"):
        assert part in result.stdout
    assert (
        "dead-lettered, after 1 redrive (the last one by run 20261123T194501Z-redrive-3f9a)" in result.stdout
    )
    assert "15005550006" not in result.stdout
    assert LONG not in result.stdout


def test_what_a_backfill_sent_is_shown_as_its_and_not_as_published(
    run: Run, dead_letters: DeadLetters
) -> None:
    sent, by = message(), "20261123T194501Z-backfill-3f9a"
    dead_letters.put(sent, "no customer", backfill={"run_id": by})

    shown = run("dlq", "show", sent.message_id).stdout
    document = run("dlq", "show", sent.message_id, "-o", "json").stdout

    assert f"dead-lettered, sent by backfill {by}" in shown
    assert "published to the topic" not in shown
    assert f'"backfilled_by": "{by}"' in document


def test_reveal_shows_numbers_and_texts(run: Run, dead_letters: DeadLetters) -> None:
    sent = message(params={"Body": LONG})
    dead_letters.put(sent, f"no customer for {NUMBER}")
    shown = run("dlq", "show", sent.message_id, "--reveal", "-o", "json").document["dead_letter"]

    assert shown["failure"]["text"] == f"no customer for {NUMBER}"
    assert shown["message"]["params"]["Body"] == LONG
    assert (shown["row_state"], shown["row"]) == ("not stored", None)


def test_the_log_lines_of_the_run_are_shown(run: Run, dead_letters: DeadLetters) -> None:
    sent = message()
    dead_letters.put(sent, "boom")
    write_log(
        {"requestId": REQUEST_ID, "level": "ERROR", "message": "Processing failed", "error": f"of {NUMBER}"},
        {"requestId": "another", "level": "INFO", "message": "Stored"},
        {
            "type": "platform.report",
            "record": {"requestId": REQUEST_ID, "status": "error", "metrics": {"durationMs": 12.5}},
        },
    )
    result = run("dlq", "show", sent.message_id)

    assert "ERROR Processing failed: of whatsapp:+1500***0006" in result.stdout
    assert "platform.report error after 12.5 ms" in result.stdout
    assert "Stored" not in result.stdout


class AskedUntil:
    """Satisfies RequestLog, and knows up to when it was read."""

    until: datetime

    def lines_with(self, text: str, *, since: datetime, until: datetime, limit: int) -> list[LogLine]:
        self.until = until
        return []


def test_what_a_queue_gave_up_failed_after_the_time_that_its_dead_letter_has(
    dead_letters: DeadLetters,
) -> None:
    sent, log, later = message(), AskedUntil(), datetime.now(UTC) + timedelta(hours=2)
    dead_letters.put(sent)

    shown = show_dead_letter(
        dead_letters.queue,
        sent.message_id,
        retention=timedelta(days=14),
        table=nobody_there,
        log=lambda: log,
        failed_before={},
        now=later,
        observe=lambda _saw, _about: None,
    )

    assert log.until >= later
    assert shown.log.missing == f"no line names message {sent.message_id}"


def nobody_there() -> NoReturn:
    raise DatabaseUnreachable("nobody there")


ONCE = ["/var/task/once.py:300 _run", "/var/task/handler.py:12 handler", "/opt/psycopg/cursor.py:97 execute"]
TRACE = [
    '  File "/var/task/once.py", line 230, in __call__\n    raise',
    '  File "/var/task/handler.py", line 9, in handler',
]


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ({"error": "Boom: x", "at": ONCE}, "ERROR Handler failed: Boom: x (at handler.py:12, cursor.py:97)"),
        ({"error": "NotUsable: x", "at": ONCE[:1]}, "Handler failed: NotUsable: x (at once.py:300)"),
        ({"errorMessage": "x", "stackTrace": TRACE}, "Handler failed: x (at handler.py:9)"),
        ({"errorMessage": "x", "stackTrace": []}, "Handler failed: x\n"),
        ({"errorMessage": "x", "stackTrace": 5}, "Handler failed: x\n"),
    ],
)
def test_the_log_of_what_a_queue_gave_up_is_found_by_its_message_and_says_where_it_failed(
    run: Run, dead_letters: DeadLetters, line: dict[str, Any], shown: str
) -> None:
    """SQS names no run."""
    sent = message()
    dead_letters.put(sent)
    write_log({"message_id": sent.message_id, "level": "ERROR", "message": "Handler failed", **line})

    assert shown in run("dlq", "show", sent.message_id).stdout


def write_log(*lines: dict[str, Any]) -> None:
    logs = client("logs")
    logs.create_log_group(logGroupName=LOG_GROUP)
    logs.create_log_stream(logGroupName=LOG_GROUP, logStreamName="one")
    now = int(time.time() * 1000)
    logs.put_log_events(
        logGroupName=LOG_GROUP,
        logStreamName="one",
        logEvents=[{"timestamp": now, "message": json.dumps(line)} for line in lines],
    )


def test_of_several_dead_letters_of_a_message_the_newest_is_shown(
    run: Run, dead_letters: DeadLetters
) -> None:
    sent = message()
    dead_letters.put(sent, "the first")
    newest = dead_letters.put(sent, "the second")
    shown = run("dlq", "show", sent.message_id, "-o", "json").document["dead_letter"]

    assert shown["others"] == 1
    assert shown["id"] == newest


def test_a_completed_message_would_only_be_removed(
    run: Run, dead_letters: DeadLetters, rows: Callable[[PilotMessage, str | None], None]
) -> None:
    sent = message()
    dead_letters.put(sent, "boom")
    rows(sent, None)
    assert (
        "only remove it from the queue: the message is completed"
        in run("dlq", "show", sent.message_id).stdout
    )


def test_a_dead_letter_that_cannot_be_read_is_shown_with_the_reason(
    run: Run, dead_letters: DeadLetters
) -> None:
    dead_letter_id = dead_letters.put("hello, I am no message but a text of somebody +15005550006")
    result = run("dlq", "show", dead_letter_id)

    assert "unreadable     the body is not JSON" in result.stdout
    assert "redrive would  leave it: the body is not JSON" in result.stdout
    assert "somebody" not in result.stdout


def test_a_dead_letter_is_shown_without_a_database(run: Run, dead_letters: DeadLetters) -> None:
    sent = message()
    dead_letters.put(sent, "boom")
    result: Result = run("dlq", "show", sent.message_id, "--database-url", "postgresql://127.0.0.1:1/x")

    assert result.exit_code == 0
    assert "row            unknown, the database did not answer: no connection to" in result.stdout


def test_a_dead_letter_that_is_not_there_is_an_error(run: Run, dead_letters: DeadLetters) -> None:
    dead_letters.put(message(), "boom")
    wanted = message().message_id
    result = run("dlq", "show", wanted)

    assert result.exit_code == 1
    assert f"error: no dead letter of {wanted} was found (saw 1 of about 1)" in result.stderr


def test_a_group_says_what_its_rows_failed_of_last_where_that_is_something_else(
    run: Run, dead_letters: DeadLetters, rows: Callable[[PilotMessage, str | None], None]
) -> None:
    """As after a redrive in which some failed of another cause: their dead letters stay as they were written."""
    for error in ("no customer 4711", "no customer 4712", "the credit limit of 4713 is used up"):
        sent = message()
        dead_letters.put(sent, "no customer 4711")
        rows(sent, error)

    (group,) = run("dlq", "list", "-o", "json").document["groups"]

    assert group["error"] == "no customer <n>"
    assert group["row_errors"] == {"the credit limit of <n> is used up": 1}
    assert "    last error of 1 row: the credit limit of <n> is used up\n" in run("dlq", "list").stdout


def test_the_groups_of_the_last_list_are_offered_for_completion(
    run: Run, three_causes: list[PilotMessage], monkeypatch: pytest.MonkeyPatch
) -> None:
    run("dlq", "list")
    run("dlq", "list", "--group", "G2")
    monkeypatch.setenv("_B2BPILOT_COMPLETE", "complete_fish")
    monkeypatch.setenv("_TYPER_COMPLETE_ARGS", "b2bpilot dlq redrive --group ")

    offered = run().stdout.splitlines()

    assert offered[0] == "G1\t3 exception: order <n> has no customer"
    assert [line.partition("\t")[0] for line in offered] == ["G1", "G2", "G3"]


@pytest.fixture
def others(staging: Staging) -> Callable[..., None]:
    def subscribe(protocol: str, endpoint: str, dead_letters: str | None = None) -> None:
        policy = {"RedrivePolicy": json.dumps({"deadLetterTargetArn": dead_letters})} if dead_letters else {}
        client("sns").subscribe(
            TopicArn=staging.topic_arn, Protocol=protocol, Endpoint=endpoint, Attributes=policy
        )

    return subscribe


SQS = "arn:aws:sqs:eu-west-1:123456789012"


@pytest.mark.usefixtures("dead_letters")
@pytest.mark.parametrize(
    ("subscription", "said"),
    [
        (("sqs", f"{SQS}:crm", f"{SQS}:never-made"), "does not exist"),
        (("sqs", "arn:aws:sqs:eu-west-1:999999999999:crm", None), "is in account 999999999999"),
        (("sqs", "arn:aws:sqs:us-east-1:123456789012:crm", None), "is in us-east-1"),
        (("sqs", f"{SQS}:crm.fifo", None), "has a FIFO queue"),
        (("sqs", f"{SQS}:crm", f"{SQS.replace('sqs', 'sns')}:topic"), "which is no queue"),
    ],
)
def test_all_says_that_a_queue_was_not_read_and_ends_with_4(
    run: Run, others: Callable[..., None], subscription: tuple[str, str, str | None], said: str
) -> None:
    others(*subscription)

    listed = run("dlq", "list", "-e", "staging", "--all")

    assert (listed.exit_code, said in listed.stderr) == (4, True), listed.stderr
    name = subscription[1].rpartition(":")[2]
    assert f"Subscriber {name}: not read" in listed.stdout.splitlines()
    assert f"the dead letters of {name} were not read" in listed.stderr


def test_who_keeps_no_dead_letters_is_no_failure_of_all_and_each_is_named(
    run: Run, dead_letters: DeadLetters, others: Callable[..., None]
) -> None:
    url = client("sqs").create_queue(QueueName="billing-b2b-pilot-staging-dlq")["QueueUrl"]
    client("sqs").create_queue(QueueName="billing-b2b-pilot-staging")
    others("email", "ada@example.com")
    others("sqs", f"{SQS}:billing-b2b-pilot-staging", f"{SQS}:billing-b2b-pilot-staging-dlq")

    listed = run("dlq", "list", "-e", "staging", "--all")

    assert listed.exit_code == 0, listed.stderr
    assert listed.stdout.splitlines() == [
        "Subscriber processor: no dead letters",
        "Subscriber billing: no dead letters",
    ]
    assert "neither a function nor a queue" in listed.stderr
    assert "subscriber witness has no dead-letter queue" in listed.stderr
    assert "is empty" not in listed.stderr, "said beside the name"
    one = run("dlq", "list", "-e", "staging", "--subscriber", "billing")
    assert (one.stdout, one.stderr.count("empty")) == ("Subscriber billing: no dead letters\n", 0)
    for_a_program = run("dlq", "list", "-e", "staging", "--subscriber", "billing", "-o", "json")
    assert "Subscriber billing: The dead-letter queue is empty." in for_a_program.stderr
    client("sqs").send_message(QueueUrl=url, MessageBody="hello")
    filtered = run("dlq", "list", "-e", "staging", "--subscriber", "billing", "--error", "nothing like it")
    assert filtered.stdout == "Subscriber billing: no dead letters match\n"
    assert "Subscriber billing: No dead letters match" in filtered.stderr


def test_the_next_step_is_about_the_first_group_that_holds_any_of_ones_own() -> None:
    """The biggest one was another subscriber's, and the redrive of one's own was not printed."""
    theirs = Owner(ownership=Ownership.OTHER, name="function analytics")
    seen: dict[str, Any] = {
        "oldest": None,
        "newest": None,
        "expiry": None,
        "cause": Cause(FailureKind.EXCEPTION, "x"),
    }
    groups = [
        Group(id="G1", count=20, sample="theirs", owners={theirs: 20}, **seen),
        Group(id="G2", count=4, sample="both", owners={theirs: 3}, **seen),
    ]
    look = Peek(found=[], names={}, saw=24, counters=Counters(visible=0, hidden=0, delayed=0))

    def steps(*shown: Group) -> list[str]:
        found = DeadLetterListing(look=look, groups=shown, database=None, database_error=None)
        return [str(step) for step in next_steps(found, Selection())]

    assert steps(*groups) == [
        "Next: b2bpilot dlq show both",
        "When the cause is fixed: b2bpilot dlq redrive --group G2",
    ]
    assert steps(groups[0]) == ["Next: b2bpilot dlq show theirs"]
