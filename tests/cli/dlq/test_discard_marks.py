"""`b2bpilot dlq discard`, `restore` and `edit`, and the rows of the messages."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import pytest
from psycopg.conninfo import make_conninfo

from b2bpilot.ops.runs.record import read
from b2bpilot.pipeline.database import DatabaseManager
from b2bpilot.pipeline.message import PilotMessage
from b2bpilot.pipeline.models import SubmissionStatus, UserSubmission
from tests.cli.conftest import Run, Staging
from tests.cli.dlq.dead_letters import DeadLetters, editor
from tests.events import message, sns_event

NOBODY_THERE = "postgresql://me@127.0.0.1:9/none"


@pytest.fixture
def dead_letters(staging: Staging, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> DeadLetters:
    monkeypatch.setenv("B2BPILOT_ENV", "staging")
    monkeypatch.setenv("B2BPILOT_HOME", str(tmp_path / "pilot"))
    return DeadLetters()


@pytest.fixture
def failed(dead_letters: DeadLetters, database: DatabaseManager) -> PilotMessage:
    """A message that failed: its row, and its dead letter."""
    one = message()
    claim = database.claim(one, lease=timedelta(seconds=60))
    assert claim is not None
    database.fail(claim, "no customer")
    dead_letters.put(one)
    return one


def row(database: DatabaseManager, of: PilotMessage) -> UserSubmission:
    found = database.get_submission_by_message_id(of.message_id)
    assert found is not None
    return found


def the_run(tmp_path: Path, command: str) -> str:
    (path,) = (tmp_path / "pilot" / "runs").glob(f"*-{command}-*.jsonl")
    return path.stem


def test_a_discarded_message_is_discarded_until_its_run_is_restored(
    run: Run, dead_letters: DeadLetters, failed: PilotMessage, database: DatabaseManager, tmp_path: Path
) -> None:
    result = run("dlq", "discard", "--group", "G1", "--yes", "-o", "json")
    assert result.exit_code == 0
    run_id = the_run(tmp_path, "discard")
    done = json.loads(result.stdout.splitlines()[-1]) if "\n{" in result.stdout else result.document
    assert done["discarded"]["rows_marked"] == 1
    assert (row(database, failed).status, row(database, failed).discarded_by) == (
        SubmissionStatus.ABANDONED,
        run_id,
    )
    assert database.claim(failed, lease=timedelta(seconds=60)) is None
    assert database.count_stale(stale_after=timedelta()) == 0
    assert run("submissions", "stuck", "-o", "json").document["submissions"] == []

    result = run("dlq", "restore", run_id, "--yes")
    assert result.exit_code == 0
    assert "1 row that run" in result.stderr
    assert (row(database, failed).status, row(database, failed).discarded_by) == (
        SubmissionStatus.FAILED,
        None,
    )
    assert len(dead_letters.all()) == 1


def test_without_a_database_the_dead_letter_is_deleted_and_the_end_says_what_may_follow(
    run: Run, dead_letters: DeadLetters, failed: PilotMessage, database: DatabaseManager, tmp_path: Path
) -> None:
    result = run("dlq", "discard", "--group", "G1", "--yes", "--database-url", NOBODY_THERE)
    assert result.exit_code == 4
    assert "of 1 of the messages: row not marked: the stale processor may publish it again" in result.stderr
    assert dead_letters.all() == []
    run_id = the_run(tmp_path, "discard")

    result = run("runs", "resume", run_id, "--yes")
    assert result.exit_code == 0, result.stderr
    assert row(database, failed).discarded_by == run_id
    assert run("runs", "resume", run_id, "--yes").exit_code == 0


def test_on_a_table_that_is_not_migrated_the_migration_is_named_before_the_resume(
    run: Run, dead_letters: DeadLetters, failed: PilotMessage, database: DatabaseManager, tmp_path: Path
) -> None:
    with database.connection.use() as connection:
        connection.execute("ALTER TABLE b2b_pilot_user_submissions DROP COLUMN discarded_by")
    result = run("dlq", "discard", "--group", "G1", "--yes")
    assert result.exit_code == 4
    run_id = the_run(tmp_path, "discard")
    assert (
        f"run `b2bpilot migrate -e staging` first; then `b2bpilot runs resume {run_id}` marks them"
        in result.stderr
    )


def test_a_message_that_is_restored_from_an_export_stays_discarded_and_that_is_said(
    run: Run, dead_letters: DeadLetters, failed: PilotMessage, database: DatabaseManager, tmp_path: Path
) -> None:
    copy = tmp_path / "copy.jsonl"
    assert run("dlq", "export", str(copy)).exit_code == 0
    assert run("dlq", "discard", "--group", "G1", "--yes").exit_code == 0
    run_id = the_run(tmp_path, "discard")
    result = run("dlq", "restore", str(copy), "--yes")
    assert result.exit_code == 0
    assert f"Discarded in run {run_id} and still so: 1 of these messages" in result.stderr
    assert row(database, failed).discarded_by == run_id


@pytest.mark.parametrize("command", ["restore", "discard --message-id", "runs resume"])
def test_every_plan_that_changes_rows_names_the_database(
    run: Run, dead_letters: DeadLetters, failed: PilotMessage, tmp_path: Path, command: str
) -> None:
    named = ["--database-url", NOBODY_THERE] if command == "runs resume" else []
    if command != "discard --message-id":
        run("dlq", "discard", "--group", "G1", "--yes", *named)
    match command:
        case "restore":
            result = run("dlq", "restore", the_run(tmp_path, "discard"), "--yes")
        case "runs resume":
            result = run("runs", "resume", the_run(tmp_path, "discard"), "--yes")
        case _:
            result = run("dlq", "discard", "--message-id", failed.message_id, "--yes")
    assert result.exit_code == 0, result.stderr
    assert sum(line.startswith("database ") for line in result.stderr.splitlines()) == 1, result.stderr


def test_a_dead_letter_that_somebody_adopts_is_discarded_in_a_named_database(
    run: Run, dead_letters: DeadLetters, database: DatabaseManager
) -> None:
    gone = f"arn:aws:sns:eu-west-1:123456789012:b2b-topic-staging:{'0' * 36}"
    event = sns_event(message())
    event["Records"][0]["EventSubscriptionArn"] = gone
    dead_letters.put(json.dumps(event))
    result = run("dlq", "discard", "--adopt", gone, "--group", "G1", "--dry-run", "-o", "json")
    assert result.exit_code == 0, result.stderr
    assert result.document["plan"]["letters"] == 1
    assert result.document["plan"]["database"]["proven"] is True


def test_the_plan_names_other_dead_letters_of_the_same_messages(
    run: Run, dead_letters: DeadLetters, failed: PilotMessage
) -> None:
    dead_letters.put(failed, error="another cause")
    result = run("dlq", "discard", "--group", "G1", "--dry-run")
    assert result.exit_code == 0
    assert "1 dead letter more of the same messages in the queue, not discarded" in result.stderr


def test_an_edited_message_is_out_of_the_stale_processors_hands_and_can_be_stored(  # noqa: PLR0917  # fixtures
    run: Run,
    dead_letters: DeadLetters,
    failed: PilotMessage,
    database: DatabaseManager,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    save = "document['params']['Body'] = 'three'; path.write_text(json.dumps(document))"
    editor(monkeypatch, tmp_path, save)
    assert run("dlq", "edit", failed.message_id, "--yes").exit_code == 0
    assert (row(database, failed).status, row(database, failed).discarded_by) == (
        SubmissionStatus.ABANDONED,
        None,
    )
    assert database.count_stale(stale_after=timedelta()) == 0
    state = next(
        iter(read(tmp_path / "pilot" / "runs" / f"{the_run(tmp_path, 'edit')}.jsonl").messages.values())
    )
    assert state.former_status == "failed"
    assert row(database, failed).text == "three", "whoever publishes the row publishes what was corrected"
    assert database.claim(failed, lease=timedelta(seconds=60)) is not None


def test_an_edit_that_cannot_write_the_row_says_that_the_original_may_be_published(
    run: Run, dead_letters: DeadLetters, database_url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    one = message()
    dead_letters.put(one)
    another = make_conninfo(database_url, dbname="postgres")
    editor(
        monkeypatch, tmp_path, "document['params']['Body'] = 'three'; path.write_text(json.dumps(document))"
    )
    result = run("dlq", "edit", one.message_id, "--yes", "--database-url", another)
    assert result.exit_code == 4
    assert "the row still says what the original said" in result.stderr
    assert "whoever publishes the row" in result.stderr


def test_what_an_edit_without_the_database_left_its_resume_writes(  # noqa: PLR0917  # fixtures
    run: Run,
    dead_letters: DeadLetters,
    failed: PilotMessage,
    database: DatabaseManager,
    database_url: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    save = "document['params']['Body'] = 'three'; path.write_text(json.dumps(document))"
    editor(monkeypatch, tmp_path, save)
    another = make_conninfo(database_url, dbname="postgres")
    result = run("dlq", "edit", failed.message_id, "--yes", "--database-url", another)
    assert result.exit_code == 4
    run_id = the_run(tmp_path, "edit")
    database_too = '--database-url "${B2BPILOT_DATABASE_URL:?export it first}"'
    assert f"b2bpilot runs resume {database_too} {run_id}` writes the row" in result.stderr
    assert row(database, failed).status is SubmissionStatus.FAILED

    assert run("runs", "resume", run_id, "--yes", "--database-url", another).exit_code == 4
    result = run("runs", "resume", run_id, "--yes")
    assert result.exit_code == 0, result.stderr
    assert (row(database, failed).status, row(database, failed).text) == (SubmissionStatus.ABANDONED, "three")
    assert len(dead_letters.all()) == 1
    assert "nothing left to do" in run("runs", "resume", run_id, "--yes").stderr


def test_a_resumed_edit_leaves_the_row_when_the_edited_dead_letter_is_not_there_any_more(  # noqa: PLR0917  # fixtures
    run: Run,
    dead_letters: DeadLetters,
    failed: PilotMessage,
    database: DatabaseManager,
    database_url: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    save = "document['params']['Body'] = 'three'; path.write_text(json.dumps(document))"
    editor(monkeypatch, tmp_path, save)
    another = make_conninfo(database_url, dbname="postgres")
    run("dlq", "edit", failed.message_id, "--yes", "--database-url", another)
    dead_letters.hold_one()
    result = run("runs", "resume", the_run(tmp_path, "edit"), "--yes")
    assert result.exit_code == 4
    assert "The row is left as it is" in result.stderr
    assert row(database, failed).status is SubmissionStatus.FAILED
