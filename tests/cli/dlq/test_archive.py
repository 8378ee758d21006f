"""`b2bpilot dlq export`, `discard`, `restore` and `edit`."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from b2bpilot.aws.queue import DeadLetterQueue
from b2bpilot.cli.app import main
from b2bpilot.errors import Refused
from b2bpilot.ops.dead_letters.filters import ListedGroup, Selection, resolve
from b2bpilot.ops.runs.durable import exclusive
from b2bpilot.ops.runs.record import Stage, read
from b2bpilot.pipeline.database import DatabaseManager
from b2bpilot.pipeline.message import PilotMessage
from b2bpilot.pipeline.processing import submission_fields
from tests.aws_clients import client
from tests.cli.conftest import Run, Staging
from tests.cli.dlq.dead_letters import DeadLetters, at_a_terminal, editor
from tests.events import message

NUMBER = "15005550006"
LINE_ERASED = "\r\x1b[2K"
DISCARDED_TWO = {"deleted": 2, "not deleted": 0, "rows marked": 0, "rows not marked": 0}
SAVE = "path.write_text(json.dumps(document))"


@pytest.fixture
def dead_letters(staging: Staging, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> DeadLetters:
    monkeypatch.setenv("B2BPILOT_ENV", "staging")
    monkeypatch.setenv("B2BPILOT_HOME", str(tmp_path / "pilot"))
    return DeadLetters()


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "pilot"


@pytest.fixture
def three(dead_letters: DeadLetters) -> list[str]:
    """The ids of two dead letters with one cause and of one that is no message."""
    return [
        dead_letters.put(message()),
        dead_letters.put(message()),
        dead_letters.put("hello", error="other"),
    ]


@pytest.fixture
def complete(database_url: str) -> Callable[[PilotMessage], None]:
    def complete(of: PilotMessage) -> None:
        with DatabaseManager(database_url) as database:
            claim = database.claim(of, lease=timedelta(seconds=60))
            assert claim is not None
            database.complete(claim, submission_fields(of))

    return complete


def the_journal(home: Path, command: str) -> Path:
    (path,) = (home / "runs").glob(f"*-{command}-*.jsonl")
    return path


def test_an_export_says_what_it_wrote(
    run: Run, dead_letters: DeadLetters, three: list[str], tmp_path: Path
) -> None:
    before = dead_letters.contents()
    result = run("dlq", "export", str(tmp_path / "x.jsonl"), "--error", "customer")
    assert (result.exit_code, result.stdout) == (0, f"Exported 2 dead letters to {tmp_path / 'x.jsonl'}\n")
    assert len((tmp_path / "x.jsonl").read_text().splitlines()) == 2
    assert dead_letters.contents() == before


def test_an_export_of_a_group_names_its_cause(run: Run, three: list[str], tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    result = run("dlq", "export", str(path), "--group", "G1")
    assert result.stdout == f"Exported 2 dead letters of group G1 (exception: no customer) to {path}\n"
    result = run("dlq", "export", str(tmp_path / "y.jsonl"), "--group", "g2", "-o", "json")
    assert result.document["exported"]["group"] == {
        "group": "G2",
        "kind": "unreadable",
        "error": "the body is not JSON",
    }


@pytest.mark.parametrize("format_", ["table", "jsonl"])
def test_an_export_that_could_not_see_all_dead_letters_says_so_and_keeps_what_it_saw(
    run: Run, dead_letters: DeadLetters, three: list[str], tmp_path: Path, format_: str
) -> None:
    held = dead_letters.hold_one()
    path = tmp_path / "x.jsonl"
    result = run("dlq", "export", str(path))
    assert result.exit_code == 4
    assert "perhaps not all of them: 2 of about 3 dead letters could be seen" in result.stderr
    seen = {json.loads(line)["queue_message_id"] for line in path.read_text().splitlines()}
    assert seen == set(three) - {held}

    result = run("dlq", "export", "-", "-o", format_)
    assert result.exit_code == 4
    assert {line["queue_message_id"] for line in result.lines} == seen
    assert "error: perhaps not all of them" in result.stderr

    result = run("dlq", "export", "-", "--limit", "2")
    assert result.exit_code == 0


def test_an_export_to_stdout_is_lines_and_nothing_else(run: Run, three: list[str]) -> None:
    result = run("dlq", "export", "-")
    assert {line["queue_message_id"] for line in result.lines} == set(three)
    assert result.stderr.endswith("Exported 3 dead letters\n")
    assert run("dlq", "export", "-", "-o", "json").exit_code == 2


def test_an_export_through_a_pipe_to_the_terminal_begins_after_the_line_of_progress_is_gone(
    dead_letters: DeadLetters, three: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    screen: list[str] = []

    class Shown(io.StringIO):
        def write(self, text: str) -> int:
            screen.append(text)
            return super().write(text)

    class Terminal(Shown):
        def isatty(self) -> bool:
            return True

    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(sys, "stdout", Shown())
    monkeypatch.setattr(sys, "stderr", Terminal())

    assert main(["dlq", "export", "-"]) == 0

    before, _, _ = "".join(screen).partition('{"schema_version"')
    assert before.endswith(LINE_ERASED)


def test_an_export_is_not_printed_on_a_terminal(
    run: Run, three: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    result = run("dlq", "export", "-")
    assert result.exit_code == 2
    assert "in full" in result.stderr


@pytest.mark.parametrize(
    "command",
    [
        ["discard", "--yes"],
        ["replay", "--yes"],
        ["export", "group.jsonl"],
    ],
    ids=lambda command: command[0],
)
@pytest.mark.parametrize("listed", [[], ["--error", "other"]], ids=["all listed", "some listed"])
def test_a_group_that_is_another_one_than_was_listed_is_refused(
    run: Run, dead_letters: DeadLetters, three: list[str], command: list[str], listed: list[str]
) -> None:
    run("dlq", "list", *listed)
    for _ in range(3):
        dead_letters.put(message(), error="the credit limit is used up")

    result = run("dlq", *command, "--group", "g1")

    assert result.exit_code == 5
    assert (
        "G1 is another group now: exception: the credit limit is used up; when it was listed at"
        in result.stderr
    )
    assert "it was exception: no customer. Nothing was changed" in result.stderr
    assert len(dead_letters.all()) == 6
    assert run("dlq", "list", "--group", "G1").exit_code == 0
    assert run("dlq", "export", "-", "--group", "G1").exit_code == 0


@pytest.mark.parametrize("known", [True, False])
def test_a_group_that_a_diagnosis_printed_is_known_as_one_that_was_listed(
    run: Run, dead_letters: DeadLetters, known: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("b2bpilot.ops.dead_letters.sweep.LONG_POLL_SECONDS", 0)
    for _ in range(2):
        dead_letters.put(message(), error="the credit limit is used up")
    if known:
        told = run("diagnose", "errors", "--check-timeout", "60s")
        assert "--group G1" in told.stdout
    for _ in range(3):
        dead_letters.put(message(), error="another cause")

    refused = run("dlq", "discard", "--group", "G1", "--yes", "--reason", "x")

    assert ("G1 is another group now" in refused.stderr) is known


def test_a_redrive_looks_for_the_group_that_was_listed(dead_letters: DeadLetters, three: list[str]) -> None:
    queue = DeadLetterQueue(client("sqs"), dead_letters.url)
    listed = ListedGroup(cause="exception: no customer", at="now")
    as_listed = Selection(group="G1", listed=listed)

    assert resolve(as_listed, queue, now=datetime.now(UTC)).cause is not None
    with pytest.raises(Refused, match="G2 is another group now"):
        resolve(replace(as_listed, group="G2"), queue, now=datetime.now(UTC))


def test_a_discard_archives_deletes_and_can_be_taken_back(
    run: Run, dead_letters: DeadLetters, three: list[str], home: Path
) -> None:
    before = dead_letters.contents()
    result = run("dlq", "discard", "--group", "G1", "--yes", "--reason", "agreed with Ana")
    assert result.exit_code == 0
    assert "G1  2 exception: no customer" in result.stdout
    assert "Archive and delete 2 dead letters of group G1 (exception: no customer):" in result.stderr
    assert "Discarded 2 dead letters" in result.stdout
    assert [each["MessageId"] for each in dead_letters.all()] == three[2:]
    record = read(the_journal(home, "discard"))
    assert (record.reason, record.counts) == ("agreed with Ana", DISCARDED_TWO)
    assert record.parameters["selection"] == {"group": "G1", "cause": "exception: no customer"}
    assert NUMBER not in record.path.read_text()

    result = run("dlq", "restore", record.run_id, "--yes", "-o", "json")
    assert result.exit_code == 0
    assert result.document["restored"]["put_back"] == 2
    assert dead_letters.contents() == before

    result = run("dlq", "restore", record.run_id, "--yes")
    assert result.exit_code == 0
    assert result.stdout == "2 dead letters: put back before\n"
    assert dead_letters.contents() == before


def test_a_dry_run_stops_after_the_plan(
    run: Run, dead_letters: DeadLetters, three: list[str], home: Path
) -> None:
    result = run("dlq", "discard", "--dry-run", "-o", "json")
    assert result.exit_code == 0
    plan = result.document["plan"]
    assert plan.pop("database")["proven"] is True
    assert plan == {
        "environment": "staging",
        "account_id": "123456789012",
        "letters": 3,
        "owners": [],
        "copies_left": 0,
        "dry_run": True,
    }
    assert len(dead_letters.all()) == 3
    assert not (home / "runs").exists()


def test_without_a_terminal_and_yes_nothing_is_changed(
    run: Run, dead_letters: DeadLetters, three: list[str]
) -> None:
    result = run("dlq", "discard", "--group", "G1")
    assert result.exit_code == 5
    assert "--yes" in result.stderr
    assert len(dead_letters.all()) == 3


def test_the_whole_queue_needs_the_environments_name(
    run: Run, dead_letters: DeadLetters, three: list[str]
) -> None:
    result = run("dlq", "discard", "--yes")
    assert result.exit_code == 5
    assert "--confirm staging" in result.stderr
    assert run("dlq", "discard", "--yes", "--confirm", "prod").exit_code == 5
    assert len(dead_letters.all()) == 3
    assert run("dlq", "discard", "--confirm", "staging").exit_code == 0
    assert dead_letters.all() == []


def test_the_name_is_typed_at_a_terminal(
    run: Run, dead_letters: DeadLetters, three: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    screen = at_a_terminal(monkeypatch, "stagin", "staging")
    assert run("dlq", "discard").exit_code == 5
    assert "'stagin' is not 'staging'" in screen.getvalue()
    assert run("dlq", "discard").exit_code == 0
    assert (
        "Archive and delete 3 dead letters:\n  environment staging (account 123456789012" in screen.getvalue()
    )


def test_a_no_at_the_terminal_is_a_no(
    run: Run, dead_letters: DeadLetters, three: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    at_a_terminal(monkeypatch, "n")
    assert run("dlq", "discard", "--group", "G1").exit_code == 5
    assert len(dead_letters.all()) == 3


def test_no_dead_letter_is_no_run(run: Run, dead_letters: DeadLetters, home: Path) -> None:
    result = run("dlq", "discard", "--yes", "--error", "x")
    assert result.exit_code == 0
    assert "empty" in result.stderr
    assert not (home / "runs").exists()


def test_an_export_comes_back_where_it_is_missing(
    run: Run, dead_letters: DeadLetters, three: list[str], tmp_path: Path
) -> None:
    before = dead_letters.contents()
    file = tmp_path / "x.jsonl"
    run("dlq", "export", str(file))
    run("dlq", "discard", "--group", "G1", "--yes")
    result = run("dlq", "restore", str(file), "--yes")
    assert result.exit_code == 0
    assert result.stdout.splitlines()[-1] == "Put 2 dead letters back into the queue"
    assert "1 dead letter: still in the queue" in result.stdout
    assert dead_letters.contents() == before


def test_a_cut_last_line_is_said_and_what_can_be_read_is_put_back(
    run: Run, dead_letters: DeadLetters, three: list[str], tmp_path: Path
) -> None:
    file = tmp_path / "x.jsonl"
    run("dlq", "export", str(file))
    run("dlq", "discard", "--confirm", "staging")
    whole = file.read_bytes()
    file.write_bytes(whole[:-40])
    planned = run("dlq", "restore", str(file), "--dry-run", "-o", "json").document
    assert planned["plan"] == {"to put back": 2}, planned
    assert planned["cut_line"] == f"{file}, line 3"
    result = run("dlq", "restore", str(file), "--yes")
    assert result.exit_code == 4
    assert result.stdout.splitlines()[-1] == "Put 2 dead letters back into the queue"
    assert f"error: {file}, line 3 is cut: the dead letter in it could not be read\n" in result.stderr
    assert len(dead_letters.contents()) == 2
    assert run("dlq", "restore", str(file), "--yes").exit_code == 4
    file.write_bytes(whole.removesuffix(b"\n"))
    assert run("dlq", "restore", str(file), "--yes").exit_code == 0
    assert len(dead_letters.contents()) == 3


@pytest.mark.parametrize("command", [["restore"], ["replay", "--local", "--file"]])
def test_a_file_with_nothing_but_a_cut_line_is_no_success(
    run: Run, dead_letters: DeadLetters, three: list[str], tmp_path: Path, command: list[str]
) -> None:
    file = tmp_path / "x.jsonl"
    run("dlq", "export", str(file), "--limit", "1")
    file.write_bytes(file.read_bytes()[:100])
    result = run("dlq", *command, str(file), "--yes")
    assert (result.exit_code, result.stdout) == (1, "")
    assert f"{file}, line 1 is cut, and there is no other: no dead letter can be read" in result.stderr


def test_a_replay_of_a_file_says_that_its_last_line_is_cut(
    run: Run, dead_letters: DeadLetters, three: list[str], tmp_path: Path, database_url: str
) -> None:
    file = tmp_path / "x.jsonl"
    run("dlq", "export", str(file), "--error", "customer")
    file.write_bytes(file.read_bytes()[:-40])
    result = run("dlq", "replay", "--local", "--file", str(file), "--yes")
    assert result.exit_code == 4
    assert "Processed copies of 1;" in result.stderr
    assert f"error: {file}, line 2 is cut: the dead letter in it could not be read\n" in result.stderr


def test_an_archive_that_lost_a_discarded_dead_letter_says_so(
    run: Run, dead_letters: DeadLetters, three: list[str], home: Path
) -> None:
    run("dlq", "discard", "--confirm", "staging")
    run_id = the_journal(home, "discard").stem
    archive = home / "archives" / f"{run_id}.jsonl"
    archive.write_bytes(archive.read_bytes()[:-40])
    result = run("dlq", "restore", run_id, "--yes")
    assert result.exit_code == 4
    assert f"error: {archive}, line 3 is cut: the dead letter in it could not be read\n" in result.stderr


def test_dead_letters_of_another_environment_are_refused(
    run: Run, dead_letters: DeadLetters, three: list[str], tmp_path: Path
) -> None:
    file = tmp_path / "x.jsonl"
    run("dlq", "export", str(file))
    file.write_text(file.read_text().replace('"environment": "staging"', '"environment": "prod"'))
    result = run("dlq", "restore", str(file), "--yes")
    assert result.exit_code == 5
    assert "environment prod" in result.stderr


@pytest.mark.parametrize("source", ["nothing", "2026", "/nonexistent/letters.jsonl", "letters.jsonl", "."])
def test_a_restore_of_nothing_is_wrong_usage(
    run: Run, dead_letters: DeadLetters, home: Path, source: str
) -> None:
    result = run("dlq", "restore", source, "--yes")
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr == (
        f"error: {source!r} is neither a file nor a run in {home / 'runs'}\n"
        "hint: name a file of `dlq export`, or a run of `b2bpilot runs list`\n"
    )


def test_two_restores_at_a_time_are_refused(
    run: Run, dead_letters: DeadLetters, three: list[str], home: Path
) -> None:
    run("dlq", "discard", "--group", "G1", "--yes")
    with exclusive(home / "runs" / "restore.lock", "another restore"):
        result = run("dlq", "restore", the_journal(home, "discard").stem, "--yes")
    assert result.exit_code == 5
    assert "another restore is running" in result.stderr


def test_an_edit_shows_the_difference_and_replaces_the_dead_letter(
    run: Run, dead_letters: DeadLetters, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = message()
    dead_letters.put(one)
    before = dead_letters.contents()
    editor(monkeypatch, tmp_path, f"document['params']['Body'] = 'three'; {SAVE}")
    result = run("dlq", "edit", one.message_id, "--yes", "--reason", "typo")
    assert result.exit_code == 0
    assert '+    "Body": "three",' in result.stdout
    assert NUMBER not in result.stdout + result.stderr
    (new,) = dead_letters.all()
    assert "three" in new["Body"]
    assert new["MessageAttributes"]["ErrorMessage"]["StringValue"] == "no customer"
    record = read(the_journal(home, "edit"))
    assert (record.reason, record.stages()) == ("typo", {Stage.DELETED: 1})

    assert run("dlq", "restore", record.run_id, "--yes").exit_code == 0
    assert before[0] in dead_letters.contents()


@pytest.mark.parametrize(
    ("code", "exit_code", "says"),
    [
        ("pass", 0, "Nothing was changed"),
        ("path.write_text('{')", 1, "not JSON"),
        (f"document['message_id'] = 'x'; {SAVE}", 1, "message_id cannot be changed"),
        ("sys.exit(3)", 5, "ended with 3"),
        (f"document['params']['Body'] = 'three'; {SAVE}", 5, "no terminal"),
    ],
)
def test_an_edit_that_is_none_changes_nothing_and_says_so(  # noqa: PLR0917  # fixtures
    run: Run,
    dead_letters: DeadLetters,
    tmp_path: Path,
    home: Path,
    monkeypatch: pytest.MonkeyPatch,
    code: str,
    exit_code: int,
    says: str,
) -> None:
    one = message()
    dead_letters.put(one)
    before = dead_letters.contents()
    editor(monkeypatch, tmp_path, code)
    result = run("dlq", "edit", one.message_id)
    assert result.exit_code == exit_code
    assert says in result.stdout + result.stderr
    assert dead_letters.contents() == before
    assert not (home / "runs").exists()


def test_a_completed_message_is_not_edited(
    run: Run,
    dead_letters: DeadLetters,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    complete: Callable[[PilotMessage], None],
) -> None:
    one = message()
    dead_letters.put(one)
    complete(one)
    editor(monkeypatch, tmp_path, "raise SystemExit('the editor must not be started')")
    result = run("dlq", "edit", one.message_id, "--yes")
    assert result.exit_code == 5
    assert "is completed" in result.stderr
    assert "dlq discard" in result.stderr


def test_an_editor_that_is_missing_is_said(
    run: Run, dead_letters: DeadLetters, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = message()
    dead_letters.put(one)
    monkeypatch.setenv("VISUAL", "no-such-editor --wait")
    result = run("dlq", "edit", one.message_id)
    assert result.exit_code == 2
    assert "no-such-editor" in result.stderr


def test_without_a_terminal_no_editor_is_guessed(
    run: Run, dead_letters: DeadLetters, monkeypatch: pytest.MonkeyPatch
) -> None:
    """vi, started by cron, would wait for ever."""
    monkeypatch.delenv("VISUAL", raising=False)
    monkeypatch.delenv("EDITOR", raising=False)
    one = message()
    dead_letters.put(one)
    before = dead_letters.contents()
    result = run("dlq", "edit", one.message_id, "--yes")
    assert result.exit_code == 5
    assert result.stderr.endswith(
        "error: there is no terminal to edit at. Nothing was changed\nhint: set EDITOR to a program\n"
    )
    assert dead_letters.contents() == before


def test_the_journal_of_a_restore_names_what_is_not_known(
    run: Run, dead_letters: DeadLetters, three: list[str], home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The queue went away between the plan and the sending."""
    run("dlq", "discard", "--group", "G1", "--yes")
    journal = the_journal(home, "discard")
    (home / "archives" / journal.name).write_text(
        "".join(
            json.dumps(
                {**json.loads(line), "attributes": {"x": {"DataType": "Nonsense", "StringValue": "1"}}}
            )
            + "\n"
            for line in (home / "archives" / journal.name).read_text().splitlines()
        )
    )
    result = run("dlq", "restore", journal.stem, "--yes", "-o", "json")
    assert result.exit_code == 4
    assert len(result.document["problems"]) == 2
    assert result.document["error"]["code"] == "partly_failed"
    assert (
        client("sqs").get_queue_attributes(
            QueueUrl=dead_letters.url, AttributeNames=["ApproximateNumberOfMessages"]
        )["Attributes"]["ApproximateNumberOfMessages"]
        == "1"
    )
