"""What the `dlq` commands print of dead letters with something odd in them."""

from __future__ import annotations

import io
import json
import re
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from b2bpilot.cli.dlq import dead_letter_view, group_view
from b2bpilot.cli.output import Output, pairs
from b2bpilot.cli.text import plain
from b2bpilot.ops.dead_letters.causes import Group, cause_of
from b2bpilot.ops.dead_letters.decision import decide
from b2bpilot.ops.dead_letters.listing import Shown, ShownLog, ShownRow, timeline_of
from b2bpilot.pipeline.dead_letter import read_dead_letter
from tests.cli.conftest import Run, Staging
from tests.cli.dlq.dead_letters import DeadLetters, editor
from tests.events import message, received
from tests.odd_dead_letters import DESTINATION, KNOWN, PLACES, odd_dead_letters, with_odd

NOW = datetime(2026, 11, 23, tzinfo=UTC)
UNREADABLE = {
    "a time before all times": "time '<time>' cannot be",
    "a number without end": "the body holds a number that is too large",
}


@pytest.fixture
def dead_letters(staging: Staging, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> DeadLetters:
    monkeypatch.setenv("B2BPILOT_ENV", "staging")
    monkeypatch.setenv("B2BPILOT_HOME", str(tmp_path / "pilot"))
    monkeypatch.setattr("b2bpilot.ops.dead_letters.sweep.LONG_POLL_SECONDS", 0)
    return DeadLetters()


@pytest.fixture
def odd(dead_letters: DeadLetters) -> dict[str, str]:
    """The ids of all the odd dead letters, among twelve others."""
    for _ in range(12):
        dead_letters.put(message())
    return {name: dead_letters.put(body) for name, body in KNOWN.items()}


def test_a_list_names_each_cause_and_everything_is_visible_after_it(
    run: Run, dead_letters: DeadLetters, odd: dict[str, str]
) -> None:
    result = run("dlq", "list", "-o", "json")
    groups = {group["error"]: (group["kind"], group["count"]) for group in result.document["groups"]}

    assert result.exit_code == 0
    assert groups == {
        "no customer": ("exception", 13),
        "<n>": ("exception", 1),
        '["a"]': ("exception", 1),
        "boom": ("exception", 1),
        **dict.fromkeys(UNREADABLE.values(), ("unreadable", 1)),
    }
    assert result.document["complete"]
    assert len(dead_letters.all()) == 12 + len(odd)


def shown(found: dict[str, Any]) -> Shown:
    dead_letter = read_dead_letter(found)
    return Shown(
        dead_letter=dead_letter,
        others=0,
        group="G1",
        expires_at=NOW,
        timeline=timeline_of(replace(dead_letter, first_received_at=NOW), None),
        row=ShownRow(),
        log=ShownLog(missing="nobody asked"),
        decision=decide(dead_letter, None, failures=dead_letter.redrives),
        redrive="",
    )


def group_of(found: dict[str, Any]) -> Group:
    cause = cause_of(read_dead_letter(found))
    return Group(id="G1", cause=cause, count=1, oldest=NOW, newest=NOW, expiry=None, sample="a dead letter")


def told(found: dict[str, Any], *, reveal: bool) -> list[str]:
    """What `dlq show` and `dlq list` print of it."""
    stream = io.StringIO()
    story = dead_letter_view.story(shown(found), reveal=reveal, now=NOW)
    groups = group_view.lines(group_of(found), now=NOW)
    Output(stdout=stream, stderr=stream).record({}, text=[*pairs(story), *groups])
    return stream.getvalue().split("\n")


@given(found=odd_dead_letters(), reveal=st.booleans())
def test_whatever_a_dead_letter_holds_moves_no_cursor_and_hides_no_text(
    found: dict[str, Any], *, reveal: bool
) -> None:
    for line in told(found, reveal=reveal):
        assert plain.one_line(line) == line
    json.dumps([dead_letter_view.fields(shown(found), reveal=reveal), group_view.fields(group_of(found))])


def test_a_number_at_the_wrong_place_is_masked_where_a_failure_is_told() -> None:
    technical = re.compile("(Message|Sms|SmsMessage|Account)Sid|NumSegments|NumMedia|MediaContentType0")
    for body, place in PLACES:
        found = received(with_odd(body, place, '"+15005550006, please call"'))
        if not technical.fullmatch(str(place[-1] if place else "")):
            assert "5005550006" not in "".join(told(found, reveal=False))


def test_a_dead_letter_is_shown_with_the_reason_why_it_stays(run: Run, odd: dict[str, str]) -> None:
    result = run("dlq", "show", odd["a time before all times"])
    assert "unreadable     time '0001-01-01T00:00:00+05:00' cannot be" in result.stdout
    assert "redrive would  leave it: time '0001-01-01T00:00:00+05:00' cannot be" in result.stdout

    result = run("dlq", "show", odd["an error that is a list"])
    assert 'failure        exception: ["a"] (code 200, request e4b4)' in result.stdout
    assert "redrive would  send it again, for the first time" in result.stdout

    result = run("dlq", "show", odd["half of a dead letter"])
    assert "Body" in result.stdout
    assert r"\ud800" in result.stdout


def test_an_export_holds_every_dead_letter_and_a_replay_of_it_says_what_was_left_out(
    run: Run, odd: dict[str, str], tmp_path: Path
) -> None:
    file = str(tmp_path / "letters.jsonl")
    assert run("dlq", "export", file).stdout == f"Exported 18 dead letters to {file}\n"

    result = run("dlq", "replay", "--file", file, "--local", "--yes")
    assert result.exit_code == 4
    assert "Process copies of 16 dead letters" in result.stderr
    assert "2 left out: unreadable" in result.stderr
    assert "error: 16 processed, 0 failed, 2 cannot be read" in result.stderr


def test_a_replay_of_dead_letters_that_cannot_be_read_begins_no_run(
    run: Run, odd: dict[str, str], tmp_path: Path
) -> None:
    result = run("dlq", "replay", "--message-id", odd["a number without end"], "--yes")

    assert result.exit_code == 1
    assert "error: of 1 dead letter, none can be read" in result.stderr
    assert not (tmp_path / "pilot" / "runs").exists()


def test_a_dead_letter_that_cannot_be_read_is_discarded_and_comes_back_as_it_was(
    run: Run, dead_letters: DeadLetters, odd: dict[str, str], tmp_path: Path
) -> None:
    before = dead_letters.contents()
    result = run("dlq", "discard", "--error", "cannot be", "--yes")
    assert "Discarded 1 dead letter;" in result.stdout
    assert len(dead_letters.contents()) == 17

    (archive,) = (tmp_path / "pilot" / "archives").glob("*.jsonl")
    assert run("dlq", "restore", archive.stem, "--yes").exit_code == 0
    assert dead_letters.contents() == before


def test_a_dead_letter_that_cannot_be_read_is_not_edited(run: Run, odd: dict[str, str]) -> None:
    result = run("dlq", "edit", odd["a number without end"])

    assert result.exit_code == 1
    assert "cannot be edited: the body holds a number that is too large" in result.stderr


def test_half_of_a_dead_letter_is_edited_and_the_difference_can_be_printed(
    run: Run, dead_letters: DeadLetters, odd: dict[str, str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    change = r"document['params']['Body'] = 'whole\u009b\u2028 now'; path.write_text(json.dumps(document))"
    editor(monkeypatch, tmp_path, change)
    result = run("dlq", "edit", odd["half of a dead letter"], "--yes")

    assert result.exit_code == 0
    assert r'-    "Body": "\ud800",' in result.stdout
    assert r'+    "Body": "whole\u009b\u2028 now",' in result.stdout
    assert len(dead_letters.contents()) == 18


def test_an_error_cannot_command_the_terminal(run: Run, dead_letters: DeadLetters) -> None:
    dead_letters.put(with_odd(DESTINATION, ("responsePayload", "errorMessage"), r'"\u001b[2J\ud800 gone"'))
    result = run("dlq", "list")

    assert result.stdout.splitlines()[0] == r"G1  1 exception: \u001b[<n>J\ud800 gone"
