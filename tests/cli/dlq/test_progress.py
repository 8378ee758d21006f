"""What a redrive shows while it runs."""

from __future__ import annotations

from b2bpilot.cli.dlq.progress import RedriveDisplay
from b2bpilot.ops.progress import Phase, ProgressEvent, SendCounter
from b2bpilot.ops.sending.pace import Limits, Pace


def display(*, live: bool) -> tuple[list[str], RedriveDisplay]:
    lines: list[str] = []
    return lines, RedriveDisplay(lines.append, pace=Pace(Limits()), live=live)


def test_a_stage_says_that_there_are_more_dead_letters_than_it_knows_of_until_the_last_window() -> None:
    lines, shown = display(live=False)
    counter = SendCounter(shown.show)

    for stage, has_more in enumerate((True, False), start=1):
        counter.expect(1_000, has_more=has_more)
        counter.sent(1, failed=0)
        counter.part_ended(f"stage {stage}: 1 sent")

    assert lines == ["stage 1: 1 sent; 1 of 1,000+", "stage 2: 1 sent; 2 of 2,000"]


def test_a_terminal_says_that_the_next_dead_letters_are_being_taken() -> None:
    lines, shown = display(live=True)

    shown.show(ProgressEvent(phase=Phase.PROVING, done=1_000, total=1_000))
    shown.show(ProgressEvent(phase=Phase.LOOKING))

    assert lines == ["looking at the rows: 1,000 of 1,000 decided", "Reading the dead-letter queue"]


def test_a_notice_is_shown_wherever_the_display_is() -> None:
    for live in (True, False):
        lines, shown = display(live=live)
        SendCounter(shown.show).stopping()
        assert [line.partition(":")[0] for line in lines] == ["stopping"]
