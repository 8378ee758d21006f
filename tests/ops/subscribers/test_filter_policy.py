"""SNS's filter policies: the guide's examples, what was seen on AWS, and laws that hold for any of them."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from b2bpilot.ops.subscribers.filter_policy import BODY_SCOPE, Evaluation, evaluate
from b2bpilot.pipeline.message import Encoded, PilotMessage, Source, encode
from tests.fuzz import drawn

ATTRIBUTES = "MessageAttributes"


def attributes(**values: Any) -> Encoded:
    """A message with attributes of SNS's types: text is a String, numbers a Number, a list a String.Array."""
    return Encoded(body="{}", attributes={name: _attribute(value) for name, value in values.items()})


def _attribute(value: Any) -> dict[str, str]:
    if isinstance(value, str):
        return {"DataType": "String", "StringValue": value}
    kind = "String.Array" if isinstance(value, list) else "Number"
    return {"DataType": kind, "StringValue": json.dumps(value)}


def body(document: Any) -> Encoded:
    return Encoded(body=document if isinstance(document, str) else json.dumps(document), attributes={})


def by_attributes(policy: Any, message: Encoded) -> Evaluation:
    return evaluate(json.dumps(policy), ATTRIBUTES, message)


def by_body(policy: Any, document: Any) -> Evaluation:
    return evaluate(json.dumps(policy), BODY_SCOPE, body(document))


@pytest.mark.parametrize(
    ("conditions", "value", "accepts"),
    [
        (["rugby", "tennis"], "rugby", True),
        (["rugby", "tennis"], "baseball", False),
        (["rugby"], "Rugby", False),
        (["rugby"], ["rugby", "tennis"], True),
        (["rugby"], ["baseball"], False),
        ([{"anything-but": ["rugby", "tennis"]}], "baseball", True),
        ([{"anything-but": ["rugby", "tennis"]}], "rugby", False),
        ([{"anything-but": "rugby"}], "rugby", False),
        ([{"anything-but": ["rugby", "tennis"]}], ["rugby", "tennis"], False),
        ([{"anything-but": [100, 500]}], 101, True),
        ([{"anything-but": [100, 500]}], 100.0, False),
        ([{"anything-but": {"prefix": "order-"}}], "data-entry", True),
        ([{"anything-but": {"prefix": "order-"}}], "order-number", False),
        ([{"prefix": "bas"}], "baseball", True),
        ([{"prefix": "bas"}], "rugby", False),
        ([{"prefix": "bas"}], ["rugby", "basket"], True),
        ([{"suffix": "ball"}], "baseball", True),
        ([{"suffix": "ball"}], "rugby", False),
        ([{"equals-ignore-case": "tennis"}], "TEnnis", True),
        ([{"equals-ignore-case": "tennis"}], "tennis2", False),
        ([{"cidr": "10.0.0.0/24"}], "10.0.0.255", True),
        ([{"cidr": "10.0.0.0/24"}], "10.1.1.0", False),
        ([{"cidr": "10.0.0.0/24"}], "no address", False),
        ([{"cidr": "2001:db8::/32"}], "2001:db8::1", True),
        ([100], 100, True),
        ([100], 100.00, True),
        ([{"numeric": ["=", 301.5]}], 3.015e2, True),
        ([{"numeric": ["=", 0.1]}], 0.1000001, True),
        ([{"numeric": [">", 0, "<=", 150]}], 150, True),
        ([{"numeric": [">", 0, "<=", 150]}], 0, False),
        ([{"numeric": [">=", 10]}], 10, True),
        ([{"numeric": ["<", 10]}], "50", False),
        ([{"numeric": ["<", 10]}], "five", False),
        ([True], "false", False),
        ([100], "101", False),
        ([{"exists": True}], "anything", True),
        ([{"exists": False}], "anything", False),
        (["x", {"prefix": "y"}], "yes", True),
        ([{"anything-but": "x"}, {"exists": False}], "x", False),
    ],
)
def test_conditions_are_read_as_the_guide_says(conditions: Any, value: Any, accepts: bool) -> None:
    assert by_attributes({"key": conditions}, attributes(key=value)).accepts is accepts


@pytest.mark.parametrize(
    ("conditions", "value"),
    [
        # The guide has said both of an array with forbidden and other values.
        ([{"anything-but": ["rugby", "tennis"]}], ["rugby", "baseball"]),
        ([{"anything-but": {"prefix": "ru"}}], ["rugby", "baseball"]),
        # It does not say what a String is to a number or a keyword of the policy; the emulator takes them for the same.
        ([100], "100"),
        (["100"], 100),
        ([{"numeric": ["<", 10]}], "5"),
        ([True], "true"),
        ([None], "null"),
        ([{"anything-but": [5]}], "5"),
    ],
)
def test_what_the_sources_do_not_agree_on_is_unknown(conditions: Any, value: Any) -> None:
    assert by_attributes({"key": conditions}, attributes(key=value)).accepts is None


def test_nested_objects_are_unknown_beside_attributes_for_which_sns_takes_none() -> None:
    assert by_attributes({"a": {"b": [{"exists": False}]}}, attributes(key="x")).accepts is None


@pytest.mark.parametrize("text", ["NaN", "sNaN"])
def test_what_is_no_number_is_compared_with_none(text: str) -> None:
    message = Encoded(body="{}", attributes={"key": {"DataType": "Number", "StringValue": text}})
    assert by_attributes({"key": [{"numeric": [">", 0]}, 1]}, message).accepts is False


@pytest.mark.parametrize(
    ("conditions", "accepts"),
    [
        (["rugby"], False),
        ([None, {"anything-but": "rugby"}], False),
        ([{"exists": False}], True),
        ([{"exists": True}], False),
        ([{"anything-but": "rugby"}, {"exists": False}], True),
    ],
)
def test_a_key_that_the_message_lacks_matches_only_what_wants_it_absent(
    conditions: Any, accepts: bool
) -> None:
    assert by_attributes({"key": conditions}, attributes(other="x")).accepts is accepts


def test_wanting_a_key_absent_does_not_match_a_message_without_attributes() -> None:
    assert by_attributes({"key": [{"exists": False}]}, attributes()).accepts is False


def test_binary_attributes_are_not_compared() -> None:
    message = Encoded(body="{}", attributes={"key": {"DataType": "Binary", "StringValue": "x"}})
    assert by_attributes({"key": [{"exists": True}]}, message).accepts is False


def test_every_key_must_accept_and_those_that_do_not_are_named() -> None:
    policy = {"source": ["twilio"], "test": ["false"], "priority": ["high"]}
    found = by_attributes(policy, attributes(source="twilio", test="true", priority="normal"))
    assert found.accepts is False
    assert [(key.key, key.found, key.wanted) for key in found.keys] == [
        ("test", '"true"', '["false"]'),
        ("priority", '"normal"', '["high"]'),
    ]


@pytest.mark.parametrize(
    ("message", "accepts"),
    [
        ({"source": "a", "metric": "cpu"}, True),
        ({"source": "a", "space": "ec2"}, True),
        ({"source": "a", "space": "s3"}, False),
        ({"source": "b", "metric": "cpu"}, False),
    ],
)
def test_or_needs_one_of_its_parts_beside_the_other_keys(message: Any, accepts: bool) -> None:
    policy = {"source": ["a"], "$or": [{"metric": ["cpu"]}, {"space": ["ec2"]}]}
    assert by_attributes(policy, attributes(**message)).accepts is accepts


def test_an_or_that_rejects_says_what_each_part_wanted() -> None:
    policy = {"$or": [{"source": ["stale"]}, {"test": ["true"]}]}
    (key,) = by_attributes(policy, attributes(source="twilio", test="false")).keys
    assert (key.key, key.found) == ("$or", 'source "twilio"; test "false"')
    assert key.wanted == 'source ["stale"] or test ["true"]'


@pytest.mark.parametrize("wanted", [[{"numeric": 123}, {"prefix": "abc"}], [{"source": ["a"]}], ["a", "b"]])
def test_or_is_an_ordinary_name_unless_objects_without_operators_follow(wanted: Any) -> None:
    message = Encoded(body="{}", attributes={"$or": {"DataType": "String", "StringValue": "xyz"}})
    (key,) = by_attributes({"$or": wanted}, message).keys
    assert key.found == '"xyz"'


@pytest.mark.parametrize(
    ("policy", "document", "accepts"),
    [
        ({"a": {"b": ["x"]}}, {"a": {"b": "x"}}, True),
        ({"a": {"b": ["x"]}}, {"a": {"b": "y"}}, False),
        ({"a": {"b": ["x"]}}, {"a": "x"}, False),
        # Seen on AWS: a dot in a name and a step into an object are the same.
        ({"a.b": ["x"]}, {"a": {"b": "x"}}, True),
        ({"a": {"b": {"c": ["x"]}}}, {"a.b": {"c": "x"}}, True),
        # Seen on AWS: arrays are looked into, also arrays of arrays.
        ({"to": ["one"]}, {"to": ["one", "two"]}, True),
        ({"to": ["three"]}, {"to": ["one", "two"]}, False),
        ({"list": {"key": [{"prefix": "auto-"}]}}, {"list": [[{"key": "auto-1"}], {"key": "home-1"}]}, True),
        ({"list": {"key": [{"prefix": "auto-"}]}}, {"list": []}, False),
        ({"test": [False]}, {"test": False}, True),
        ({"test": ["false"]}, {"test": False}, False),
        ({"n": [1]}, {"n": 1.0}, True),
        ({"n": [1]}, {"n": True}, False),
        ({"n": [None]}, {"n": None}, True),
        ({"n": [{"exists": True}]}, {"n": None}, False),
        ({"n": [{"exists": True}]}, {"n": ""}, False),
        ({"n": [{"numeric": [">", 1, "<", 3]}]}, {"n": 2}, True),
        (
            {"detail": {"scope": ["s"], "$or": [{"source": ["a"]}, {"type": ["t"]}]}},
            {"detail": {"scope": "s", "type": "t"}},
            True,
        ),
        (
            {"detail": {"scope": ["s"], "$or": [{"source": ["a"]}, {"type": ["t"]}]}},
            {"detail": {"scope": "s"}, "type": "t"},
            False,
        ),
    ],
)
def test_bodies_are_compared_by_their_leaves(policy: Any, document: Any, accepts: bool) -> None:
    assert by_body(policy, document).accepts is accepts


@pytest.mark.parametrize("text", ["no json", "[1]", '"text"'])
def test_a_body_that_is_no_object_is_rejected_by_any_policy_on_the_body(text: str) -> None:
    found = by_body({"a": [{"exists": False}]}, text)
    assert found.accepts is False
    assert "not a JSON object" in str(found.problem)


@pytest.mark.parametrize(
    "condition", [{"wildcard": "a*"}, {"prefix": 1}, {"numeric": [">"]}, {"cidr": "x"}, ["x"]]
)
def test_what_this_version_does_not_know_is_unknown(condition: Any) -> None:
    found = by_attributes({"key": [condition]}, attributes(key="abc"))
    assert found.accepts is None
    assert [key.key for key in found.keys] == ["key"]


def test_what_is_unknown_does_not_matter_beside_a_key_that_rejects() -> None:
    policy = {"key": [{"wildcard": "a*"}], "other": ["x"]}
    assert by_attributes(policy, attributes(key="abc", other="y")).accepts is False
    assert by_attributes(policy, attributes(key="abc", other="x")).accepts is None


def test_a_condition_that_matches_outweighs_an_unknown_one_of_the_same_key() -> None:
    assert by_attributes({"key": [{"wildcard": "a*"}, "abc"]}, attributes(key="abc")).accepts is True


@pytest.mark.parametrize("text", ["", "[]", "no json", "1"])
def test_a_policy_that_is_no_object_cannot_be_told(text: str) -> None:
    assert evaluate(text, ATTRIBUTES, attributes(key="x")).accepts is None


def test_no_policy_lets_everything_through() -> None:
    assert evaluate(None, ATTRIBUTES, attributes()).accepts is True


def test_a_message_of_ours_passes_what_its_own_encoding_says() -> None:
    message = encode(
        PilotMessage(
            message_id="9a2b2c8e-6f0e-4c3a-9a53-0b1a4a6f6f11",
            source=Source.TWILIO,
            received_at=datetime(2026, 11, 23, tzinfo=UTC),
            params={"From": "+15005550006", "Body": "hello"},
        )
    )
    assert by_attributes({"source": ["twilio"], "test": ["false"], "message_type": ["text"]}, message).accepts
    on_body = {"source": ["twilio"], "test": [False], "params": {"Body": [{"prefix": "hel"}]}}
    assert evaluate(json.dumps(on_body), BODY_SCOPE, message).accepts is True


names = st.text(st.characters(categories=["L", "N"]), min_size=1, max_size=5)
values = st.text(max_size=8)
documents = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | values,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=drawn(40))
@given(st.dictionaries(names, values, max_size=4), st.dictionaries(names, documents, max_size=4))
def test_no_policy_breaks_the_evaluation(message: dict[str, str], policy: dict[str, Any]) -> None:
    by_attributes(policy, attributes(**message))
    by_body(policy, message)


@settings(max_examples=drawn(40))
@given(st.dictionaries(names, values.filter(bool), min_size=1, max_size=4))
def test_a_policy_of_a_message_s_own_values_accepts_it(message: dict[str, str]) -> None:
    policy = {name: [value] for name, value in message.items()}
    assert by_attributes(policy, attributes(**message)).accepts is True
    assert by_body(policy, message).accepts is True


@settings(max_examples=drawn(40))
@given(names, values, st.lists(values, min_size=1, max_size=3))
def test_anything_but_is_the_opposite_of_exact_for_one_value(
    name: str, value: str, others: list[str]
) -> None:
    message = attributes(**{name: value})
    exact = by_attributes({name: others}, message).accepts
    assert by_attributes({name: [{"anything-but": others}]}, message).accepts is not exact


@settings(max_examples=drawn(40))
@given(names, values, documents, documents)
def test_one_more_condition_of_a_key_never_rejects_more(
    name: str, value: str, first: Any, second: Any
) -> None:
    message = attributes(**{name: value})
    if by_attributes({name: [first]}, message).accepts:
        assert by_attributes({name: [first, second]}, message).accepts is True
