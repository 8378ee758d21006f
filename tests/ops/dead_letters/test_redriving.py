"""What the plan of a redrive says of its route."""

from __future__ import annotations

from datetime import timedelta

import pytest

from b2bpilot.ops.redrive.prepare import consequence, last_stage
from b2bpilot.ops.redrive.routes import Via

NONE, MINUTE = timedelta(), timedelta(minutes=1)


@pytest.mark.parametrize(
    ("wait", "said"), [(MINUTE, "deleted is what arrived, by its row"), (NONE, "deleted is what SNS took")]
)
def test_the_topic_says_when_a_dead_letter_is_deleted(wait: timedelta, said: str) -> None:
    assert said in consequence(Via.TOPIC, wait=wait)


@pytest.mark.parametrize(
    ("via", "wait", "max_failures", "said"),
    [
        (Via.INVOKE, MINUTE, 0.2, "a stage with more than 20% failures is the last"),
        (Via.INVOKE, NONE, 0.2, "a stage with more than 20% failures is the last"),
        (Via.ASYNC, MINUTE, 0.2, "a stage with more than 20% failures is the last, or the one after it"),
        (Via.TOPIC, NONE, 0.0, "a stage with more than 0% refused by AWS is the last"),
        (Via.TOPIC, MINUTE, 1.0, "no stage is the last for its failures"),
    ],
)
def test_the_plan_says_which_stage_is_the_last(
    via: Via, wait: timedelta, max_failures: float, said: str
) -> None:
    assert last_stage(via, wait=wait, max_failures=max_failures) == said
