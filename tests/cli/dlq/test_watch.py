"""`b2bpilot dlq list --watch`."""

from __future__ import annotations

import pytest

from b2bpilot.aws.queue import DeadLetterQueue
from b2bpilot.errors import AwsUnreachable
from tests.cli.conftest import Run, Staging
from tests.cli.dlq.test_list import DeadLetters, an_sqs_that_answers_at_once, dead_letters

__all__ = ["an_sqs_that_answers_at_once", "dead_letters"]


class Pauses:
    """What happens between two looks; Ctrl-C after the last."""

    def __init__(self, *steps: object) -> None:
        self.steps = list(steps)
        self.seconds: list[float] = []

    def __call__(self, seconds: float) -> None:
        self.seconds.append(seconds)
        if not self.steps:
            raise KeyboardInterrupt
        step = self.steps.pop(0)
        assert callable(step)
        step()


def between(monkeypatch: pytest.MonkeyPatch, *steps: object) -> Pauses:
    pauses = Pauses(*steps)
    monkeypatch.setattr("b2bpilot.cli.dlq.watching.pause", pauses)
    return pauses


def test_it_looks_again_and_ends_with_0_at_ctrl_c(
    run: Run, dead_letters: DeadLetters, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between two looks every dead letter is there for everybody, a redrive among them."""
    dead_letters.put("no message")
    free: list[int] = []

    def one_more() -> None:
        free.append(dead_letters.queue.counters().visible)
        dead_letters.put("no message")

    pauses = between(monkeypatch, one_more)
    watched = run("dlq", "list", "--watch", "-o", "jsonl")

    assert (watched.exit_code, watched.stderr) == (0, "")
    assert [line["dead_letters"]["groups"][0]["count"] for line in watched.lines] == [1, 2]
    assert [line["dead_letters"]["matched"] for line in watched.lines] == [1, 2]
    assert free == [1]
    assert pauses.seconds == [60, 60]
    assert dead_letters.queue.counters().visible == 2


def test_at_no_terminal_each_look_stands_below_the_last(
    run: Run, dead_letters: DeadLetters, monkeypatch: pytest.MonkeyPatch
) -> None:
    dead_letters.put("no message")
    between(monkeypatch, lambda: None)
    watched = run("dlq", "list", "--watch", "--interval", "10s")

    assert watched.exit_code == 0
    assert watched.stdout.count("G1  1 unreadable: the body is not JSON") == 2
    assert watched.stdout.count("1 dead letter in 1 group.") == 2
    assert "again every 10 s; Ctrl-C ends it." in watched.stdout


def test_an_aws_that_does_not_answer_for_once_ends_nothing(
    run: Run, dead_letters: DeadLetters, monkeypatch: pytest.MonkeyPatch
) -> None:
    dead_letters.put("no message")
    asked = DeadLetterQueue.counters

    def fail() -> None:
        def once(queue: DeadLetterQueue) -> object:
            monkeypatch.setattr(DeadLetterQueue, "counters", asked)
            raise AwsUnreachable("AWS was not reached")

        monkeypatch.setattr(DeadLetterQueue, "counters", once)

    between(monkeypatch, fail, lambda: None)
    watched = run("dlq", "list", "--watch")

    assert watched.exit_code == 0
    assert watched.stdout.count("AWS was not reached; trying again in 60 s") == 1
    assert watched.stdout.count("1 dead letter in 1 group.") == 2


def test_a_queue_that_moves_what_was_received_is_not_watched(
    run: Run, dead_letters: DeadLetters, monkeypatch: pytest.MonkeyPatch
) -> None:
    dead_letters.put("no message")
    dead_letters.move_on_after(3)
    pauses = between(monkeypatch)
    watched = run("dlq", "list", "--watch")

    assert (watched.exit_code, pauses.seconds) == (2, [])
    assert "this queue moves what was received 3 times" in watched.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--interval", "5s"], "--interval: 5s is shorter than 10 seconds"),
        (["--exit-code"], "--exit-code cannot be used with --watch"),
        (["-o", "json"], "-o json is one document; --watch has many"),
        (["--query", "groups"], "-o json is one document; --watch has many"),
    ],
)
def test_what_makes_no_sense_with_watch_is_refused(
    run: Run, staging: Staging, arguments: list[str], said: str
) -> None:
    refused = run("dlq", "list", "-e", "staging", "--watch", *arguments)

    assert refused.exit_code == 2
    assert said in refused.stderr + refused.stdout
