"""Odd dead letters on their way through everything that looks at dead letters: nothing raises, nothing lies, nothing stays hidden."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given

from b2bpilot.ops.dead_letters.archive import ArchiveInvalid, archived, line, read_archive
from b2bpilot.ops.dead_letters.causes import cause_of, numbered
from b2bpilot.ops.dead_letters.decision import Decision, decide
from b2bpilot.ops.dead_letters.edit import edited, replacement, text_for_editor
from b2bpilot.ops.dead_letters.expression import Expression
from b2bpilot.ops.dead_letters.filters import Selection
from b2bpilot.ops.dead_letters.listing import timeline_of
from b2bpilot.ops.dead_letters.peek import peek
from b2bpilot.ops.runs.journal import entry
from b2bpilot.ops.table.row_state import RowState
from b2bpilot.pipeline.dead_letter import DeadLetter, read_dead_letter
from tests.events import ours, received
from tests.fakes.dead_letters import ORIGIN, dead
from tests.fakes.sqs import FakeQueue
from tests.odd_dead_letters import KNOWN, odd_dead_letters

NOW = datetime(2026, 11, 23, tzinfo=UTC)
EXPRESSIONS = [
    Expression.parse(text)
    for text in (
        "contains(failure.text, 'x') || starts_with(params.From, 'whatsapp:')",
        "message.received_at > letter.sent_at",
        "ceil(to_number(params.Body)) > `1`",
        "letter.redrives > `2` || failure.request_id == 'a'",
    )
]


@given(odd_dead_letters())
def test_every_odd_dead_letter_is_grouped_chosen_and_told_of(found: dict[str, Any]) -> None:
    dead_letter = read_dead_letter(found)

    assert numbered(Counter([cause_of(dead_letter)]))[cause_of(dead_letter)] == "G1"
    for expression in EXPRESSIONS:
        Selection(where=expression, error="boom", from_number="+1500").matches(dead_letter, now=NOW)
        expression.matches(dead_letter)
    json.dumps(entry("planned", dead_letter)).encode()
    moments = timeline_of(replace(dead_letter, first_received_at=NOW), None)
    assert moments == sorted(moments, key=lambda moment: moment.at)


@given(odd_dead_letters())
def test_a_redrive_leaves_every_dead_letter_that_cannot_be_read_where_it_is(found: dict[str, Any]) -> None:
    dead_letter = ours(read_dead_letter(found))
    everything = {"include_completed": True, "include_poison": True}

    for state in (None, *RowState):
        assert (
            decide(dead_letter, state, failures=dead_letter.redrives, **everything) is Decision.UNREADABLE
        ) == bool(dead_letter.unreadable)


@given(found=odd_dead_letters())
def test_every_odd_dead_letter_survives_an_export(found: dict[str, Any], tmp_path_factory: Any) -> None:
    dead_letter = read_dead_letter(found)
    path: Path = tmp_path_factory.mktemp("export") / "letters.jsonl"
    path.write_bytes(line(archived(dead_letter, ORIGIN)) + b"\n")
    (entry_,) = read_archive(path)

    assert (entry_.body, entry_.attributes) == (dead_letter.body, dead_letter.attributes)
    assert (entry_.dead_letter.message, entry_.dead_letter.unreadable) == (
        dead_letter.message,
        dead_letter.unreadable,
    )


@given(odd_dead_letters())
def test_every_message_that_can_be_read_can_be_edited(found: dict[str, Any]) -> None:
    dead_letter = read_dead_letter(found)
    if dead_letter.event is None:
        return
    text = text_for_editor(dead_letter).encode().decode()
    edit = edited(dead_letter, text)

    assert not edit.is_change
    assert edit.diff() == []
    new = replacement(edit, ORIGIN).dead_letter
    assert (new.message, new.shape, new.failure) == (
        dead_letter.message,
        dead_letter.shape,
        dead_letter.failure,
    )


@pytest.mark.parametrize("name", KNOWN)
def test_a_look_over_an_odd_dead_letter_and_its_neighbours_shows_and_releases_all(name: str) -> None:
    queue = FakeQueue([*(dead() for _ in range(19)), received(KNOWN[name])])
    seen = peek(queue, now=NOW, monotonic=queue.sqs.clock)

    assert (seen.saw, len(seen.found), seen.is_complete) == (20, 20, True)
    assert queue.sqs.hidden() == set()


def test_a_defect_of_the_decoder_hides_no_dead_letter(monkeypatch: pytest.MonkeyPatch) -> None:
    def defect(*_: object) -> None:
        raise RuntimeError("surprise")

    queue = FakeQueue(dead() for _ in range(20))
    monkeypatch.setattr("b2bpilot.pipeline.dead_letter.deliveries", defect)
    seen = peek(queue, now=NOW, monotonic=queue.sqs.clock)

    assert {found.group_key for found in seen.found} == {"this version fails to read it: RuntimeError"}
    assert (seen.saw, queue.sqs.hidden()) == (20, set())


@pytest.mark.parametrize("number", ["1e999", "NaN", "-Infinity"])
def test_a_number_that_a_function_cannot_compute_does_not_match(number: str) -> None:
    dead_letter: DeadLetter = read_dead_letter(dead(params={"Body": number}))

    assert not Expression.parse("ceil(to_number(params.Body)) > `1`").matches(dead_letter)


def test_a_file_whose_times_are_no_text_is_read_all_the_same(tmp_path: Path) -> None:
    document = json.loads(line(archived(read_dead_letter(dead()), ORIGIN)))
    path = tmp_path / "letters.jsonl"
    path.write_text(json.dumps({**document, "system_attributes": {"SentTimestamp": [1]}}) + "\n")

    (found,) = read_archive(path)
    assert found.dead_letter.sent_at is None


@pytest.mark.parametrize("system_attributes", ["x", [1], None])
def test_a_file_without_attributes_is_no_export(tmp_path: Path, system_attributes: object) -> None:
    document = json.loads(line(archived(read_dead_letter(dead()), ORIGIN)))
    path = tmp_path / "letters.jsonl"
    path.write_text(json.dumps({**document, "system_attributes": system_attributes}) + "\n")

    with pytest.raises(ArchiveInvalid, match="line 1: not an exported dead letter"):
        list(read_archive(path))


def test_a_cause_of_any_length_is_remembered_in_short() -> None:
    found = [read_dead_letter(dead("no customer " + "x" * 250_000 + str(n))) for n in range(2)]

    assert cause_of(found[0]) == cause_of(found[1])
    assert len(cause_of(found[0]).text) == 300
