"""`b2bpilot publish` of many messages, to an endpoint that misbehaves; and going on with what it left."""

from __future__ import annotations

import json
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.conftest import REGION, Result, Run
from tests.cli.publish.fake_sns import FakeAws, fake_aws


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("B2BPILOT_HOME", str(tmp_path / "pilot"))
    return tmp_path / "pilot"


@pytest.fixture
def aws(home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeAws]:
    with fake_aws() as server:
        settings = {
            "AWS_ENDPOINT_URL": server.url,
            "AWS_REGION": REGION,
            "AWS_ACCESS_KEY_ID": "123456789012",
            "AWS_SECRET_ACCESS_KEY": "testing",
        }
        for name, value in settings.items():
            monkeypatch.setenv(name, value)
        yield server


def publish(run: Run, *options: str) -> Result:
    return run("publish", "text", "-e", "staging", "-o", "json", *options)


def resume(run: Run, result: Result) -> Result:
    return run("runs", "resume", result.document["published"]["run_id"], "--yes", "-o", "json")


def by_outcome(result: Result) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for one in result.document["messages"]:
        found.setdefault(one["outcome"], set()).add(one["message_id"])
    return found


def test_all_messages_are_accounted_for_and_nothing_is_kept_of_them(
    run: Run, aws: FakeAws, home: Path
) -> None:
    result = publish(run, "--count", "95")
    assert result.exit_code == 0
    assert set(aws.taken) == by_outcome(result)["accepted"]
    assert len(aws.taken) == 95
    assert aws.batches == 10
    assert result.document["published"]["accepted"] == 95
    assert list((home / "outbox").iterdir()) == []


def test_one_refused_entry_of_ten_is_listed_and_alone_sent_again(run: Run, aws: FakeAws) -> None:
    aws.refuse = "3"
    result = publish(run, "--count", "100")
    assert result.exit_code == 4
    assert by_outcome(result) == {"accepted": set(aws.taken), "failed": aws.refused}
    assert len(aws.refused) == 10
    assert result.document["error"]["code"] == "partly_failed"
    aws.fix()
    again = resume(run, result)
    assert again.exit_code == 0
    assert by_outcome(again) == {"accepted": aws.refused}
    assert again.document["published"]["accepted"] == 100
    assert set(aws.taken.values()) == {1}


def test_what_got_no_answer_is_unknown_and_sent_again_under_its_id(run: Run, aws: FakeAws) -> None:
    aws.silent_batches = frozenset({2, 4})
    result = publish(run, "--count", "50")
    assert result.exit_code == 4
    assert by_outcome(result)["unknown"] == aws.silent
    assert (
        result.document["published"] | {"accepted": 30, "unknown": 20, "failed": 0}
        == result.document["published"]
    )
    aws.fix()
    again = resume(run, result)
    assert again.exit_code == 0
    assert {id_ for id_, times in aws.taken.items() if times == 2} == aws.silent
    assert len(aws.taken) == 50


def test_a_throttled_batch_is_sent_again_more_slowly_and_is_no_failure(run: Run, aws: FakeAws) -> None:
    aws.throttle_first = 2
    result = publish(run, "--count", "20", "--concurrency", "2")
    assert result.exit_code == 0
    assert set(aws.taken.values()) == {1}
    assert len(aws.taken) == 20


def test_all_three_at_once_are_summed_up_exactly(run: Run, aws: FakeAws) -> None:
    aws.refuse, aws.throttle_first, aws.silent_batches = "0", 1, frozenset({3})
    result = run("publish", "text", "-e", "staging", "--count", "60", "--concurrency", "2")
    assert result.exit_code == 4
    head, *rest = result.stdout.splitlines()
    assert head.startswith("Known to be published: 45 of 60 messages in ")
    assert rest[0] == "  5 were certainly not published"
    assert rest[1].startswith("  10 are unknown: ")
    listed = {line.split()[0] for line in rest if line.split()[0] in aws.refused | aws.silent}
    assert listed == aws.refused | aws.silent
    assert "hint: send the rest: b2bpilot runs resume " in result.stderr


def test_who_may_not_publish_is_told_once_and_nothing_more_is_tried(run: Run, aws: FakeAws) -> None:
    aws.denied = True
    result = publish(run, "--count", "1000", "--concurrency", "1", "--yes")
    assert result.exit_code == 1
    assert result.document["error"]["code"] == "aws_denied"
    assert result.document["published"]["never_sent"] == 990
    aws.fix()
    assert resume(run, result).document["published"]["accepted"] == 1000


def test_a_finished_run_has_nothing_to_resume(run: Run, aws: FakeAws) -> None:
    again = resume(run, publish(run, "--count", "20"))
    assert again.exit_code == 5
    assert "nothing left to send" in again.document["error"]["message"]
    assert set(aws.taken.values()) == {1}


def test_another_process_can_resume_it(run: Run, aws: FakeAws) -> None:
    aws.refuse = "0"
    run_id = publish(run, "--count", "10").document["published"]["run_id"]
    aws.fix()
    resumed = subprocess.run(
        [sys.executable, "-m", "b2bpilot", "runs", "resume", run_id, "--yes"],
        check=False,
        capture_output=True,
        text=True,
    )
    assert resumed.returncode == 0, resumed.stderr
    assert resumed.stdout.startswith("Published 1 message in ")
    assert len(aws.taken) == 10


def test_one_message_has_a_journal_too(run: Run, aws: FakeAws) -> None:
    run("publish", "-e", "staging")
    listed = run("runs", "list", "-o", "json").document["runs"]
    assert [(one["command"], one["state"], one["counts"]["accepted"]) for one in listed] == [
        ("publish", "finished", 1)
    ]


def test_a_refused_message_alone_is_its_own_error(run: Run, aws: FakeAws) -> None:
    aws.refuse = "0"
    result = run("publish", "-e", "staging")
    assert result.exit_code == 1
    assert result.stdout == ""
    assert "error: SNS refused the message: InvalidParameter: refused" in result.stderr


def test_a_file_is_checked_to_its_end_before_anything_is_sent(run: Run, aws: FakeAws, tmp_path: Path) -> None:
    file = tmp_path / "messages.jsonl"
    file.write_text('{"Body": "one"}\n{"fixture": "media", "params": {"Bdy": "two"}}\n')
    result = run("publish", "-e", "staging", "--file", str(file))
    assert result.exit_code == 2
    assert (
        f"error: {file}, line 2: Twilio sends no parameter 'Bdy'\nhint: did you mean Body?" in result.stderr
    )
    assert aws.batches == 0


def test_a_line_that_sns_would_refuse_for_its_size_is_named(run: Run, aws: FakeAws, tmp_path: Path) -> None:
    file = tmp_path / "messages.jsonl"
    file.write_text(json.dumps({"Body": "short"}) + "\n" + json.dumps({"Body": "x" * 270_000}) + "\n")
    result = run("publish", "-e", "staging", "--file", str(file))
    assert result.exit_code == 2
    assert f"{file}, line 2: message" in result.stderr
    assert aws.batches == 0


def test_large_messages_share_no_batch_that_is_too_large(run: Run, aws: FakeAws, tmp_path: Path) -> None:
    file = tmp_path / "messages.jsonl"
    file.write_text("".join(json.dumps({"Body": "x" * 100_000}) + "\n" for _ in range(5)))
    result = run("publish", "-e", "staging", "--file", str(file))
    assert result.exit_code == 0
    assert aws.batches == 3


def test_what_is_kept_to_be_sent_again_is_for_its_owner_alone(run: Run, aws: FakeAws, home: Path) -> None:
    aws.refuse = "3"
    publish(run, "--count", "10", "--from", "+491701234567", "--set", "Body=secret plans")
    (outbox,) = (home / "outbox").iterdir()
    assert stat.S_IMODE(outbox.stat().st_mode) == 0o600
    assert "secret plans" in outbox.read_text()
    (journal,) = (home / "runs").iterdir()
    assert "secret plans" not in journal.read_text()
    assert "+491701234567" not in journal.read_text()


def test_a_fixture_of_ones_own_is_kept_and_sent(run: Run, aws: FakeAws) -> None:
    saved = run("publish", "media", "--set", "Body=pallet 7", "--save", "pallet")
    assert saved.exit_code == 0
    assert "nothing was sent" in saved.stdout
    assert aws.batches == 0
    assert run("publish", "pallet", "-e", "staging").exit_code == 0
    assert len(aws.taken) == 1


def test_many_messages_are_asked_about_first(run: Run, aws: FakeAws) -> None:
    result = run("publish", "-e", "staging", "--count", "101")
    assert result.exit_code == 5
    assert result.stderr.startswith("Publish 101 test messages to environment staging ")
    assert aws.batches == 0


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--set", "Bdy=x"], "Twilio sends no parameter 'Bdy'"),
        (["--priority", "high", "--via", "webhook"], "--priority cannot be used with --via webhook"),
        (
            ["--message-id", "6a2a4cf4-5b3e-4f0e-9d62-6e9f2c4d7a10", "--count", "2"],
            "names its id is one message",
        ),
        (["--file", "missing.jsonl"], "--file: missing.jsonl cannot be read"),
        (["--save", "text"], "is a fixture of b2bpilot's own"),
        (["--from", ""], "--from: no number"),
        (["--rate", "nan"], "--rate: 'nan' must be a number of at least 0.01"),
    ],
)
def test_what_would_be_ignored_or_cannot_be_is_refused(
    run: Run, aws: FakeAws, options: list[str], said: str
) -> None:
    result = run("publish", "-e", "staging", *options)
    assert result.exit_code == 2
    assert said in result.stderr.splitlines()[0]
    assert aws.batches == 0
