"""SNS discards a raw delivery to a queue with more than ten message attributes (docs/aws-facts.md#raw-delivery), and tracing adds
two: what is published has eight at most (decision 38)."""

from __future__ import annotations

import ast
from itertools import product
from pathlib import Path

import pytest

from b2bpilot.pipeline.dead_letter import MOST_ATTRIBUTES, encoded_for_topic, read_dead_letter
from b2bpilot.pipeline.message import Priority, Source, encode
from tests.events import message, ours, received, sns_event

ROOT = Path(__file__).parents[2]
TRACING = 2
BUDGET = MOST_ATTRIBUTES - TRACING


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


def test_nothing_else_makes_what_is_published() -> None:
    """The topic takes an `Encoded` and nothing else: webhook, publish, stale, redrive and reconcile pass one of these two."""
    makers = {
        path.relative_to(ROOT).as_posix()
        for folder in ("b2bpilot", "lambdas")
        for path in (ROOT / folder).rglob("*.py")
        if "Encoded(" in (text := path.read_text(encoding="utf-8"))
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "Encoded"
    }
    to_one_queue = "b2bpilot/pipeline/notification.py"
    assert makers == {"b2bpilot/pipeline/message.py", "b2bpilot/pipeline/dead_letter.py", to_one_queue}
