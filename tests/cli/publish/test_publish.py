"""`b2bpilot publish`."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from b2bpilot.cli.app import main
from b2bpilot.pipeline.database import DatabaseManager
from b2bpilot.pipeline.message import PilotMessage, Source, message_id_for
from b2bpilot.pipeline.processing import submission_fields
from tests.cli.conftest import Run, Staging

MESSAGE_ID = "6a2a4cf4-5b3e-4f0e-9d62-6e9f2c4d7a10"
SID = f"SM{'0' * 31}1"
UNREACHABLE = "postgresql://me:hunter2@127.0.0.1:9/pilot"


def stored(
    database_url: str, message_id: str = MESSAGE_ID, *, error: str | None = None, test: bool = True
) -> None:
    """Do what the processor does with a message."""
    message = PilotMessage(
        message_id=message_id,
        source=Source.CLI,
        received_at=datetime.now(UTC),
        params={"Body": "x"},
        test=test,
    )
    with DatabaseManager(database_url) as database:
        claim = database.claim(message, lease=timedelta(seconds=60))
        assert claim is not None
        if error:
            database.fail(claim, error)
        else:
            database.complete(claim, submission_fields(message))


POLL_SECONDS = 0.005


@contextmanager
def a_processor(staging: Staging, database_url: str) -> Iterator[None]:
    """Store whatever arrives, until the block ends."""
    done = threading.Event()

    def work() -> None:
        while not done.wait(POLL_SECONDS):
            for message in staging.messages():
                stored(database_url, message["attributes"]["message_id"])

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


def test_a_published_message_is_a_test_message_from_the_cli(run: Run, staging: Staging) -> None:
    result = run("publish", "-e", "staging", "--body", "hello", "--message-id", MESSAGE_ID)
    (sent,) = staging.messages()
    assert result.exit_code == 0
    assert result.stdout.startswith(f"Published {MESSAGE_ID} (test, SNS ")
    assert result.stderr == "Also reaches: witness\n"
    assert sent["body"]["test"] is True
    assert sent["body"]["params"] == {
        "NumMedia": "0",
        "From": "+15005550006",
        "To": "+15005550001",
        "Body": "hello",
    }
    assert sent["attributes"] == {
        "message_id": MESSAGE_ID,
        "source": "cli",
        "message_type": "test",
        "priority": "normal",
        "test": "true",
    }


def test_parameters_travel_as_they_are_given(run: Run, staging: Staging) -> None:
    options = [
        "--from",
        "whatsapp:+491701234567",
        "--param",
        "MediaUrl0=https://x/?a=b",
        "--param",
        "ProfileName=",
    ]
    result = run("publish", "-e", "staging", *options)
    params = staging.messages()[0]["body"]["params"]
    assert result.exit_code == 0
    assert params["From"] == "whatsapp:+491701234567"
    assert params["MediaUrl0"] == "https://x/?a=b"
    assert params["ProfileName"] == ""
    assert params["NumMedia"] == "1"


def test_a_message_sid_decides_the_message_id(run: Run, staging: Staging) -> None:
    result = run("publish", "-e", "staging", "--param", f"MessageSid={SID}", "-o", "json")
    assert result.document["published"]["message_id"] == message_id_for(SID)


def test_json_says_what_was_published(run: Run, staging: Staging) -> None:
    published = run("publish", "-e", "staging", "-o", "json").document["published"]
    assert published["environment"] == "staging"
    assert published["test"] is True
    assert published.keys() == {
        "message_id",
        "sns_message_id",
        "outcome",
        "test",
        "environment",
        "run_id",
    }


def test_wait_ends_when_the_row_is_completed(run: Run, staging: Staging, database_url: str) -> None:
    with a_processor(staging, database_url):
        result = run("publish", "-e", "staging", "--wait", "-o", "json")
    assert result.exit_code == 0
    assert result.document["waited"]["verdict"] == "stored"
    assert result.document["waited"]["attempts"] == 1
    assert 0 <= result.document["waited"]["latency_ms"] < 30_000


@pytest.mark.parametrize("off", [timedelta(minutes=4), timedelta(minutes=-4), timedelta(days=2)], ids=str)
def test_how_long_it_took_is_measured_by_one_clock(
    staging: Staging, database_url: str, capsys: pytest.CaptureFixture[str], off: timedelta
) -> None:
    """The message was dated by AWS's, to the second, and its row by the database's: that made -439 ms."""
    with a_processor(staging, database_url):
        exit_code = main(
            ["publish", "-e", "staging", "--wait", "-o", "json"], machine=lambda: datetime.now(UTC) + off
        )

    waited = json.loads(capsys.readouterr().out)["waited"]
    assert (exit_code, waited["verdict"]) == (0, "stored")
    assert 0 < waited["latency_ms"] < 30_000


def test_wait_that_ends_without_a_row_fails(run: Run, staging: Staging) -> None:
    result = run("publish", "-e", "staging", "--message-id", MESSAGE_ID, "--wait", "50ms")
    assert result.exit_code == 1
    assert result.stdout.startswith(f"Published {MESSAGE_ID} (test, SNS ")
    assert "Stored" not in result.stdout
    assert result.stderr.endswith(
        f"error: message {MESSAGE_ID} was published, but not stored within 0.05 s: it has no row\n"
        f"hint: look again with `b2bpilot inspect -e staging {MESSAGE_ID}`\n"
    )


def test_json_holds_the_publishing_and_the_error(run: Run, staging: Staging) -> None:
    result = run("publish", "-e", "staging", "--message-id", MESSAGE_ID, "--wait", "50ms", "-o", "json")
    assert result.exit_code == 1
    assert result.document["published"]["message_id"] == MESSAGE_ID
    assert result.document["waited"]["verdict"] == "not_stored"
    assert result.document["error"]["code"] == "timed_out"


def test_wait_tells_a_failed_attempt_and_its_error(run: Run, staging: Staging, database_url: str) -> None:
    stored(database_url, error="the CRM is down")
    result = run("publish", "-e", "staging", "--message-id", MESSAGE_ID, "--wait", "50ms")
    assert result.exit_code == 1
    assert "Attempt 1 failed: the CRM is down; waiting for Lambda's next one" in result.stderr
    assert "but not stored within 0.05 s: attempt 1 failed: the CRM is down" in result.stderr


def test_a_row_that_was_there_before_is_no_new_success(run: Run, staging: Staging, database_url: str) -> None:
    stored(database_url)
    result = run("publish", "-e", "staging", "--message-id", MESSAGE_ID, "--wait")
    assert result.exit_code == 0
    assert "It was stored before: the processor skips it as a duplicate\n" in result.stdout


def test_a_test_is_refused_the_id_of_a_real_message_before_anything_is_published(
    run: Run, staging: Staging, database_url: str
) -> None:
    stored(database_url, test=False)
    result = run("publish", "-e", "staging", "--message-id", MESSAGE_ID, "--wait")
    assert result.exit_code == 5
    assert (
        f"error: {MESSAGE_ID} is the id of a real message: a test message cannot have it. Nothing was published\n"
        in result.stderr
    )
    assert staging.messages() == []


def test_a_publish_that_is_refused_is_over_and_has_no_resume(
    run: Run, staging: Staging, database_url: str
) -> None:
    stored(database_url, test=False)
    result = run("publish", "-e", "staging", "--message-id", MESSAGE_ID, "--wait")
    assert result.exit_code == 5
    assert "runs resume" not in result.stderr
    (listed,) = run("runs", "list", "-o", "json").document["runs"]
    assert (listed["state"], listed["counts"]) == ("finished", {"refused": 1})
    assert staging.messages() == []


def test_nothing_is_published_when_the_database_to_wait_on_is_unreachable(run: Run, staging: Staging) -> None:
    result = run("publish", "-e", "staging", "--wait", "--database-url", UNREACHABLE)
    assert result.exit_code == 1
    assert "error: no connection to pilot at 127.0.0.1:9" in result.stderr
    assert staging.messages() == []


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--message-id", "nonsense"], "--message-id: 'nonsense' is not a UUID"),
        (["--param", "Body"], "'Body' is not KEY=VALUE"),
        (["--param", "Bdy=x"], "Twilio sends no parameter 'Bdy'"),
        (["--param", "MessageSid=SM1"], "MessageSid 'SM1' is not a Twilio SID"),
        (["--param", f"MessageSid={SID}", "--message-id", MESSAGE_ID], "is not the id of MessageSid"),
        (["--wait", "7 parsecs"], "--wait: '7 parsecs' is not a duration"),
        (["--body", "x" * 300_000], "SNS takes 262,144"),
        (["--real", "--body", "hi"], "a real message needs its own From, To"),
        (["--colour", "always"], "no such option: --colour"),
        (["surplus"], "there is no fixture 'surplus'"),
    ],
)
def test_bad_input_is_refused_and_nothing_is_published(
    run: Run, staging: Staging, options: list[str], said: str
) -> None:
    result = run("publish", "-e", "staging", *options)
    assert result.exit_code == 2
    assert result.stdout == ""
    assert result.stderr.startswith("error: ")
    assert said in result.stderr.splitlines()[0]
    assert staging.messages() == []


REAL = (
    "publish",
    "-e",
    "staging",
    "--real",
    "--from",
    "+491701234567",
    "--to",
    "+15005550001",
    "--body",
    "hello",
)


def test_a_real_message_without_a_terminal_needs_yes(run: Run, staging: Staging) -> None:
    result = run(*REAL)
    assert result.exit_code == 5
    assert result.stderr == (
        "Publish 1 real message to environment staging (account 123456789012, eu-west-1): "
        "from +4917***4567, 'hello'.\n"
        "If the environment has a reply configured, that number gets it.\n"
        "error: not confirmed: there is no terminal to confirm at. Nothing was changed\n"
        "hint: run it again with --yes\n"
    )
    assert staging.messages() == []


def test_a_real_message_is_no_test(run: Run, staging: Staging) -> None:
    result = run(*REAL, "--yes")
    (sent,) = staging.messages()
    assert result.exit_code == 0
    assert result.stdout.startswith("Published ")
    assert "test" not in result.stdout
    assert sent["body"]["test"] is False
    assert sent["attributes"]["message_type"] == "text"


@pytest.mark.parametrize(
    ("options", "happens"),
    [
        (["--message-id", message_id_for(SID)], "is refused, and becomes a dead letter"),
        (["--set", f"MessageSid={SID}"], "is refused, and becomes a dead letter"),
        (["--message-id", MESSAGE_ID], None),
        ([], None),
    ],
)
def test_an_id_that_may_be_a_message_of_twilio_is_warned_of(
    run: Run, staging: Staging, options: list[str], happens: str | None
) -> None:
    """Stored under it, the test would keep Twilio's own message out of the table."""
    result = run("publish", "-e", "staging", "--dry-run", *options)

    assert result.exit_code == 0
    assert ("Warning: " in result.stderr) is (happens is not None)
    assert happens is None or happens in result.stderr


@pytest.mark.parametrize("fixture", [["text"], ["media"], ["poison"], ["text", "--count", "2"]])
def test_a_fixtures_own_random_id_is_not_warned_of(run: Run, staging: Staging, fixture: list[str]) -> None:
    """No message of Twilio has it, and the message that is published has another one."""
    result = run("publish", "-e", "staging", *fixture, "--dry-run")

    assert result.exit_code == 0
    assert "Warning: " not in result.stderr


def test_an_id_of_twilio_in_a_file_is_warned_of(run: Run, staging: Staging, tmp_path: Path) -> None:
    file = tmp_path / "messages.jsonl"
    file.write_text(
        f'{{"params": {{}}, "message_id": "{MESSAGE_ID}"}}\n{{"params": {{"MessageSid": "{SID}"}}}}\n'
    )

    result = run("publish", "-e", "staging", "--file", str(file), "--dry-run")

    assert f"Warning: {message_id_for(SID)} may be the id of a message of Twilio" in result.stderr
