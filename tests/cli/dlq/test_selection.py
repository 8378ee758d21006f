"""The options that say which dead letters are meant: what they must not be taken for."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.conftest import Run, Staging
from tests.cli.dlq.dead_letters import DeadLetters
from tests.events import message

FLAGS = (
    "--group",
    "--since",
    "--until",
    "--older-than",
    "--message-id",
    "--error",
    "--from",
    "--limit",
    "--where",
)


@pytest.fixture
def dead_letters(staging: Staging, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> DeadLetters:
    monkeypatch.setenv("B2BPILOT_ENV", "staging")
    monkeypatch.setenv("B2BPILOT_HOME", str(tmp_path / "pilot"))
    found = DeadLetters()
    for _ in range(2):
        found.put(message())
    return found


@pytest.fixture(autouse=True)
def an_sqs_that_answers_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("b2bpilot.ops.dead_letters.sweep.LONG_POLL_SECONDS", 0)


@pytest.mark.parametrize("flag", FLAGS)
@pytest.mark.parametrize("value", ["", " "])
def test_an_empty_value_is_no_filter_and_is_refused(
    run: Run, dead_letters: DeadLetters, flag: str, value: str
) -> None:
    """`--group "$G"` of a script whose variable is empty must not mean the whole queue."""
    result = run("dlq", "discard", flag, value, "--yes")
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr == (
        f"error: {flag} is empty: it would not filter, and would select every dead letter\n"
        "hint: give it a value, or leave the option out\n"
    )
    assert len(dead_letters.all()) == 2


@pytest.mark.parametrize(
    "command", ["list", "redrive --yes", "redrive --engine lambda --yes", "replay --yes", "export x.jsonl"]
)
def test_every_command_refuses_an_empty_value(run: Run, dead_letters: DeadLetters, command: str) -> None:
    result = run("dlq", *command.split(), "--group", "", "-o", "json")
    assert (result.exit_code, result.document["error"]["code"]) == (2, "usage")
    assert len(dead_letters.all()) == 2


def test_one_empty_value_among_others_is_refused(run: Run, dead_letters: DeadLetters) -> None:
    result = run("dlq", "list", "--message-id", "SM00000000000000000000000000000001", "--message-id", "")
    assert result.exit_code == 2
    assert "--message-id is empty" in result.stderr


def test_a_limit_is_no_filter_and_needs_the_environments_name(run: Run, dead_letters: DeadLetters) -> None:
    result = run("dlq", "discard", "--limit", "999999999", "--yes")
    assert result.exit_code == 5
    assert "--confirm staging" in result.stderr
    assert len(dead_letters.all()) == 2


def test_a_limit_beside_a_filter_needs_no_name(run: Run, dead_letters: DeadLetters) -> None:
    assert run("dlq", "discard", "--limit", "1", "--error", "customer", "--yes").exit_code == 0
    assert len(dead_letters.all()) == 1


def test_the_redriver_takes_no_limit(run: Run, dead_letters: DeadLetters) -> None:
    """It redrives everything, whatever a limit says."""
    result = run("dlq", "redrive", "--engine", "lambda", "--limit", "1", "--yes")
    assert result.exit_code == 2
    assert "leave the filters out" in result.stderr
