"""`b2bpilot publish` that is stopped, or whose journal cannot be written: what is under way is unknown, what is known is said."""

from __future__ import annotations

import os
import resource
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.cli.conftest import Run
from tests.cli.publish.fake_sns import FakeAws
from tests.cli.publish.test_many import aws, by_outcome, home, publish, resume

__all__ = ["aws", "home"]

LIMIT_SECONDS = 20
"""Only a test that has failed waits so long."""


@pytest.fixture
def ctrl_c() -> Iterator[Callable[[], None]]:
    """Press Ctrl-C, and return when the command has felt it."""
    felt = threading.Event()

    def feel(number: int, frame: object) -> None:
        felt.set()
        raise KeyboardInterrupt

    def press() -> None:
        felt.clear()
        os.kill(os.getpid(), signal.SIGINT)
        assert felt.wait(LIMIT_SECONDS)

    former = signal.signal(signal.SIGINT, feel)
    yield press
    signal.signal(signal.SIGINT, former)


@pytest.fixture
def full_disk(home: Path) -> Iterator[Callable[[], None]]:
    """Let no journal grow any more."""
    former = resource.getrlimit(resource.RLIMIT_FSIZE)

    def fill() -> None:
        (journal,) = (home / "runs").glob("*.jsonl")
        resource.setrlimit(resource.RLIMIT_FSIZE, (journal.stat().st_size, former[1]))

    yield fill
    resource.setrlimit(resource.RLIMIT_FSIZE, former)


def test_what_is_under_way_at_the_second_ctrl_c_is_unknown(
    run: Run, aws: FakeAws, ctrl_c: Callable[[], None]
) -> None:
    """SNS has all of it: the first batch is answered, the second one not before the command has ended."""
    ended = threading.Event()

    def after(batch: int) -> None:
        if batch == 2:
            ctrl_c()
            ctrl_c()
            ended.wait(LIMIT_SECONDS)

    aws.after_taking = after
    others = set(threading.enumerate())
    result = publish(run, "--count", "30", "--concurrency", "1")
    ended.set()
    for thread in set(threading.enumerate()) - others:
        thread.join(LIMIT_SECONDS)

    assert result.exit_code == 130
    assert "Stopped: 10 accepted, 10 unknown (perhaps published), 10 not begun\n" in result.stderr
    stopped = result.document["stopped"]
    assert stopped == {"run_id": stopped["run_id"], "accepted": 10, "unknown": 10, "not_begun": 10}
    shown = run("runs", "show", stopped["run_id"], "-o", "json").document
    assert shown["run"]["so_far"] == {"accepted": 10, "unknown": 10, "not_begun": 10}
    assert len(aws.taken) == 20


def test_on_a_full_disk_what_sns_took_is_said_and_the_command_has_failed_partly(
    run: Run, aws: FakeAws, full_disk: Callable[[], None]
) -> None:
    aws.after_taking = lambda _: full_disk()
    result = publish(run, "--count", "30", "--concurrency", "1")
    assert (result.exit_code, result.document["error"]["code"]) == (4, "journal_failed")
    assert "Stopped: 20 not begun, 10 accepted\n" in result.stderr
    assert len(aws.taken) == 10


def test_one_message_without_an_answer_is_unknown(run: Run, aws: FakeAws) -> None:
    aws.silent_batches = frozenset({1})
    result = publish(run)
    assert (result.exit_code, result.document["published"]["outcome"]) == (4, "unknown")
    assert result.document["error"]["message"].startswith("nobody knows whether the message was published: ")
    assert len(aws.taken) == 1


def test_a_later_refusal_makes_no_certainty_of_an_unknown_outcome(run: Run, aws: FakeAws) -> None:
    """The first attempt's 30 are published, and nobody heard of 10 of them."""
    aws.silent_batches = frozenset({2})
    first = publish(run, "--count", "30", "--concurrency", "1")
    assert first.document["published"]["unknown"] == 10
    aws.denied = True
    again = resume(run, first)
    assert again.exit_code == 4
    assert (
        again.document["published"] | {"accepted": 20, "unknown": 10, "failed": 0, "never_sent": 0}
        == (again.document["published"])
    )
    assert by_outcome(again) == {"unknown": aws.silent}
    assert "not published" not in again.stderr


def test_what_was_published_and_could_not_be_told_is_in_the_journal(
    run: Run, aws: FakeAws, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Path("/dev/full").open("w") as full, monkeypatch.context() as patched:
        patched.setattr(sys, "stdout", full)
        result = publish(run, "--count", "3")

    assert result.exit_code == 4
    error, told = result.stderr.splitlines()[-2:]
    assert error == "error: the output could not be written: No space left on device"
    run_id = told.removeprefix("See what was done: b2bpilot runs show ")
    shown = run("runs", "show", run_id, "-o", "json").document
    assert [one["stage"] for one in shown["messages"]] == ["accepted"] * 3
