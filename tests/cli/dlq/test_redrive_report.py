"""What a redrive says at its end."""

from __future__ import annotations

import pytest

from b2bpilot.cli.dlq.redrive_report import told
from b2bpilot.ops.dead_letters.summary import Summary


@pytest.mark.parametrize(
    ("removed", "said"),
    [
        (1, "1 was completed before and is only removed from the queue"),
        (1_200, "1,200 were completed before and are only removed from the queue"),
    ],
)
def test_what_was_completed_before_is_told_in_number(removed: int, said: str) -> None:
    assert said in told(Summary(removed=removed))
