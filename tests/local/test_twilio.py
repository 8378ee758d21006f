"""Twilio's double and the deployed template together: replies, losses that only Twilio knows, recovery, and who is named in it."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest

from b2bpilot.cli.app import main
from b2bpilot.ops.runs.record import read
from b2bpilot.pipeline.database import DatabaseManager
from b2bpilot.pipeline.message import Priority, message_id_for
from b2bpilot.pipeline.models import ReplyState, UserSubmission
from b2bpilot.pipeline.several_values import values_of
from b2bpilot.twilio.rest import Twilio, TwilioAccess
from b2bpilot.twilio.samples import NUMBER, Sample, sample_params
from b2bpilot.twilio.webhook import WebhookClient
from tests.forked import Forked
from tests.local.conftest import Machine, back_door_headers, machine
from tests.local.polling import eventually
from tests.local.test_pipeline import closed_database

REPLY = "Thank you, we are on it!"
SENDER = "+15005550006"
STOPPED = "+15005550004"
URGENT = "+15005550009"
MISSING = 137
ALL_THE_SAME = "--even-if-queued"
"""The burst of one test throttles the processor for minutes."""


@pytest.fixture(scope="module")
def pipeline(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    """An environment that answers every message, with an express lane. A lease is 50 s by the scale: the first reply imports
    for a second or two."""
    home = tmp_path_factory.mktemp("twilio") / "home"
    lane = ("--parameter", "ExpressConcurrency=2", "--parameter", f"HighPriorityNumbers=12345, {URGENT}")
    with machine(home, "--time-scale", "20", "--reply-text", REPLY, *lane) as found:
        yield found


@pytest.fixture
def database(pipeline: Machine) -> Iterator[DatabaseManager]:
    with DatabaseManager(pipeline.state.database_url) as found:
        yield found


@pytest.fixture
def twilio(pipeline: Machine) -> Twilio:
    state = pipeline.state
    return TwilioAccess(
        account_sid=state.twilio_account_sid, auth_token=state.twilio_auth_token, api_url=state.twilio_api_url
    ).connect()


def back_door(pipeline: Machine, name: str, order: dict[str, Any]) -> Any:
    request = urllib.request.Request(
        f"{pipeline.state.twilio_api_url}/_double/{name}",
        data=json.dumps(order).encode(),
        headers=back_door_headers(pipeline.state),
        method="POST",
    )
    with urllib.request.urlopen(request) as answer:
        return json.load(answer)


def receive(
    pipeline: Machine,
    count: int = 1,
    *,
    sender: str = SENDER,
    deliver: bool = True,
    ago: timedelta = timedelta(),
) -> list[str]:
    """Let messages come in at Twilio; returns their SIDs."""
    account = pipeline.state.twilio_account_sid
    found = [sample_params(Sample.TEXT, From=sender, To=NUMBER, AccountSid=account) for _ in range(count)]
    at = (datetime.now(UTC) - ago).isoformat()
    back_door(
        pipeline, "inbound", {"messages": [{"params": each, "at": at, "deliver": deliver} for each in found]}
    )
    return [each["MessageSid"] for each in found]


def shell(pipeline: Machine, *arguments: str) -> subprocess.Popen[str]:
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(pipeline.home),
        "B2BPILOT_HOME": str(pipeline.home),
    }
    return Forked(
        [sys.executable, "-m", "b2bpilot", *arguments],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def said(process: subprocess.Popen[str]) -> str:
    text, _ = process.communicate(timeout=120)
    assert process.returncode == 0, text
    return text


def replied(database: DatabaseManager, sid: str) -> UserSubmission:
    def look() -> UserSubmission | None:
        found = database.get_submission_by_message_id(message_id_for(sid))
        return found if found and found.completed_at else None

    return eventually(look, "a completed row")  # type: ignore[return-value]  # never None here


def test_a_reply_lands_at_twilio_once_though_the_message_came_twice(
    pipeline: Machine, database: DatabaseManager, twilio: Twilio
) -> None:
    sender = "+15005550011"
    params = sample_params(Sample.TEXT, From=sender, To=NUMBER, AccountSid=pipeline.state.twilio_account_sid)
    for _ in range(2):
        back_door(pipeline, "inbound", {"messages": [{"params": params}]})

    row = replied(database, params["MessageSid"])

    assert row.reply_state is ReplyState.SENT
    assert [(each.sid, each.body) for each in twilio.client.messages.list(to=sender)] == [
        (row.reply_sid, REPLY)
    ]


def test_a_delivery_report_at_the_url_for_messages_is_neither_stored_nor_answered(
    pipeline: Machine,
    database: DatabaseManager,
    twilio: Twilio,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("B2BPILOT_HOME", str(pipeline.home))
    (sid,) = receive(pipeline, sender="+15005550012")
    reply = replied(database, sid).reply_sid
    assert reply is not None

    report = {"message_sid": reply, "state": "delivered", "url": pipeline.state.webhook_url}
    assert back_door(pipeline, "report", report) == {"taken": True}

    (later,) = receive(pipeline, sender="+15005550012")
    replied(database, later)
    assert database.get_submission_by_message_id(message_id_for(reply)) is None
    assert twilio.client.messages.list(to=NUMBER, from_="+15005550012", limit=9)[0].direction == "inbound"
    assert [each for each in twilio.client.messages.list(to=NUMBER) if each.direction != "inbound"] == []

    def logged() -> bool:
        main(["logs", "webhook", "-e", "local", "--filter", "event=status_callback", "-o", "jsonl"])
        return reply in capsys.readouterr().out

    eventually(logged, "the log line of the report")


def test_a_parameter_with_several_values_keeps_all_of_them_in_its_row(
    pipeline: Machine, database: DatabaseManager
) -> None:
    sent = sample_params(Sample.TEXT, From=SENDER, To=NUMBER, AccountSid=pipeline.state.twilio_account_sid)
    values = ["24", "48", "9", "48"]
    pairs = [*sent.items(), *(("Field_n_Value", value) for value in values)]

    assert back_door(pipeline, "inbound", {"messages": [{"pairs": pairs}]}) == {"taken": [True]}

    stored = replied(database, sent["MessageSid"]).params or {}
    assert (values_of(stored, "Field_n_Value"), stored["Field_n_Value"]) == (values, "48")


def test_a_reply_of_which_nobody_knows_is_listed_for_a_person(
    pipeline: Machine,
    database: DatabaseManager,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("B2BPILOT_HOME", str(pipeline.home))
    back_door(pipeline, "faults", {"fault": "drop", "matching": "POST .*Messages"})
    (sid,) = receive(pipeline)
    assert replied(database, sid).reply_state is ReplyState.UNKNOWN

    assert main(["submissions", "stuck", "-e", "local"]) == 0

    assert message_id_for(sid) in capsys.readouterr().out


def test_killed_at_any_moment_and_resumed_everything_missing_is_stored_once(
    pipeline: Machine, database: DatabaseManager
) -> None:
    """kill -9 at four stages of one run, each brought on by `runs resume`."""
    sids = receive(pipeline, MISSING, deliver=False, ago=timedelta(hours=3))
    command = ["twilio", "reconcile", "-e", "local", "--publish-missing", "--yes"]

    killed_when(pipeline, command, has_entries("sending", 1))
    (journal,) = (pipeline.home / "runs").glob("*-reconcile-*.jsonl")
    run_id = read(journal).run_id
    again = ["runs", "resume", run_id, "--yes"]
    for reached in (has_entries("resumed", 1), has_entries("accepted", 1), has_entries("proof", 1)):
        killed_when(pipeline, again, reached)
    said(shell(pipeline, *again))
    second = said(shell(pipeline, *command, "--exit-code"))

    assert "missing" not in second
    assert {state.fate for state in read(journal).messages.values()} == {"completed"}
    with psycopg.connect(pipeline.state.database_url) as connection:
        query = "SELECT count(*), count(DISTINCT message_id) FROM b2b_pilot_user_submissions WHERE message_sid = ANY(%s)"
        assert connection.execute(query, (sids,)).fetchone() == (MISSING, MISSING)
    rows = [database.get_submission_by_message_id(message_id_for(sid)) for sid in sids]
    assert {row.source for row in rows if row} == {"reconcile"}


def has_entries(event: str, count: int) -> Callable[[str], bool]:
    return lambda text: text.count(f'"event": "{event}"') >= count


def killed_when(pipeline: Machine, command: list[str], reached: Callable[[str], bool]) -> None:
    """Kill the process when its journal has come so far; one that was faster has ended."""
    process = shell(pipeline, *command)
    folder = pipeline.home / "runs"
    while process.poll() is None:
        if any(reached(path.read_text()) for path in folder.glob("*-reconcile-*.jsonl")):
            break
        time.sleep(0.001)
    process.send_signal(signal.SIGKILL)
    process.communicate()


def test_a_lost_message_has_twilios_reason_and_comes_back_with_all_parameters(
    pipeline: Machine, database: DatabaseManager, twilio: Twilio, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("B2BPILOT_HOME", str(pipeline.home))
    (number,) = twilio.client.incoming_phone_numbers.list()
    number.update(sms_url="http://127.0.0.1:9/down")
    (sid,) = receive(pipeline, ago=timedelta(hours=1))
    number.update(sms_url=pipeline.state.webhook_url)

    assert main(["twilio", "reconcile", "-e", "local", "--publish-missing", "--yes", ALL_THE_SAME]) == 0

    row = replied(database, sid)
    assert row.source == "reconcile"
    assert row.params is not None
    assert (row.params["ProfileName"], row.params["FromZip"]) == ("Ana", "")


def test_nobody_is_named_in_anything_that_a_full_run_writes(
    pipeline: Machine, database: DatabaseManager, twilio: Twilio
) -> None:
    """Webhook, refused reply, recovery, cut-over, rollback and errors; then journals, output and logs are searched."""
    back_door(pipeline, "opt_out", {"number": STOPPED})
    (refused,) = receive(pipeline, sender=STOPPED)
    assert replied(database, refused).reply_state is ReplyState.REFUSED
    receive(pipeline, deliver=False, ago=timedelta(hours=2))
    output = [
        said(
            shell(
                pipeline,
                "twilio",
                "reconcile",
                "-e",
                "local",
                "--publish-missing",
                "--yes",
                ALL_THE_SAME,
                "--verbose",
                *more,
            )
        )
        for more in ((), ("-o", "json"))
    ]
    output.append(
        said(shell(pipeline, "twilio", "cutover", "-e", "local", "--to", "stack", "--confirm", NUMBER))
    )
    run_id = re.findall(r"run (\S+-cutover-\S+)", output[-1])[0]
    output.append(said(shell(pipeline, "twilio", "rollback", run_id, "--yes", "--verbose")))
    output.append(said(shell(pipeline, "twilio", "route", "-e", "local")))
    back_door(pipeline, "faults", {"fault": "refuse", "matching": "Messages", "status": 400, "code": 21211})
    failed = shell(pipeline, "twilio", "reconcile", "-e", "local", "--to", NUMBER, "--verbose")
    output.append(failed.communicate(timeout=60)[0])
    assert "Traceback" in output[-1]

    written = "\n".join([*output, *journals(pipeline.home), *logs(pipeline)])

    assert "reply_refused" in written
    assert '"event": "accepted"' in written
    for secret in (pipeline.state.twilio_auth_token, NUMBER[1:], SENDER[1:], STOPPED[1:]):
        assert secret not in written


def journals(home: Path) -> list[str]:
    found = list((home / "runs").glob("*.jsonl"))
    assert {path.stat().st_mode & 0o777 for path in found} == {0o600}
    return [path.read_text() for path in [*found, *home.glob("**/*log")] if path.is_file()]


def logs(pipeline: Machine) -> list[str]:
    """All lines that the functions have written; shipped within moments."""
    client = pipeline.client("logs")
    names = ("Webhook", "Processor", "Express", "Stale", "Redriver")
    groups = [f"/aws/lambda/{pipeline.stack_output(f'{name}FunctionName')}" for name in names]

    def look() -> list[str]:
        lines = [
            event["message"]
            for group in groups
            for event in client.filter_log_events(logGroupName=group, limit=10_000)["events"]
        ]
        return lines if any("reply_refused" in line for line in lines) else []

    return eventually(look, "the functions' logs")


def test_a_redacted_message_is_published_only_when_a_part_of_it_will_do(
    pipeline: Machine, database: DatabaseManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("B2BPILOT_HOME", str(pipeline.home))
    publish = ["twilio", "reconcile", "-e", "local", "--publish-missing", "--yes", ALL_THE_SAME]
    back_door(pipeline, "redaction", {"on": True})
    (sid,) = receive(pipeline, deliver=False, ago=timedelta(hours=1))
    back_door(pipeline, "redaction", {"on": False})

    assert main([*publish, "--exit-code"]) == 3
    assert database.get_submission_by_message_id(message_id_for(sid)) is None
    assert main([*publish, "--allow-partial", "--exit-code"]) == 0

    row = replied(database, sid)
    assert (row.source, row.from_number, row.body, row.reply_state) == ("reconcile", "", "", None)


def test_messages_of_another_systems_number_are_left_alone(
    pipeline: Machine,
    database: DatabaseManager,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("B2BPILOT_HOME", str(pipeline.home))
    theirs = "+15005550008"
    bought = back_door(pipeline, "number", {"phone_number": theirs, "sms_url": "https://crm.example/sms"})
    params = sample_params(Sample.TEXT, From=SENDER, To=theirs, AccountSid=pipeline.state.twilio_account_sid)
    at = (datetime.now(UTC) - timedelta(hours=1)).isoformat()
    back_door(pipeline, "inbound", {"messages": [{"params": params, "at": at, "deliver": False}]})

    command = ["twilio", "reconcile", "-e", "local", "--to", theirs, "--publish-missing", "--yes"]
    assert main([*command, ALL_THE_SAME, "--allow-partial", "--exit-code"]) == 0
    back_door(pipeline, "no_number", bought)

    assert "1 to numbers that do not deliver here" in capsys.readouterr().out
    assert database.get_submission_by_message_id(message_id_for(params["MessageSid"])) is None


# ---- express lane ----


def test_an_urgent_message_is_one_row_and_one_reply_by_whichever_run_was_first(
    pipeline: Machine,
    database: DatabaseManager,
    twilio: Twilio,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    bought = back_door(pipeline, "number", {"phone_number": URGENT, "sms_url": pipeline.state.webhook_url})
    sid = urgent(pipeline, sender="+15005550013")

    ends = eventually(lambda: ends_of(pipeline, sid, 2), "the end of both runs")

    row = replied(database, sid)
    back_door(pipeline, "no_number", bought)
    assert sorted(ends) in (["duplicate", "stored"], ["in_progress", "stored"])
    assert (row.priority, row.attempts) == (Priority.HIGH, 1)
    assert [each.sid for each in twilio.client.messages.list(to="whatsapp:+15005550013")] == [row.reply_sid]
    monkeypatch.setenv("B2BPILOT_HOME", str(pipeline.home))
    capsys.readouterr()
    assert main(["subscribers", "-e", "local", "-o", "json"]) == 0
    found = json.loads(capsys.readouterr().out)["subscriptions"]
    assert sorted((one["name"], one["processor"], one["verdict"]) for one in found) == [
        ("express", False, "healthy"),
        ("processor", True, "healthy"),
    ]


def test_a_lost_urgent_message_is_published_as_urgent(
    pipeline: Machine, database: DatabaseManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The number is read from the stack: this process has none of the webhook's variables."""
    monkeypatch.setenv("B2BPILOT_HOME", str(pipeline.home))
    bought = back_door(pipeline, "number", {"phone_number": URGENT, "sms_url": pipeline.state.webhook_url})
    account = pipeline.state.twilio_account_sid
    params = sample_params(Sample.TEXT, From=SENDER, To=URGENT, AccountSid=account)
    at = (datetime.now(UTC) - timedelta(hours=1)).isoformat()
    back_door(pipeline, "inbound", {"messages": [{"params": params, "at": at, "deliver": False}]})

    command = ["twilio", "reconcile", "-e", "local", "--to", URGENT, "--publish-missing", "--yes"]
    assert main([*command, ALL_THE_SAME]) == 0
    back_door(pipeline, "no_number", bought)

    assert replied(database, params["MessageSid"]).priority == Priority.HIGH
    assert eventually(lambda: ends_of(pipeline, params["MessageSid"], 2), "the end of both runs")


def test_what_both_lanes_gave_up_is_two_dead_letters_and_one_row(
    pipeline: Machine,
    database: DatabaseManager,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("B2BPILOT_HOME", str(pipeline.home))
    with closed_database(pipeline):
        sid = urgent(pipeline)
        eventually(lambda: dead_letters_of(pipeline, sid, 2), "two dead letters")
    only = ("-e", "local", "--message-id", message_id_for(sid))
    assert main(["dlq", "list", *only, "-o", "json"]) == 0
    groups = json.loads(capsys.readouterr().out)["groups"]
    counted = [sum(one[name] for one in groups) for name in ("count", "messages", "of_express")]
    assert (counted, {one["owner"] for group in groups for one in group["owners"]}) == ([2, 1, 1], set())

    assert main(["dlq", "redrive", *only, "--yes"]) == 0

    row = replied(database, sid)
    assert row.priority == Priority.HIGH
    assert dead_letters_of(pipeline, sid, 1) == []


@pytest.mark.parametrize("via", ["webhook", "topic"])
def test_a_load_tells_how_fast_each_priority_was_stored_and_that_the_lane_is_on(
    pipeline: Machine, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], via: str
) -> None:
    """Before the next test, which takes the lane away."""
    monkeypatch.setenv("B2BPILOT_HOME", str(pipeline.home))
    share = ("--clients", "2", "--requests", "10", "--high", "20%", "--via", via)

    exit_code = main(["load", "-e", "local", *share, "--yes", "-o", "json"])

    load = json.loads(capsys.readouterr().out)["load"]
    assert exit_code == 0, load
    told = load["priorities"]
    assert (told["express_lane"], told["sent_high"], told["stored_high"]) == (True, 4, 4)
    assert {one: found["count"] for one, found in told["accept_to_stored_ms"].items()} == {
        "high": 4,
        "normal": 16,
    }
    promises = {check["promise"]: check["detail"] for check in load["checks"]}
    assert "the express lane is on, 2 at a time" in promises["messages of high priority pass a backlog"]
    assert "the express processor stays within its reserve" in promises


def test_what_became_of_each_delivery_is_read_in_both_logs(
    pipeline: Machine, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("B2BPILOT_HOME", str(pipeline.home))
    again = ("--priority", "high", "--duplicate", "1", "--wait", "1m")

    assert main(["publish", "text", "-e", "local", "--via", "topic", *again, "-o", "json"]) == 0

    (one,) = json.loads(capsys.readouterr().out)["deliveries"]
    assert (one["deliveries"], one["log"]["stored"], sum(one["log"].values())) == (2, 1, 4)


def test_of_a_deleted_express_lane_nothing_is_lost_and_its_dead_letters_are_ours(
    pipeline: Machine, database: DatabaseManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    """First the function alone, of which SNS makes a dead letter each, and then the subscription."""
    monkeypatch.setenv("B2BPILOT_HOME", str(pipeline.home))
    pipeline.client("lambda").delete_function(FunctionName=pipeline.stack_output("ExpressFunctionName"))
    stored = replied(database, urgent(pipeline))
    eventually(lambda: dead_letters_of(pipeline, str(stored.message_sid), 1), "SNS's dead letter")

    assert main(["dlq", "redrive", "-e", "local", "--message-id", stored.message_id, "--yes"]) == 0

    assert replied(database, str(stored.message_sid)) == stored
    pipeline.client("sns").unsubscribe(SubscriptionArn=pipeline.stack_output("ExpressSubscriptionArn"))
    replied(database, urgent(pipeline))


def urgent(pipeline: Machine, *, sender: str = SENDER) -> str:
    """Let an urgent message come in, on another channel; returns its SID."""
    account = pipeline.state.twilio_account_sid
    params = sample_params(
        Sample.TEXT, From=f"whatsapp:{sender}", To=f"whatsapp:{URGENT}", AccountSid=account
    )
    with WebhookClient(pipeline.state.webhook_url, auth_token=pipeline.state.twilio_auth_token) as client:
        assert client.post(params).status == 200
    return params["MessageSid"]


def dead_letters_of(pipeline: Machine, sid: str, count: int) -> list[str]:
    """The bodies of a message's dead letters, once there are so many."""
    sqs, url = pipeline.client("sqs"), pipeline.stack_output("DeadLetterQueueUrl")
    seen = sqs.receive_message(QueueUrl=url, VisibilityTimeout=0, MaxNumberOfMessages=10).get("Messages", [])
    found = [one["Body"] for one in seen if message_id_for(sid) in one["Body"]]
    return found if len(found) >= count else []


def ends_of(pipeline: Machine, sid: str, count: int) -> list[str]:
    """How the runs of both lanes ended, once there are so many."""
    groups = [
        f"/aws/lambda/{pipeline.stack_output(f'{name}FunctionName')}" for name in ("Processor", "Express")
    ]
    lines = [
        json.loads(event["message"])
        for group in groups
        for event in pipeline.client("logs").filter_log_events(logGroupName=group, limit=10_000)["events"]
        if message_id_for(sid) in event["message"]
    ]
    found = [line["event"] for line in lines if line.get("event") in ("stored", "duplicate", "in_progress")]
    return found if len(found) >= count else []
