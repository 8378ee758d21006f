"""Several values of one name in a mapping of text to text: none is lost, and readers of one value see the last."""

from __future__ import annotations

import json
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from b2bpilot.pipeline.message import decode, encode
from b2bpilot.pipeline.several_values import ALL_VALUES, pairs_of, parameters, values_of
from tests.events import message

TEXT = st.text(st.characters(codec="utf-8"), max_size=5)
NAMES = st.sampled_from(["Body", "Tag", ALL_VALUES]) | TEXT


@given(st.lists(st.tuples(NAMES, TEXT)))
def test_nothing_is_lost_or_made_up(pairs: list[tuple[str, str]]) -> None:
    found = parameters(pairs)

    assert Counter(pairs_of(found)) == Counter(pairs)
    for name, value in dict(pairs).items():
        assert values_of(found, name) == [each for key, each in pairs if key == name]
        assert name == ALL_VALUES or found[name] == value
    assert values_of(found, "Somebody") == [each for key, each in pairs if key == "Somebody"]


@pytest.mark.parametrize(
    "text", ["", "x", "[]", "null", '{"Tag": "a"}', '{"Tag": []}', '{"Tag": [1]}', "[" * 10_000]
)
def test_text_that_is_not_ours_is_a_parameter_like_every_other(text: str) -> None:
    assert list(pairs_of({"Tag": "b", ALL_VALUES: text})) == [("Tag", "b"), (ALL_VALUES, text)]


def test_all_values_travel_and_older_readers_see_text_only() -> None:
    pairs = [("Tag", "24"), ("Tag", "48"), ("Tag", "9"), ("Tag", "48"), ("Body", "")]
    sent = message(params=parameters(pairs))

    body = encode(sent).body

    assert json.loads(body)["schema"] == 1
    assert {type(value) for value in json.loads(body)["params"].values()} == {str}
    assert values_of(decode(body).params, "Tag") == ["24", "48", "9", "48"]
    assert decode(body).params["Tag"] == "48"
