"""`b2bpilot dlq export --scheduled`, as cron runs it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from b2bpilot.ops.dead_letters.archive import Origin
from b2bpilot.ops.dead_letters.scheduled import folders_of, read_last
from b2bpilot.ops.runs.durable import exclusive
from tests.aws_clients import client
from tests.cli.conftest import Run, Staging
from tests.cli.dlq.dead_letters import DeadLetters
from tests.events import message


@pytest.fixture
def dead_letters(staging: Staging, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> DeadLetters:
    monkeypatch.setenv("B2BPILOT_ENV", "staging")
    monkeypatch.setenv("B2BPILOT_HOME", str(tmp_path / "pilot"))
    return DeadLetters()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "pilot" / "scheduled" / "staging-123456789012-eu-west-1"


def archived(folder: Path) -> list[str]:
    """The ids of all archives, each as often as it is there."""
    lines = [line for path in folder.glob("dead-letters-*.jsonl") for line in path.read_text().splitlines()]
    return sorted(json.loads(line)["queue_message_id"] for line in lines)


def test_each_dead_letter_is_archived_once_and_nothing_new_says_nothing(
    run: Run, dead_letters: DeadLetters, folder: Path
) -> None:
    ids = [dead_letters.put(message()), dead_letters.put("hello")]
    result = run("dlq", "export", "--scheduled")
    assert result.exit_code == 0
    (path,) = folder.glob("dead-letters-*.jsonl")
    assert result.stdout == f"Exported 2 dead letters that no earlier archive holds to {path}\n"
    assert (path.stat().st_mode & 0o777, path.parent.stat().st_mode & 0o777) == (0o600, 0o700)

    result = run("dlq", "export", "--scheduled")
    assert (result.exit_code, result.stdout, result.stderr) == (0, "", "")
    ids.append(dead_letters.put(message()))
    result = run("dlq", "export", "--scheduled", "-o", "json")
    assert result.exit_code == 0
    assert result.document["exported"]["letters"] == 1
    assert archived(folder) == sorted(ids)
    assert len(dead_letters.all()) == 3, "they stay in the queue"


def test_an_empty_queue_says_nothing_to_cron_and_everything_to_programs(
    run: Run, dead_letters: DeadLetters, folder: Path
) -> None:
    result = run("dlq", "export", "--scheduled")
    assert (result.exit_code, result.stdout, result.stderr) == (0, "", "")
    last = read_last(folder)
    assert last is not None
    assert last.complete_at is not None
    result = run("dlq", "export", "--scheduled", "-o", "json")
    assert result.document["exported"] == {
        "file": None,
        "letters": 0,
        "saw": 0,
        "about": 0,
        "complete": True,
    }


def test_what_was_not_seen_is_not_claimed_and_is_archived_next_time(
    run: Run, dead_letters: DeadLetters, folder: Path
) -> None:
    ids = [dead_letters.put(message()), dead_letters.put(message())]
    held = dead_letters.hold_one()
    result = run("dlq", "export", "--scheduled")
    assert result.exit_code == 4
    assert "perhaps not all of them: 1 of about 2 dead letters could be seen" in result.stderr
    last = read_last(folder)
    assert last is not None
    assert last.complete_at is None
    assert archived(folder) == [id_ for id_ in ids if id_ != held]

    assert run("dlq", "export", "--scheduled").exit_code == 4, "also when nothing new was seen"
    assert archived(folder) == [id_ for id_ in ids if id_ != held]


def test_two_at_once_are_refused(run: Run, dead_letters: DeadLetters, folder: Path) -> None:
    dead_letters.put(message())
    with exclusive(folder / ".lock", "a scheduled export"):
        result = run("dlq", "export", "--scheduled")
    assert result.exit_code == 5
    assert "is running already" in result.stderr
    assert archived(folder) == []


@pytest.mark.parametrize("arguments", [["--group", "G1"], ["--limit", "1"], ["-"]])
def test_a_part_of_the_queue_is_no_scheduled_export(
    run: Run, dead_letters: DeadLetters, folder: Path, arguments: list[str]
) -> None:
    assert run("dlq", "export", "--scheduled", *arguments).exit_code == 2
    assert not folder.exists()


def test_an_export_without_a_file_is_wrong_usage(run: Run, dead_letters: DeadLetters) -> None:
    assert run("dlq", "export").exit_code == 2


def test_a_folder_that_cannot_be_made_is_said_in_a_line(
    run: Run, dead_letters: DeadLetters, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    result = run("dlq", "export", "--scheduled", str(tmp_path / "file" / "folder"))
    assert result.exit_code != 0
    assert len(result.stderr.splitlines()) <= 2


def test_dead_letters_of_a_broken_archive_are_copied_again(
    run: Run, dead_letters: DeadLetters, folder: Path
) -> None:
    id_ = dead_letters.put(message())
    run("dlq", "export", "--scheduled")
    (path,) = folder.glob("dead-letters-*.jsonl")
    path.write_text("no JSON\n")
    result = run("dlq", "export", "--scheduled")
    assert result.exit_code == 0
    assert "What an earlier archive holds is unknown, and copied again" in result.stderr
    texts = [each.read_text() for each in folder.glob("dead-letters-*.jsonl")]
    assert any(id_ in text for text in texts)


def test_what_sqs_deleted_comes_back_from_an_archive(
    run: Run, dead_letters: DeadLetters, folder: Path
) -> None:
    dead_letters.put(message())
    before = dead_letters.contents()
    run("dlq", "export", "--scheduled")
    client("sqs").purge_queue(QueueUrl=dead_letters.url)
    (path,) = folder.glob("dead-letters-*.jsonl")
    assert run("dlq", "restore", str(path), "--yes").exit_code == 0
    assert dead_letters.contents() == before


def test_archives_may_be_kept_in_a_folder_of_ones_own(
    run: Run, dead_letters: DeadLetters, tmp_path: Path
) -> None:
    dead_letters.put(message())
    own = tmp_path / "kept"
    assert run("dlq", "export", "--scheduled", str(own)).exit_code == 0
    assert len(archived(own)) == 1
    origin = Origin(environment="staging", account_id="123456789012", region="eu-west-1")
    assert folders_of(tmp_path / "pilot", origin)[1:] == [own]


def test_a_folder_that_the_export_did_not_make_keeps_its_mode(
    run: Run, dead_letters: DeadLetters, tmp_path: Path
) -> None:
    """An operator names /var/backups: the first round found it closed to everybody else."""
    dead_letters.put(message())
    own = tmp_path / "backups"
    own.mkdir()
    own.chmod(0o775)
    assert run("dlq", "export", "--scheduled", str(own)).exit_code == 0
    assert own.stat().st_mode & 0o777 == 0o775
    assert {each.stat().st_mode & 0o777 for each in own.iterdir()} == {0o600}
