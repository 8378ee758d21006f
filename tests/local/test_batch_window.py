"""The batching window of a queue's mapping in the emulator, as Lambda's pollers keep it."""

from __future__ import annotations

import pytest

from b2bpilot.local.emulator_mappings import is_gathering

WINDOW = {"MaximumBatchingWindowInSeconds": 5, "BatchSize": 3}


@pytest.mark.parametrize(
    ("mapping", "came", "gathers"),
    [
        (WINDOW, [], False),
        (WINDOW, [97.0], True),
        (WINDOW, [95.0, 99.0], False),
        (WINDOW, [97.0, 98.0, 99.0], False),
        (WINDOW, [97.0, 130.0, 130.0], True),
        ({"BatchSize": 3}, [99.9], False),
    ],
    ids=["empty", "waits for more", "the window is over", "full", "what is hidden is not in it", "no window"],
)
def test_a_batch_is_gathered_until_it_is_full_or_its_window_is_over(
    mapping: dict[str, int], came: list[float], gathers: bool
) -> None:
    messages = [{"visible_at": at} for at in came]
    assert is_gathering(mapping, messages, now=100.0) is gathers
