"""Which kinds of message each subscriber gets."""

from __future__ import annotations

import json
from itertools import product
from typing import Any

import pytest
from hypothesis import given, settings

from b2bpilot.errors import AwsDenied
from b2bpilot.ops.subscribers.coverage import coverage
from b2bpilot.ops.subscribers.filter_policy import BODY_SCOPE
from b2bpilot.ops.subscribers.kinds import MessageKind, kinds
from b2bpilot.ops.subscribers.who_gets_what import WHOLE, WhoGetsWhat, _boxes, _value, who_gets_what
from tests.fuzz import drawn
from tests.ops.subscribers.test_coverage import attributes_of, emulated, policies
from tests.ops.subscribers.test_reach import ANALYTICS, ENVIRONMENT, PROCESSOR, subscribed

ATTRIBUTES = "MessageAttributes"


def told(*others: Any, processor: Any = None) -> WhoGetsWhat:
    found = [subscribed(PROCESSOR, policy=processor)]
    return who_gets_what(ENVIRONMENT, [*found, *(subscribed(ANALYTICS, policy=one) for one in others)])


def groups(found: WhoGetsWhat) -> list[tuple[int, str, tuple[bool | None, ...]]]:
    return [(len(one.kinds), one.in_words(), one.answers) for one in found.groups()]


def test_without_filters_everybody_gets_everything() -> None:
    found = told(None)
    assert found.names == ("processor", "analytics")
    assert groups(found) == [
        (82, "messages; messages without attributes; redriven messages that had no attributes", (True, True))
    ]
    assert (found.missed, found.why) == ([], {"processor": (), "analytics": ()})


@pytest.mark.parametrize(
    ("policy", "got", "left"),
    [
        (
            {"test": ["false"]},
            "real messages",
            "test messages; messages without attributes; redriven messages that had no attributes",
        ),
        (
            {"message_type": ["text", "media"], "source": ["twilio"]},
            "text and media messages from twilio",
            None,
        ),
        ({"priority": ["high"], "test": ["true"]}, "test messages with priority high", None),
        (
            {"redrive_run_id": [{"exists": False}], "test": ["false"]},
            "real messages not redriven",
            None,
        ),
        (
            {"$or": [{"priority": ["normal"]}, {"source": ["twilio"]}]},
            "messages with priority normal; messages from twilio with priority high",
            None,
        ),
    ],
)
def test_kinds_that_go_the_same_way_are_told_together(policy: Any, got: str, left: str | None) -> None:
    found = told(policy)
    by_answers = {one.answers: one.in_words() for one in found.groups()}
    assert by_answers[True, True] == got
    assert left is None or by_answers[True, False] == left


def test_what_the_processor_misses_comes_first_and_says_why() -> None:
    found = told(None, processor={"$or": [{"priority": ["normal"]}, {"source": ["twilio"]}]})
    first = found.groups()[0]
    assert first.answers == (False, True)
    assert first.in_words() == (
        "messages from stale, reconcile and cli with priority high; messages without attributes; "
        "redriven messages that had no attributes"
    )
    assert len(found.missed) == 32
    assert found.why["processor"][0].startswith("its filter policy rejects 30 of 82 kinds of message")


def test_without_the_processor_everything_is_missed() -> None:
    found = who_gets_what(ENVIRONMENT, [subscribed(ANALYTICS)])
    assert len(found.missed) == len(kinds())
    assert found.why["processor"] == ("it is not subscribed",)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"policy": {"message_id": [{"prefix": "0"}]}}, "looks at message_id, different in each message"),
        ({"policy": {"source": [{"wildcard": "*"}]}}, "is not provable for a text message from twilio"),
        (
            {"attributes_error": AwsDenied("denied", action="sns:GetSubscriptionAttributes")},
            "its filter policy cannot be read: denied",
        ),
        ({"policy": {"params": ["x"]}, "filter_policy_scope": BODY_SCOPE}, "the message's body"),
    ],
)
def test_what_cannot_be_told_is_unknown_and_says_why(changes: dict[str, Any], reason: str) -> None:
    found = who_gets_what(ENVIRONMENT, [subscribed(PROCESSOR), subscribed(ANALYTICS, **changes)])
    answers = {one[1] for one in found.answers.values()}
    assert None in answers
    assert True not in answers
    assert reason in found.why["analytics"][0]


def test_what_others_leave_out_on_purpose_is_no_reason() -> None:
    assert told({"test": ["false"]}).why["analytics"] == ()


def test_one_of_two_subscriptions_of_the_processor_is_enough() -> None:
    halves = [subscribed(PROCESSOR, policy={"test": [value]}) for value in ("true", "false")]
    missed = who_gets_what(ENVIRONMENT, halves).missed
    assert {kind.source for kind in missed} == {None}


@settings(max_examples=drawn(100))
@given(policies)
def test_the_answers_are_those_of_the_processor_s_coverage_and_the_emulator_s(policy: dict[str, Any]) -> None:
    found = told(processor=policy)
    covered = coverage(json.dumps(policy), ATTRIBUTES)
    assert found.missed == [
        kind for kind in kinds() if kind in {one.kind for one in (*covered.lost, *covered.bare)}
    ]
    for kind, (answer,) in found.answers.items():
        assert answer in (None, emulated(policy, attributes_of(kind)))


@settings(max_examples=drawn(100))
@given(policies)
def test_the_words_of_a_group_stand_for_its_kinds_and_no_others(policy: dict[str, Any]) -> None:
    for group in told(policy).groups():
        ours = [one for one in group.kinds if one.source]
        boxes = _boxes(frozenset(ours), tuple(WHOLE))
        named = [values for box in boxes for values in product(*(sorted(box[name]) for name in WHOLE))]
        assert sorted(named) == sorted(_values(one) for one in ours)


def _values(kind: MessageKind) -> tuple[str, ...]:
    return tuple(_value(kind, name) for name in WHOLE)
