"""`b2bpilot dlq replay`, in this process: the real handler and a real database."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest

from b2bpilot.ops.runs.journal import Journal
from b2bpilot.ops.runs.record import RunState, Stage, read
from b2bpilot.pipeline.database import DatabaseManager
from b2bpilot.pipeline.models import SubmissionStatus
from lambdas.background_processor import handler as processor
from tests.cli.conftest import OUTPUTS, Run, Staging, create_stack
from tests.cli.dlq.dead_letters import DeadLetters, at_a_terminal
from tests.events import message

HERE = ("--local", "--yes")


@pytest.fixture
def dead_letters(staging: Staging, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> DeadLetters:
    monkeypatch.setenv("B2BPILOT_ENV", "staging")
    monkeypatch.setenv("B2BPILOT_HOME", str(tmp_path / "pilot"))
    monkeypatch.setattr("b2bpilot.ops.dead_letters.sweep.LONG_POLL_SECONDS", 0)
    return DeadLetters()


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "pilot"


@pytest.fixture
def statuses(database_url: str) -> Callable[[], dict[SubmissionStatus, int]]:
    def statuses() -> dict[SubmissionStatus, int]:
        with DatabaseManager(database_url) as database:
            return {status: count for status, count in database.count_by_status().items() if count}

    return statuses


@pytest.fixture
def begun(home: Path, dead_letters: DeadLetters) -> Callable[..., Journal]:
    """A replay that was interrupted after these entries."""

    def begun(*entries: dict[str, object], file: Path | None = None, planned: int) -> Journal:
        with Journal.create(
            home,
            command="replay",
            environment="staging",
            account_id="123456789012",
            region="eu-west-1",
            operator="ana@laptop",
            reason=None,
            parameters={"letters": planned, "file": str(file) if file else None, "local": True},
        ) as journal:
            journal.write(*entries)
        return journal

    return begun


def entry(event: str, id_: str, **fields: object) -> dict[str, object]:
    return {"event": event, "queue_message_id": id_, "message_id": f"message-{id_}", **fields}


def the_journal(home: Path) -> Path:
    (path,) = (home / "runs").glob("*-replay-*.jsonl")
    return path


@pytest.fixture(params=["queue", "file"])
def source(request: pytest.FixtureRequest, run: Run, tmp_path: Path) -> Callable[[], list[str]]:
    """Where the copies come from: the options, once all dead letters are in the queue."""

    def source() -> list[str]:
        if request.param == "queue":
            return []
        assert run("dlq", "export", str(tmp_path / "letters.jsonl")).exit_code == 0
        return ["--file", str(tmp_path / "letters.jsonl")]

    return source


def test_a_group_is_processed_and_no_other_dead_letter(
    run: Run, dead_letters: DeadLetters, statuses: Any, source: Any
) -> None:
    ids = [dead_letters.put(message(), error="frequent") for _ in range(3)]
    rare = dead_letters.put(message(), error="rare")
    options = source()
    result = run("dlq", "replay", *options, "--group", "G2", *HERE, "-o", "json")
    assert result.exit_code == 0
    assert [one["queue_message_id"] for one in result.document["replayed"]] == [rare]
    assert result.document["plan"]["group"] == {"group": "G2", "kind": "exception", "error": "rare"}
    assert "1 dead letter of group G2 (exception: rare)" in result.stderr
    assert statuses() == {SubmissionStatus.COMPLETED: 1}
    assert {each["MessageId"] for each in dead_letters.all()} == {*ids, rare}

    result = run("dlq", "replay", *options, "--group", "G99", *HERE)
    assert result.exit_code == 2
    assert "there is no group G99; the" in result.stderr
    assert statuses() == {SubmissionStatus.COMPLETED: 1}


def test_a_message_of_which_the_sqs_version_has_a_row_gets_no_second_one(
    run: Run, staging: Staging, dead_letters: DeadLetters, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    outputs = {**OUTPUTS, "TopicArn": staging.topic_arn, "SecretArn": staging.secret_arn}
    create_stack("drained", {**outputs, "OldQueueArn": "arn:aws:sqs:eu-west-1:123456789012:old"})
    monkeypatch.setenv("B2BPILOT_ENV", "drained")
    sent = message()
    dead_letters.put(sent)
    with psycopg.connect(database_url, autocommit=True) as connection:
        insert = "INSERT INTO b2b_pilot_user_submissions (message_sid, status) VALUES (%s, 'pending')"
        connection.execute(insert, (sent.params["MessageSid"],))

        assert run("dlq", "replay", *HERE).exit_code == 0
        rows = connection.execute("SELECT message_id, reply_state FROM b2b_pilot_user_submissions").fetchall()
    assert rows == [(sent.message_id, "unknown")], "and nobody answers it later"


def test_only_the_oldest_thousand_are_taken_and_it_is_said(
    run: Run, dead_letters: DeadLetters, tmp_path: Path
) -> None:
    dead_letters.put(message())
    path = tmp_path / "letters.jsonl"
    assert run("dlq", "export", str(path)).exit_code == 0
    (line,) = path.read_text().splitlines()
    (id_,) = [each["MessageId"] for each in dead_letters.all()]
    path.write_text("".join(line.replace(id_, f"dead letter-{n}") + "\n" for n in range(1_500)))

    result = run("dlq", "replay", "--file", str(path), "--dry-run")
    assert result.exit_code == 0
    assert "Process copies of the first 1,000 of 1,500 dead letters from" in result.stderr
    assert "The oldest are taken; --limit takes more of them." in result.stderr
    result = run("dlq", "replay", "--file", str(path), "--dry-run", "--limit", "1200", "-o", "json")
    assert (result.document["plan"]["letters"], result.document["plan"]["matching"]) == (1_200, 1_500)


def test_what_cannot_be_read_is_named_and_makes_the_exit_code_4(
    run: Run, dead_letters: DeadLetters, home: Path, source: Any
) -> None:
    good, unreadable = dead_letters.put(message()), dead_letters.put("hello")
    result = run("dlq", "replay", *source(), *HERE, "-o", "json")
    assert result.exit_code == 4
    assert {one["queue_message_id"]: one["verdict"] for one in result.document["replayed"]} == {
        good: "processed",
        unreadable: "unreadable",
    }
    assert result.document["error"]["message"] == "1 processed, 0 failed, 1 cannot be read"
    assert result.document["summary"]["counts"] == {"processed": 1, "unreadable": 1}
    assert "Process copies of 1 dead letter" in result.stderr
    assert "1 left out: unreadable." in result.stderr

    shown = run("runs", "show", the_journal(home).stem)
    assert [line.split()[1] for line in shown.stdout.splitlines() if "left: unreadable" in line] == [
        unreadable
    ]
    assert "1 more without problems" in shown.stderr


def test_dead_letters_of_which_none_can_be_read_are_no_run_and_no_success(
    run: Run, dead_letters: DeadLetters, home: Path
) -> None:
    dead_letters.put("hello")
    result = run("dlq", "replay", *HERE)
    assert (result.exit_code, result.stdout) == (1, "")
    assert "error: of 1 dead letter, none can be read" in result.stderr
    assert not (home / "runs").exists()


def test_people_are_shown_what_failed(run: Run, dead_letters: DeadLetters, statuses: Any) -> None:
    good, bad = dead_letters.put(message()), dead_letters.put(message(params={"NumMedia": "two"}))
    result = run("dlq", "replay", *HERE)
    assert result.exit_code == 4
    assert bad in result.stdout
    assert "NumMedia is 'two', not a count" in result.stdout
    assert good not in result.stdout
    assert "error: 1 processed, 1 failed" in result.stderr
    assert statuses() == {SubmissionStatus.COMPLETED: 1, SubmissionStatus.FAILED: 1}


def test_dead_letters_that_somebody_hides_are_said(run: Run, dead_letters: DeadLetters) -> None:
    for _ in range(3):
        dead_letters.put(message())
    dead_letters.hold_one()
    result = run("dlq", "replay", *HERE)
    assert result.exit_code == 4
    assert "Saw 2 of about 3 dead letters: the others are in flight" in result.stderr


def test_that_none_matches_is_said_only_when_all_were_seen(run: Run, dead_letters: DeadLetters) -> None:
    dead_letters.put(message())
    dead_letters.hold_one()
    assert "None of those that were looked at matches." in run("dlq", "replay", *HERE).stderr


def test_a_limit_that_was_reached_may_have_left_some(run: Run, dead_letters: DeadLetters) -> None:
    for _ in range(2):
        dead_letters.put(message())
    assert "there may be more" in run("dlq", "replay", "--limit", "1", "--dry-run").stderr


def test_a_replay_that_was_interrupted_is_brought_to_its_end(  # noqa: PLR0917  # fixtures
    run: Run,
    dead_letters: DeadLetters,
    home: Path,
    statuses: Any,
    source: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Ctrl-C in the second of four runs of the function."""
    for _ in range(4):
        dead_letters.put(message())
    handler, calls = processor.handler, []

    def interrupted(event: Any, context: Any) -> Any:
        calls.append(event)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return handler(event, context)

    monkeypatch.setattr(processor, "handler", interrupted)
    options = source()
    result = run("dlq", "replay", *options, *HERE)
    run_id = the_journal(home).stem
    assert result.exit_code == 130
    assert f"Resume it: b2bpilot runs resume {run_id}" in result.stderr
    assert read(the_journal(home)).stages() == {Stage.ACCEPTED: 1, Stage.SENDING: 1, Stage.PLANNED: 2}

    screen = at_a_terminal(monkeypatch, "y")
    result = run("runs", "resume", run_id)
    assert result.exit_code == 0
    assert f"Process copies of 3 dead letters that run {run_id} left in this process:" in screen.getvalue()
    assert len(calls) == 5
    assert statuses() == {SubmissionStatus.COMPLETED: 4}
    record = read(the_journal(home))
    assert (record.state, record.counts) == (RunState.FINISHED, {"processed": 4})
    assert len(dead_letters.all()) == 4

    result = run("runs", "resume", run_id, "--yes")
    assert result.exit_code == 0
    assert "has nothing left to do" in screen.getvalue()


def test_a_resume_says_what_is_gone_and_looks_for_it_again(
    run: Run, dead_letters: DeadLetters, begun: Any, statuses: Any
) -> None:
    here, gone, failed = dead_letters.put(message()), "gone-1", "failed-1"
    journal = begun(
        entry("planned", here),
        entry("planned", gone),
        entry("planned", failed),
        entry("failed", failed, error="boom"),
        planned=3,
    )
    for _ in range(2):
        result = run("runs", "resume", journal.run_id, "--yes")
        assert result.exit_code == 4
        assert (
            "1 more cannot be processed: not in the queue any more, or hidden by somebody else."
            in result.stderr
        )
        assert "error: 1 processed, 1 failed, 1 gone" in result.stderr
        assert gone in result.stdout
    assert statuses() == {SubmissionStatus.COMPLETED: 1}
    state = read(journal.path).messages[gone]
    assert (state.stage, state.error) == (
        Stage.PLANNED,
        "not in the queue any more, or hidden by somebody else",
    )


def test_a_file_that_is_not_there_any_more_is_said(run: Run, begun: Any, tmp_path: Path) -> None:
    journal = begun(entry("planned", "a"), file=tmp_path / "letters.jsonl", planned=1)
    result = run("runs", "resume", journal.run_id, "--yes")
    assert result.exit_code == 1
    assert "letters.jsonl cannot be read: No such file" in result.stderr


def test_a_replay_that_ended_in_its_plan_is_not_resumed(run: Run, begun: Any) -> None:
    journal = begun(entry("planned", "a"), planned=2)
    result = run("runs", "resume", journal.run_id, "--yes")
    assert result.exit_code == 5
    assert "1 of its 2 dead letters were planned. Nothing was changed" in result.stderr
    assert "replay again" in result.stderr
