"""What the plan of a redrive says of its route."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from b2bpilot.ops.redrive.deletion import DeletedWhen, deleted_when, in_words
from b2bpilot.ops.redrive.routes import AsyncRoute, InvokeRoute, Route, TopicRoute
from b2bpilot.ops.redrive.stages import last_stage
from tests.ops.dead_letters.deployment import Deployment

NONE, MINUTE = timedelta(), timedelta(minutes=1)
GUIDE = Path(__file__).parents[3] / "docs" / "dead-letters.md"


def route(kind: type[Route]) -> Route:
    return kind(Deployment([]))


@pytest.mark.parametrize(
    ("kind", "wait", "when"),
    [
        (InvokeRoute, MINUTE, DeletedWhen.COMPLETED),
        (InvokeRoute, NONE, DeletedWhen.COMPLETED),
        (AsyncRoute, MINUTE, DeletedWhen.ACCEPTED),
        (AsyncRoute, NONE, DeletedWhen.ACCEPTED),
        (TopicRoute, MINUTE, DeletedWhen.ARRIVED),
        (TopicRoute, NONE, DeletedWhen.ACCEPTED),
    ],
)
def test_when_a_dead_letter_is_deleted_on_each_route(
    kind: type[Route], wait: timedelta, when: DeletedWhen
) -> None:
    assert deleted_when(route(kind), wait) is when


@pytest.mark.parametrize("kind", [InvokeRoute, AsyncRoute, TopicRoute])
def test_plan_and_guide_say_in_the_same_words_when_a_dead_letter_is_deleted(kind: type[Route]) -> None:
    said = deleted_when(route(kind), MINUTE)
    row, *_ = [line for line in GUIDE.read_text().splitlines() if line.startswith(f"| `--via {kind.via}`")]
    assert said in row
    assert in_words(route(kind), MINUTE, is_proven=True) == f"a dead letter is deleted {said}"


def test_a_plan_says_what_the_topic_alone_cannot_tell() -> None:
    topic = route(TopicRoute)
    assert "whether it arrived or not" in in_words(topic, NONE, is_proven=True)
    assert "nothing is deleted" in in_words(topic, MINUTE, is_proven=False)


@pytest.mark.parametrize(
    ("kind", "wait", "max_failures", "said"),
    [
        (InvokeRoute, MINUTE, 0.2, "a stage with more than 20% failures is the last"),
        (InvokeRoute, NONE, 0.2, "a stage with more than 20% failures is the last"),
        (AsyncRoute, MINUTE, 0.2, "a stage with more than 20% failures is the last, or the one after it"),
        (TopicRoute, NONE, 0.0, "a stage with more than 0% refused by AWS is the last"),
        (TopicRoute, MINUTE, 1.0, "no stage is the last for its failures"),
    ],
)
def test_the_plan_says_which_stage_is_the_last(
    kind: type[Route], wait: timedelta, max_failures: float, said: str
) -> None:
    assert last_stage(route(kind), wait=wait, max_failures=max_failures) == said
