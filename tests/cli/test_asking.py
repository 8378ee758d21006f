"""Questions as a person at a terminal meets them, by a process at a real one."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from b2bpilot.cli.app import main
from tests.cli.terminal import Session, a_process_at_a_terminal, at_a_terminal


@pytest.fixture
def migrating(empty_database_url: str, tmp_path: Path) -> Iterator[Session]:
    """A command that asks."""
    arguments = ["migrate", "--database-url", empty_database_url]
    with at_a_terminal(
        *arguments, environment={"HOME": str(tmp_path), "PATH": os.environ["PATH"]}
    ) as session:
        yield session


def test_ctrl_c_ends_the_questions_line_before_anything_else_is_said(migrating: Session) -> None:
    migrating.wait_for("[y/N] ")
    migrating.interrupt()
    assert migrating.exit_code() == 130
    assert migrating.screen.endswith("[y/N] \r\nerror: interrupted\r\n")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_kill_and_a_closed_terminal_are_a_ctrl_c(migrating: Session, number: signal.Signals) -> None:
    migrating.wait_for("[y/N] ")
    migrating.process.send_signal(number)
    assert migrating.exit_code() == 130
    assert migrating.screen.endswith("[y/N] \r\nerror: interrupted\r\n")


@pytest.fixture
def hang_up() -> Iterator[signal.Signals]:
    """The signal of a closed terminal; what it does to the tests is put back."""
    before = signal.getsignal(signal.SIGHUP)
    yield signal.SIGHUP
    signal.signal(signal.SIGHUP, before)


def test_the_second_word_of_a_closed_terminal_does_not_stop_the_cleaning_up(hang_up: signal.Signals) -> None:
    signal.signal(hang_up, signal.SIG_DFL)
    main(["--version"])
    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(hang_up)
    signal.raise_signal(hang_up)


def test_under_nohup_a_closed_terminal_ends_nothing(hang_up: signal.Signals) -> None:
    signal.signal(hang_up, signal.SIG_IGN)
    main(["--version"])
    signal.raise_signal(hang_up)


def test_ctrl_d_is_no_and_ends_the_questions_line(migrating: Session) -> None:
    migrating.wait_for("[y/N] ")
    migrating.type("\x04")
    assert migrating.exit_code() == 5
    assert migrating.screen.endswith("[y/N] \r\nerror: not confirmed. Nothing was changed\r\n")


def test_what_was_typed_before_the_question_is_no_answer_to_it(migrating: Session) -> None:
    migrating.type("y\n")
    migrating.wait_for("[y/N] ")
    migrating.type("n\n")
    assert migrating.exit_code() == 5


def test_an_answer_at_the_question_is_taken(migrating: Session) -> None:
    migrating.wait_for("[y/N] ")
    migrating.type("y\n")
    assert migrating.exit_code() == 0
    assert "Applied " in migrating.screen


def test_a_process_at_a_terminal_ends_with_a_test_that_fails() -> None:
    with (
        pytest.raises(AssertionError, match="as a test does"),
        a_process_at_a_terminal(["cat"], environment={"PATH": os.defpath}) as session,
    ):
        raise AssertionError("as a test does")
    assert session.process.returncode == -signal.SIGKILL
