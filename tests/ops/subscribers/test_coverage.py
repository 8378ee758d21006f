"""Which kinds of message a filter policy lets through, and whether that is proven: judged by the emulator's own matcher."""

from __future__ import annotations

import json
import uuid
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ministack.services import sns

from b2bpilot.ops.subscribers.conditions import Varying
from b2bpilot.ops.subscribers.coverage import Coverage, coverage
from b2bpilot.ops.subscribers.filter_policy import BODY_SCOPE, evaluate
from b2bpilot.ops.subscribers.kinds import MessageKind, kinds
from b2bpilot.pipeline.message import Encoded, MessageType, PilotMessage, Priority, Source, encode
from tests.fuzz import drawn

ATTRIBUTES = "MessageAttributes"
OURS = 80
EVERY_SOURCE = {"source": ["twilio", "stale", "reconcile", "cli"]}


def covered(policy: Any, scope: str = ATTRIBUTES) -> Coverage:
    return coverage(json.dumps(policy), scope)


def emulated(policy: Any, attributes: dict[str, Any]) -> bool:
    """What the emulator's SNS does with a message that has these attributes."""
    subscription = {"attributes": {"FilterPolicy": json.dumps(policy), "FilterPolicyScope": ATTRIBUTES}}
    return bool(sns._matches_filter_policy(subscription, attributes))


def attributes_of(kind: MessageKind) -> dict[str, Any]:
    """One message of the kind."""
    values = {
        name: str(uuid.uuid4()) if value is Varying.TEXT else value[0]
        for name, value in kind.leaves(ATTRIBUTES).items()
        if isinstance(value, list) or value is Varying.TEXT
    }
    return {name: {"DataType": "String", "StringValue": value} for name, value in values.items()}


def test_no_policy_is_proven_to_let_everything_through() -> None:
    assert coverage(None, ATTRIBUTES).is_proven


@pytest.mark.parametrize("scope", [ATTRIBUTES, BODY_SCOPE])
def test_an_empty_policy_which_the_printed_command_sets_is_proven_in_each_scope(scope: str) -> None:
    assert covered({}, scope).is_proven


@pytest.mark.parametrize(
    ("policy", "lost"),
    [
        ({"$or": [{"priority": ["normal"]}, {"source": ["twilio"]}]}, 30),
        ({"$or": [{"message_type": ["text"]}, {"source": [{"anything-but": "cli"}]}]}, 16),
        ({"$or": [{"test": ["false"]}, {"priority": ["normal"]}, {"source": ["cli"]}]}, 6),
        ({"source": ["twilio"]}, 60),
        ({"source": ["twilio", "stale", "reconcile"]}, 20),
        ({"test": ["false"]}, 16),
        ({"message_type": [{"anything-but": "location"}]}, 16),
        ({"priority": [{"prefix": "norm"}]}, 40),
        ({"redrive_run_id": [{"exists": False}]}, 40),
        ({"unknown": ["x"]}, OURS),
        ({"unknown": [{"exists": False}], **EVERY_SOURCE}, 0),
        (EVERY_SOURCE, 0),
    ],
)
def test_each_kind_of_message_is_tried(policy: Any, lost: int) -> None:
    found = covered(policy)
    assert len(found.lost) == lost
    assert not found.is_proven


def test_what_is_lost_is_told_with_its_number_and_an_example() -> None:
    policy = {"$or": [{"priority": ["normal"]}, {"source": ["twilio"]}]}
    assert covered(policy).loss() == (
        "rejects 30 of 82 kinds of message, such as a text message from stale with priority high: "
        '$or is priority "high"; source "stale", wanted priority ["normal"] or source ["twilio"]'
    )


def test_a_message_without_attributes_passes_no_policy_and_is_not_called_ours() -> None:
    found = covered(EVERY_SOURCE)
    assert found.loss() is None
    assert list(found.doubts()) == [
        "rejects a message without attributes: b2bpilot publishes none, but others that publish to the topic may"
    ]


@pytest.mark.parametrize(
    ("policy", "scope", "named"),
    [
        ({"message_id": [{"prefix": "0"}]}, ATTRIBUTES, "message_id"),
        ({"message_id": [{"exists": True}]}, ATTRIBUTES, "message_id"),
        ({"$or": [{"message_id": [{"prefix": "0"}]}, EVERY_SOURCE]}, ATTRIBUTES, "message_id"),
        (
            {"$or": [{"redrive_attempt": ["1"]}, {"redrive_run_id": [{"exists": False}]}]},
            ATTRIBUTES,
            "redrive_attempt and redrive_run_id",
        ),
        (EVERY_SOURCE, BODY_SCOPE, "the message's body"),
        ({"params": {"Body": [{"prefix": "hello"}]}}, BODY_SCOPE, "the message's body"),
        ({"params": {"Body": [{"exists": True}]}}, BODY_SCOPE, "the message's body"),
        ({"message_id": [{"exists": True}]}, BODY_SCOPE, "the message's body"),
    ],
)
def test_a_policy_on_what_differs_in_each_message_is_not_provable(
    policy: Any, scope: str, named: str
) -> None:
    found = covered(policy, scope)
    assert found.loss() is None
    assert not found.is_proven
    assert next(found.doubts()) == (f"is not provable: it looks at {named}, different in each message")


@pytest.mark.parametrize(
    ("policy", "scope"),
    [
        ({"message_id": [{"prefix": "0"}], "source": ["twilio"]}, ATTRIBUTES),
        ({"message_id": [{"exists": False}]}, ATTRIBUTES),
        ({"source": ["twilio"], "params": {"Body": [{"exists": True}]}}, BODY_SCOPE),
        ({"test": [False]}, BODY_SCOPE),
        ({"priority": ["normal"]}, BODY_SCOPE),
    ],
)
def test_what_is_certainly_lost_is_told_whatever_is_unknown(policy: Any, scope: str) -> None:
    assert covered(policy, scope).lost


@pytest.mark.parametrize("policy", [{"source": [{"wildcard": "*"}]}, {"source": {"nested": ["x"]}}, [1], "x"])
def test_what_this_version_does_not_know_is_no_proof(policy: Any) -> None:
    found = covered(policy)
    assert (found.loss(), found.is_proven) == (None, False)
    assert next(found.doubts()).startswith("is not provable for a text message from twilio: ")


def test_all_kinds_are_tried_in_a_moment() -> None:
    """SNS takes five keys and 150 combinations."""
    policy = {"$or": [{"source": [f"s{number}" for number in range(150)]}, {"priority": ["normal"]}]}
    assert len(covered(policy).lost) == OURS // 2
    assert len(kinds()) == len(set(kinds())) == OURS + 2


@given(
    st.sampled_from(Source), st.booleans(), st.sampled_from(Priority), st.dictionaries(st.text(), st.text())
)
def test_every_message_that_is_published_is_of_a_kind(
    source: Source, test: bool, priority: Priority, params: dict[str, str]
) -> None:
    message = PilotMessage(
        message_id=str(uuid.uuid4()),
        source=source,
        received_at=datetime.now(UTC),
        params=params,
        test=test,
        priority=priority,
    )
    (kind,) = [
        kind
        for kind in kinds()
        if (kind.source, kind.message_type, kind.priority) == (source, message.message_type, priority)
        and not kind.is_redriven
    ]
    published, body = encode(message), json.loads(encode(message).body)
    for scope, values in (
        (ATTRIBUTES, {name: one["StringValue"] for name, one in published.attributes.items()}),
        (BODY_SCOPE, body),
    ):
        leaves = kind.leaves(scope)
        assert leaves.keys() == values.keys()
        assert all(leaves[name] in (Varying.TEXT, Varying.ANYTHING, [values[name]]) for name in values)


texts = st.sampled_from([*Source, *MessageType, *Priority, "true", "false", "TEXT", "", "1", "x"]).map(str)
numbers = st.sampled_from([0, 1, 1.0, 5, 100.1, -3])
text_tests = st.builds(
    lambda name, text: {name: text}, st.sampled_from(["prefix", "suffix", "equals-ignore-case"]), texts
)
conditions = st.one_of(
    texts,
    numbers,
    st.booleans(),
    st.none(),
    text_tests,
    st.booleans().map(lambda wanted: {"exists": wanted}),
    st.lists(texts | numbers, min_size=1, max_size=3).map(lambda values: {"anything-but": values}),
    texts.map(lambda text: {"anything-but": {"prefix": text}}),
    st.builds(
        lambda name, bound: {"numeric": [name, bound]}, st.sampled_from(["=", "<", "<=", ">", ">="]), numbers
    ),
    st.sampled_from([{"cidr": "10.0.0.0/24"}, {"wildcard": "*t*"}, {"anything-but": {"suffix": "t"}}]),
)
keys = st.sampled_from(
    ["message_type", "source", "priority", "test", "message_id", "redrive_run_id", "redrive_attempt", "other"]
)
plain = st.dictionaries(keys, st.lists(conditions, min_size=1, max_size=4), min_size=1, max_size=3)
policies = st.recursive(
    plain,
    lambda inner: st.builds(
        lambda parts, beside: {"$or": parts} | beside,
        st.lists(inner, min_size=2, max_size=3),
        st.just({}) | plain,
    ),
    max_leaves=4,
)


@settings(max_examples=drawn(150))
@given(policies)
def test_the_emulator_delivers_and_drops_what_is_called_passed_and_lost(policy: dict[str, Any]) -> None:
    found = covered(policy)
    dropped = {kind for kind in kinds() if not emulated(policy, attributes_of(kind))}
    assert {one.kind for one in (*found.lost, *found.bare)} <= dropped
    unknown = {one.kind for one in found.open}
    assert dropped <= {one.kind for one in (*found.lost, *found.bare)} | unknown
    if found.is_proven:
        assert not dropped


attribute = st.one_of(
    texts.filter(bool).map(lambda text: {"DataType": "String", "StringValue": text}),
    st.lists(texts, min_size=1, max_size=3).map(
        lambda values: {"DataType": "String.Array", "StringValue": json.dumps(values)}
    ),
)
number = numbers.map(lambda value: {"DataType": "Number", "StringValue": json.dumps(value)})
number_conditions = st.one_of(
    numbers,
    st.booleans().map(lambda wanted: {"exists": wanted}),
    st.lists(numbers, min_size=1, max_size=3).map(lambda values: {"anything-but": values}),
    st.builds(lambda low, high: {"numeric": [">", low, "<=", high]}, numbers, numbers),
)


@settings(max_examples=drawn(150))
@given(
    policies,
    st.lists(number_conditions, min_size=1, max_size=3),
    st.dictionaries(keys, attribute, max_size=4),
    st.none() | number,
)
def test_a_message_is_told_what_the_emulator_does_with_it(
    policy: dict[str, Any], on_number: list[Any], attributes: dict[str, Any], size: dict[str, Any] | None
) -> None:
    """Arrays and numbers, which no message of ours has, among them."""
    message = attributes | ({"size": size} if size else {})
    for one in (policy, {"size": on_number}, policy | {"size": on_number}):
        told = evaluate(json.dumps(one), ATTRIBUTES, Encoded(body="{}", attributes=message)).accepts
        assert told in (None, emulated(one, message))
