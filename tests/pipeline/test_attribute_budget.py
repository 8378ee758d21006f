"""SNS discards a raw delivery to a queue with more than ten message attributes (docs/aws-facts.md#raw-delivery), and tracing adds
two: what is published has eight at most (decision 38)."""

from __future__ import annotations

import ast
from itertools import product
from pathlib import Path

import pytest

from b2bpilot.pipeline.dead_letter import MOST_ATTRIBUTES, encoded_for_topic, read_dead_letter
from b2bpilot.pipeline.message import Priority, Source, encode
from b2bpilot.pipeline.notification import Addressed, raw_for
from tests.events import message, ours, received, sns_event

ROOT = Path(__file__).parents[2]
TRACING = 2
BUDGET = MOST_ATTRIBUTES - TRACING
TOPIC = "arn:aws:sns:eu-west-1:123456789012:b2b-pilot-messages-prod"
TO = Addressed(topic_arn=TOPIC, subscription_arn=f"{TOPIC}:1", run_id="20261123T194501Z-backfill-3f9a")


@pytest.mark.parametrize(("source", "priority", "test"), [*product(Source, Priority, (False, True))])
def test_what_is_published_and_what_is_redriven_leaves_room_for_tracing(
    source: Source, priority: Priority, test: bool
) -> None:
    published = message(source=source, priority=priority, test=test)

    redriven = encoded_for_topic(
        ours(read_dead_letter(received(sns_event(published)))), run_id="20261123T194501Z-redrive-3f9a"
    )

    assert len(encode(published).attributes) <= BUDGET
    assert redriven.attributes.keys() > encode(published).attributes.keys()
    assert len(redriven.attributes) <= BUDGET
    assert len(raw_for(published, TO).attributes) <= BUDGET


def test_nothing_else_makes_what_is_published() -> None:
    """The topic, and a queue with raw delivery, take an `Encoded` and nothing else: webhook, publish, stale, redrive, reconcile and
    backfill pass one of these."""
    makers = {
        path.relative_to(ROOT).as_posix()
        for folder in ("b2bpilot", "lambdas")
        for path in (ROOT / folder).rglob("*.py")
        if "Encoded(" in (text := path.read_text(encoding="utf-8"))
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "Encoded"
    }
    assert makers == {f"b2bpilot/pipeline/{name}.py" for name in ("message", "dead_letter", "notification")}
