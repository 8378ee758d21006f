"""What a redrive shows while it runs."""

from __future__ import annotations

from b2bpilot.cli.dlq.progress import RedriveDisplay
from b2bpilot.ops.redrive.routes import SentDeadLetter
from b2bpilot.ops.redrive.run import Watch
from b2bpilot.ops.redrive.stages import StageDone
from b2bpilot.ops.sending.pace import Limits, Pace
from b2bpilot.ops.sending.result import SendOutcome, SendResult
from tests.ops.dead_letters.deployment import dead_letter


def watched(*, live: bool) -> tuple[list[str], Watch]:
    lines: list[str] = []
    return lines, RedriveDisplay(lines.append, pace=Pace(Limits()), live=live).watch()


def test_a_stage_says_that_there_are_more_dead_letters_than_it_knows_of_until_the_last_window() -> None:
    lines, watch = watched(live=False)
    sent = [SentDeadLetter(dead_letter=dead_letter(), result=SendResult(outcome=SendOutcome.PROCESSED))]

    for window, more in enumerate((True, False), start=1):
        watch.window(1_000, more)
        watch.batch(sent)
        watch.stage(StageDone(number=window, handled=sent, failed=0))

    assert lines == ["stage 1: 1 sent; 1 of 1,000+", "stage 2: 1 sent; 2 of 2,000"]


def test_a_terminal_says_that_the_next_dead_letters_are_being_taken() -> None:
    lines, watch = watched(live=True)

    watch.proof(1_000, 1_000)
    watch.taking()

    assert lines == ["looking at the rows: 1,000 of 1,000 decided", "Looking at the dead-letter queue"]
