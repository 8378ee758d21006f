"""Filter policies in words, and that two policies with the same words take the same messages."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from b2bpilot.ops.subscribers.filter_policy import BODY_SCOPE, evaluated, parsed
from b2bpilot.ops.subscribers.in_words import in_words
from b2bpilot.ops.subscribers.kinds import kinds
from tests.fuzz import drawn
from tests.ops.subscribers.test_coverage import policies

ATTRIBUTES = "MessageAttributes"


@pytest.mark.parametrize(
    ("policy", "words"),
    [
        ({}, "everything"),
        ({"test": ["true"]}, "only test messages"),
        ({"test": ["false"]}, "only real messages"),
        ({"test": ["true", "false"]}, 'test is "true" or "false"'),
        ({"test": [True]}, "test is true"),
        ({"priority": ["high"]}, "priority is high"),
        ({"test": ["false"], "priority": ["high"]}, "only real messages where priority is high"),
        ({"source": ["twilio", "cli", "stale"]}, "source is twilio, cli or stale"),
        ({"source": ["twilio"], "priority": ["high"]}, "source is twilio and priority is high"),
        ({"source": [{"anything-but": ["cli", "stale"]}]}, "source is anything but cli or stale"),
        ({"source": [{"anything-but": "cli"}]}, "source is anything but cli"),
        (
            {"source": [{"anything-but": {"prefix": "s"}}]},
            "source is anything that does not begin with s",
        ),
        ({"source": [{"prefix": "tw"}, "cli"]}, "source is cli or begins with tw"),
        ({"source": [{"suffix": "io"}]}, "source ends with io"),
        ({"source": [{"equals-ignore-case": "Twilio"}]}, "source is Twilio in any case"),
        ({"redrive_run_id": [{"exists": False}]}, "redrive_run_id is absent"),
        ({"size": [{"numeric": [">", 0, "<=", 1.5]}]}, "size is a number > 0 and <= 1.5"),
        ({"size": [5, "5"]}, 'size is 5 or "5"'),
        ({"address": [{"cidr": "10.0.0.0/24"}]}, 'address is an address in "10.0.0.0/24"'),
        ({"name": ["two words", ""]}, 'name is "two words" or ""'),
        (
            {"priority": ["high"], "$or": [{"source": ["cli"]}, {"message_type": ["text"]}]},
            "priority is high and (source is cli or message_type is text)",
        ),
        (
            {"$or": [{"source": ["cli"], "priority": ["high"]}, {"message_type": ["text", "media"]}]},
            "((source is cli and priority is high) or message_type is text or media)",
        ),
        (
            {"source": ["cli", {"prefix": "tw"}], "priority": ["high"]},
            "(source is cli or begins with tw) and priority is high",
        ),
        ({"$or": ["x", "y"]}, '"$or" is x or y'),
        ({"source": [{"odd": "x"}]}, '{"source": [{"odd": "x"}]}'),
        ({"source": "x"}, '{"source": "x"}'),
        ({"a": {"b": ["x"]}}, '{"a": {"b": ["x"]}}'),
        ({"source": ["x" * 300]}, json.dumps({"source": ["x" * 300]})),
    ],
)
def test_a_policy_on_attributes_is_said_in_words(policy: Any, words: str) -> None:
    assert in_words(json.dumps(policy), ATTRIBUTES) == words


@pytest.mark.parametrize(
    ("policy", "words"),
    [
        ({"test": [False]}, "by the body: only real messages"),
        ({"test": ["false"]}, 'by the body: test is "false"'),
        ({"params": {"Body": [{"prefix": "STOP"}]}}, "by the body: params.Body begins with STOP"),
        ({}, "everything"),
    ],
)
def test_a_policy_on_the_body_is_said_to_be_one(policy: Any, words: str) -> None:
    assert in_words(json.dumps(policy), BODY_SCOPE) == words


def test_no_policy_is_everything_and_what_is_no_policy_is_shown() -> None:
    assert in_words(None, ATTRIBUTES) == "everything"
    assert in_words("[1]", ATTRIBUTES) == "[1]"


@settings(max_examples=drawn(80))
@given(st.lists(policies, min_size=8, max_size=8))
def test_policies_with_the_same_words_take_the_same_messages(several: list[dict[str, Any]]) -> None:
    """Words that leave out a condition, or blur two operators, would be one text for two answers."""
    taken: dict[str, list[bool | None]] = {}
    for policy in several:
        text = json.dumps(policy)
        wanted = parsed(text)
        assert wanted is not None
        answers = [evaluated(wanted, ATTRIBUTES, kind.leaves(ATTRIBUTES)).accepts for kind in kinds()]
        assert taken.setdefault(in_words(text, ATTRIBUTES), answers) == answers
