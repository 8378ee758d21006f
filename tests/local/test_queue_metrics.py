"""What the local environment reports of a queue is what AWS says that SQS does."""

from __future__ import annotations

from typing import Any

from b2bpilot.local.emulator_queues import QueueMetrics


class Reported:
    def __init__(self) -> None:
        self.values: dict[str, list[float]] = {}
        self.metrics = QueueMetrics(self.record)

    def record(self, _namespace: str, name: str, value: float, _unit: str, _queue: dict[str, str]) -> None:
        self.values.setdefault(name.removeprefix("Approximate"), []).append(value)

    def at(self, now: float, *messages: dict[str, Any]) -> dict[str, float]:
        self.values = {}
        self.metrics.measure("letters", messages, now=now)
        return {name: values[0] for name, values in self.values.items()}


def dead_letter(*, sent_at: float, received: int = 0, visible_at: float = 0.0) -> dict[str, Any]:
    return {"sent_at": sent_at, "visible_at": visible_at, "receive_count": received}


def test_what_was_received_three_times_has_no_age_and_is_counted_all_the_same() -> None:
    found = Reported().at(1000, dead_letter(sent_at=100, received=3), dead_letter(sent_at=700, received=2))
    assert (found["AgeOfOldestMessage"], found["NumberOfMessagesVisible"]) == (300, 2)


def test_what_is_hidden_is_not_visible_and_what_is_delayed_is_neither() -> None:
    found = Reported().at(
        1000, dead_letter(sent_at=900, received=1, visible_at=1100), dead_letter(sent_at=990, visible_at=1890)
    )
    assert found["NumberOfMessagesVisible"] == 0
    assert (found["NumberOfMessagesNotVisible"], found["NumberOfMessagesDelayed"]) == (1, 1)


def test_a_queue_is_reported_at_each_change_and_else_once_a_minute() -> None:
    queue = Reported()
    one = dead_letter(sent_at=1000)
    assert queue.at(1001, one)
    assert not queue.at(1031, one)
    assert queue.at(1061, one)
    assert queue.at(1062)["NumberOfMessagesVisible"] == 0


def test_an_empty_queue_has_no_points_after_six_hours() -> None:
    queue = Reported()
    assert not queue.at(1000)
    queue.at(1001, dead_letter(sent_at=1001))
    queue.at(1002)
    assert queue.at(1002 + 6 * 3600 - 1)["NumberOfMessagesVisible"] == 0
    assert not queue.at(1002 + 6 * 3600 + 60)
