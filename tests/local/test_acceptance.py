"""`make acceptance` against the local environment: it passes where all is well, says what is not, and cleans up."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from acceptance.__main__ import main
from acceptance.command_line import CommandLine, Execute
from acceptance.steps import STEPS
from acceptance.trial import all_ids
from b2bpilot.cli.app import main as b2bpilot
from b2bpilot.pipeline.database import DatabaseManager
from b2bpilot.pipeline.rows_of_tests import read_test_rows
from tests.local.conftest import Machine

PLACE = ("--env", "local", "--yes", "--patience", "2m")


def in_this_process(arguments: Sequence[str], more: Mapping[str, str]) -> tuple[int, str]:
    """The command line without a start of Python for each command."""
    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(io.StringIO()) as stdout:
        for name, value in more.items():
            patch.setenv(name, value)
        return b2bpilot(arguments), stdout.getvalue()


@pytest.fixture(autouse=True)
def home(environment: Machine, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("B2BPILOT_HOME", str(environment.home))
    return environment.home


@pytest.fixture
def known(capsys: pytest.CaptureFixture[str]) -> Sequence[str]:
    """What other tests have left that verify fails on; it is not what is tried here."""
    commands = CommandLine(options={"--env": "local"}, execute=in_this_process)
    checks = commands.run("verify", "--no-e2e", ok={0, 1}).document["checks"]
    return [word for check in checks if check["status"] == "failed" for word in ("--known", check["code"])]


def left(environment: Machine, run_id: str) -> object:
    with DatabaseManager(environment.state.database_url) as database:
        return read_test_rows(database, all_ids(run_id))


def journals(home: Path) -> list[str]:
    return sorted(path.stem for path in (home / "runs").glob("*-acceptance-*.jsonl"))


def test_every_step_passes_and_nothing_is_left(
    environment: Machine, home: Path, known: Sequence[str], capsys: pytest.CaptureFixture[str]
) -> None:
    before = set(journals(home))
    sqs, queue_url = environment.client("sqs"), environment.stack_output("DeadLetterQueueUrl")
    foreign = sqs.send_message(QueueUrl=queue_url, MessageBody="somebody else's")["MessageId"]

    exit_code = main([*PLACE, *known], execute=in_this_process)

    said = capsys.readouterr()
    passed = {line[11:28].strip() for line in said.out.splitlines() if line.startswith("passed ")}
    assert exit_code == 0, said.out
    assert passed >= {step.name for step in STEPS} | {"verify", "clean up"}, said.out
    (run_id,) = set(journals(home)) - before
    assert left(environment, run_id) == {}
    (dead_letter,) = sqs.receive_message(QueueUrl=queue_url, MaxNumberOfMessages=10)["Messages"]
    assert dead_letter["MessageId"] == foreign
    sqs.delete_message(QueueUrl=queue_url, ReceiptHandle=dead_letter["ReceiptHandle"])


def test_nothing_is_sent_before_somebody_agrees(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = journals(home)

    exit_code = main(["--env", "local"], execute=in_this_process)

    said = capsys.readouterr().err
    assert exit_code == 5
    assert "alarms dlq and processor-errors ring" in said
    assert "they reach 1 subscriber of the topic: arn:aws:lambda:" in said
    assert "run it again with --yes" in said
    assert journals(home) == before


class Killed(BaseException):
    """Nothing of the run comes after it."""


def stopped_by(end: type[BaseException]) -> Execute:
    """A command line that is stopped when the first message is stored."""

    def execute(arguments: Sequence[str], more: Mapping[str, str]) -> tuple[int, str]:
        if arguments[0] == "inspect":
            raise end
        return in_this_process(arguments, more)

    return execute


def test_what_a_killed_run_left_is_removed(
    environment: Machine, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = set(journals(home))
    with pytest.raises(Killed):
        main(PLACE, execute=stopped_by(Killed))
    (run_id,) = set(journals(home)) - before
    assert left(environment, run_id) != {}

    assert main(["--env", "local", "--clean"], execute=in_this_process) == 0

    assert f"1 row and 0 dead letters of run {run_id} removed" in capsys.readouterr().out
    assert left(environment, run_id) == {}


def test_ctrl_c_cleans_up(environment: Machine, home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = set(journals(home))

    assert main(PLACE, execute=stopped_by(KeyboardInterrupt)) == 130

    said = capsys.readouterr().out
    (run_id,) = set(journals(home)) - before
    assert "not tried  follow           interrupted; nor was what follows" in said
    assert f"1 row and 0 dead letters of run {run_id} removed" in said
    assert left(environment, run_id) == {}


def test_an_environment_that_is_not_there_is_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("B2BPILOT_HOME", str(tmp_path))

    assert main(["--env", "local", "--yes"], execute=in_this_process) == 1

    assert "the local environment is not running" in capsys.readouterr().err
