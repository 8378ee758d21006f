"""What a redrive says at its end."""

from __future__ import annotations

import pytest

from b2bpilot.cli.dlq.redrive_report import told
from b2bpilot.errors import PartlyFailed
from b2bpilot.ops.redrive.summary import Summary, require_everything_completed


@pytest.mark.parametrize(
    ("removed", "said"),
    [
        (1, "1 dead letter was completed before and is only removed from the queue"),
        (1_200, "1,200 dead letters were completed before and are only removed from the queue"),
    ],
)
def test_what_was_completed_before_is_told_in_number(removed: int, said: str) -> None:
    assert said in told(Summary(removed=removed))


def test_where_no_row_was_asked_the_summary_calls_nothing_stored_as_a_row_says() -> None:
    done = Summary(processed=1, rows_asked=False)
    assert told(done) == ["1 dead letter processed, as the function said; no row was asked"]
    with pytest.raises(PartlyFailed, match="1 processed, as the function said; no row was asked"):
        require_everything_completed(done, again="")


def test_each_count_names_its_unit() -> None:
    done = Summary(completed=2, set_aside=1, not_sent=3)
    assert told(done)[0] == "2 dead letters whose messages are completed, as their rows say"
    assert all(" dead letter" in line for line in told(done))
    with pytest.raises(PartlyFailed, match="2 dead letters completed, 4 not"):
        require_everything_completed(done, again="")
