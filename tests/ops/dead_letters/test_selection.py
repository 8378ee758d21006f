"""Which dead letters a selection means."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from b2bpilot.errors import UsageError
from b2bpilot.ops.dead_letters.expression import Expression
from b2bpilot.ops.dead_letters.filters import Selection
from b2bpilot.pipeline.dead_letter import DeadLetter, read_dead_letter
from tests.events import received
from tests.fakes.dead_letters import dead

SENT = datetime(2026, 10, 9, 16, 43, 26, 327000, tzinfo=UTC)
NOW = SENT + timedelta(hours=2)
HOUR = timedelta(hours=1)


def dead_letter(text: str = "the CRM answered 503", **params: str) -> DeadLetter:
    return read_dead_letter(dead(text, params=params))


UNREADABLE = read_dead_letter(received("hello"))


def where(text: str) -> Selection:
    return Selection(where=Expression.parse(text))


@pytest.mark.parametrize(
    ("selection", "matches"),
    [
        (Selection(), True),
        (Selection(since=SENT), True),
        (Selection(since=SENT + HOUR), False),
        (Selection(until=SENT), False),
        (Selection(until=SENT + HOUR), True),
        (Selection(older_than=2 * HOUR), True),
        (Selection(older_than=3 * HOUR), False),
        (Selection(error="crm ANSWERED"), True),
        (Selection(error="200"), True),
        (Selection(error="timed out"), False),
        (Selection(from_number="+15005550006"), True),
        (Selection(from_number="whatsapp:+15005550006"), True),
        (Selection(from_number="5550006"), False),
        (Selection(message_ids=frozenset({"another"})), False),
        (Selection(since=SENT, error="crm", from_number="+15005550006", older_than=HOUR), True),
        (Selection(since=SENT, error="crm", from_number="+1"), False),
        (Selection(group="G7", limit=1), True),
    ],
)
def test_every_filter_must_hold(selection: Selection, matches: bool) -> None:
    assert selection.matches(dead_letter(), now=NOW) is matches


@pytest.mark.parametrize(
    ("selection", "has_filter", "is_everything"),
    [
        (Selection(), False, True),
        (Selection(limit=999_999_999), False, False),
        (Selection(group="G1"), True, False),
        (Selection(group="G1", limit=1), True, False),
    ],
)
def test_a_limit_is_no_filter(selection: Selection, has_filter: bool, is_everything: bool) -> None:
    assert (selection.has_filter, selection.is_everything) == (has_filter, is_everything)


def test_a_dead_letter_is_named_by_its_message_or_by_itself() -> None:
    found = dead_letter()
    assert found.message is not None

    for name in (found.message.message_id, found.queue_message_id):
        assert Selection(message_ids=frozenset({name, "another"})).matches(found, now=NOW)


@pytest.mark.parametrize(
    "selection",
    [
        Selection(from_number="+15005550006"),
        Selection(message_ids=frozenset({"x"})),
        where("starts_with(params.From, 'whatsapp:')"),
    ],
)
def test_a_dead_letter_that_cannot_be_read_does_not_match_what_it_lacks(selection: Selection) -> None:
    assert not selection.matches(UNREADABLE, now=NOW)


def test_a_dead_letter_that_cannot_be_read_is_found_by_the_reason() -> None:
    assert Selection(error="not json").matches(UNREADABLE, now=NOW)
    assert where("letter.unreadable").matches(UNREADABLE, now=NOW)


def test_a_dead_letter_without_a_time_does_not_match_a_time() -> None:
    timeless: dict[str, Any] = dead()
    del timeless["Attributes"]["SentTimestamp"]

    assert not Selection(older_than=timedelta(seconds=1)).matches(read_dead_letter(timeless), now=NOW)


@pytest.mark.parametrize(
    ("expression", "matches"),
    [
        ("failure.kind == 'exception'", True),
        ("failure.kind == 'timeout'", False),
        ("contains(failure.text, '503')", True),
        ("params.NumMedia != '0' && message.source == 'twilio'", True),
        ("message.test", False),
        ("message.params.Body", True),
        ("params.FromZip", False),
        ("params.Nothing", False),
        ("letter.redrives", True),
        ("letter.redrives > `2`", False),
        ("letter.shape == 'lambda'", True),
    ],
)
def test_where_reads_the_decoded_fields(expression: str, matches: bool) -> None:
    assert where(expression).matches(dead_letter(), now=NOW) is matches


@pytest.mark.parametrize(
    ("expression", "reason"),
    [
        ("failure.kind ==", "Incomplete expression"),
        ("failure.kind = 'timeout'", "Bad jmespath expression"),
        ("like(params.Body, 'x')", "Unknown function: like"),
        ("contains(params.Body)", "Expected 2 arguments for function contains"),
        ("starts_with(letter.redrives, 'x')", "invalid type for value: 0"),
        ("", "cannot be empty"),
    ],
)
def test_an_expression_that_cannot_be_used_is_refused_before_anything_is_received(
    expression: str, reason: str
) -> None:
    with pytest.raises(UsageError, match=reason) as raised:
        Expression.parse(expression)
    assert "\n" not in str(raised.value)


def test_an_expression_that_fails_on_one_dead_letter_only_is_refused_there() -> None:
    selection = where("letter.redrives > `0` && unknown(@)")
    again = read_dead_letter(
        received(
            dead_letter().body.replace('{"Records"', '{"redrive": {"run_id": "r", "attempt": 1}, "Records"')
        )
    )

    assert not selection.matches(dead_letter(), now=NOW)
    with pytest.raises(UsageError, match="Unknown function"):
        selection.matches(again, now=NOW)


@pytest.mark.parametrize(
    ("expression", "reason"),
    [
        ("failre.kind == 'timeout'", "there is no field failre"),
        ("failure.kindd == 'timeout'", "there is no field failure.kindd"),
        ("kind != 'timeout'", "there is no field kind"),
        ("contains(message.body, 'x')", "there is no field message.body"),
        ("failure.kind == 'timeout' || letter.sent == 'x'", "there is no field letter.sent"),
        ("length(letters) > `0`", "there is no field letters"),
        ("!params.Body", "write !(a.b)"),
    ],
)
def test_a_field_that_no_dead_letter_can_have_is_refused(expression: str, reason: str) -> None:
    with pytest.raises(UsageError, match=re.escape(reason)):
        Expression.parse(expression)


@pytest.mark.parametrize(
    "expression",
    [
        "params",
        "!(params.Body)",
        "params.* | [0]",
        "params | keys(@) | contains(@, 'Body')",
        "sort_by(values(params)[].{a: @}, &a)[?a == 'x']",
        "[failure.kind, letter.id]",
        "{kind: failure.kind, any: `true`}.any",
        "letter.id[0]",
        "message.params.Body && letter.shape",
    ],
)
def test_names_that_are_no_fields_of_the_dead_letter_are_left_alone(expression: str) -> None:
    Expression.parse(expression)


@pytest.mark.parametrize(
    ("expression", "is_refused"),
    [
        ("params.Statsu != 'x'", True),
        ("message.params.Statsu == 'x' || failure.kind == 'timeout'", True),
        ("params.ButtonText == 'Yes'", False),
        ("params.MediaUrl3", False),
        ("params.OrderNumber == '4711'", False),
    ],
)
def test_a_parameter_that_no_dead_letter_has_is_refused_unless_twilio_sends_it_at_times(
    expression: str, is_refused: bool
) -> None:
    selection = where(expression)
    for found in (dead_letter(), dead_letter(OrderNumber="12"), UNREADABLE):
        selection.matches(found, now=NOW)
    assert selection.where is not None

    if not is_refused:
        selection.where.require_fields()
        return
    with pytest.raises(UsageError, match=r"none of the dead letters has params\.Statsu"):
        selection.where.require_fields()


def test_nothing_is_said_of_fields_when_there_was_no_dead_letter_to_try() -> None:
    Expression.parse("params.Statsu").require_fields()
