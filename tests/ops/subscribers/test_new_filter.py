"""A new subscriber's filter policy: what is refused, and that the template says the same as the operator."""

from __future__ import annotations

import json

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from b2bpilot.errors import UsageError
from b2bpilot.ops.subscribers.new_filter import as_yaml, read_filter
from b2bpilot.ops.verify.template import parse

ACCEPTED = [
    '{"test": ["false"]}',
    "{}",
    '{"priority": ["high"], "source": [{"prefix": "tw"}]}',
    '{"message_type": [{"anything-but": ["test"]}]}',
    '{"$or": [{"priority": ["high"]}, {"source": ["twilio"]}]}',
    '{"source": ["twilio", "\\u00e9\\ud83d\\ude9a\\u0085\\u2028\\ufeff\\u007f\\u0001 : # - {{x}} ${y}"]}',
    '{"test": ["false", 1e2, -0.00001, 1.50, true, null]}',
]
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
values = st.one_of(texts, st.booleans(), st.none(), st.decimals(-(10**9), 10**9, places=5).map(float))


@pytest.mark.parametrize("text", ACCEPTED)
def test_the_template_has_the_policy_that_was_asked_for(text: str) -> None:
    written = as_yaml(read_filter(text))

    assert parse(f"FilterPolicy: {written}") == {"FilterPolicy": json.loads(text)}
    assert json.loads(text) == yaml.safe_load(written)


@given(st.dictionaries(texts, st.lists(values, max_size=4), max_size=4))
def test_whatever_it_holds_yaml_reads_what_json_said(policy: dict[str, list[object]]) -> None:
    from b2bpilot.ops.subscribers.filter_policy import parsed

    assert yaml.safe_load(as_yaml(parsed(json.dumps(policy)))) == policy


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "it is not JSON"),
        ("{'test': ['false']}", "it is not JSON"),
        ("[]", "it is not a JSON object"),
        ('"test"', "it is not a JSON object"),
        ('{"test": "false"}', "a value stands in an array"),
        ('{"a": ["1"], "b": ["1"], "c": ["1"], "d": ["1"], "e": ["1"], "f": ["1"]}', "it has 6 keys, and SNS takes 5"),
        (json.dumps({"test": [*map(str, range(13))], "source": [*map(str, range(12))]}), "SNS takes 150"),
        ('{"source": [{"regex": ".*"}]}', "regex"),
        ('{"source": {"prefix": "tw"}}', "stands in an array"),
        ('{"customer": ["acme"]}', "no message that b2bpilot publishes passes it"),
        ('{"test": ["maybe"]}', "no message that b2bpilot publishes passes it"),
        ('{"source": [NaN]}', "it is not JSON"),
        ('{"source": [], "test": ["false"]}', "empty array"),
        ('{"source": [{"anything-but": ["\\ud83d"]}]}', "is no text"),
        ('{"$or": [{"Ref": ["x"]}, {"test": ["false"]}]}', "for a function of its own"),
        ('{"test": ["false", "{{resolve:ssm:x}}"]}', "CloudFormation would replace"),
        ('{"test": [false]}', 'test: attributes are text, and whether SNS takes false for it is unknown: write "false"'),
        ('{"$or": [{"priority": ["high"]}, {"test": [true, 1]}]}', 'write "true"'),
    ],
)  # fmt: skip
def test_what_sns_or_cloudformation_would_not_take_is_refused(text: str, said: str) -> None:
    with pytest.raises(UsageError) as refused:
        read_filter(text)
    assert str(refused.value).startswith("--filter: ")
    assert said in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    "text",
    [
        '{"test": "LONG"}',
        '{"test": ["LONG"]}',
        '{"LONG": ["a"]}',
        '{"test": [{"LONG": "x"}]}',
        '{"test": [{"prefix": [LONG]}]}',
    ],
)
def test_a_refusal_does_not_repeat_a_long_input(text: str) -> None:
    with pytest.raises(UsageError) as refused:
        read_filter(text.replace("LONG", "1" * 5_000))
    assert len(str(refused.value)) < 250
