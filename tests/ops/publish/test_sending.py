"""What goes together in one call."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from b2bpilot.ops.publish.order import Item
from b2bpilot.ops.publish.sending import batches
from b2bpilot.pipeline.message import PilotMessage, Source, new_message_id


def items(count: int) -> list[Item]:
    return [
        Item(
            message=PilotMessage(
                message_id=new_message_id(),
                source=Source.CLI,
                received_at=datetime(2026, 10, 1, tzinfo=UTC),
                params={},
            )
        )
        for _ in range(count)
    ]


@pytest.mark.parametrize(
    ("rate", "sizes"),
    [(None, [10, 2]), (50.0, [10, 2]), (5.9, [5, 5, 2]), (0.1, [1] * 12)],
)
def test_a_call_holds_no_more_than_a_second_may(rate: float | None, sizes: list[int]) -> None:
    all_of_them = items(12)
    found = list(batches(all_of_them, most=10, rate=rate))
    assert [len(batch) for batch in found] == sizes
    assert [item for batch in found for item in batch] == all_of_them
