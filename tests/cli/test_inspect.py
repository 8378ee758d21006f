"""`b2bpilot inspect` where there is a database and no environment; tests/local has the rest."""

from __future__ import annotations

import pytest

from b2bpilot.pipeline.message import message_id_for
from tests.cli.conftest import Run
from tests.cli.test_submissions import sid, three_rows

__all__ = ["three_rows"]


def test_the_row_alone_makes_a_story_and_what_was_not_asked_is_named(run: Run, three_rows: str) -> None:
    result = run("inspect", sid(0))
    assert result.exit_code == 0
    assert (
        "outcome     failed: the CRM is down; whether Lambda runs it again is not known: nobody could read all of the "
        "processor's log\n" in result.stdout
    )
    assert "about       text, from whatsapp:+4917***4567, 'hello'\n" in result.stdout
    assert "not asked  logs: no environment was named\n" in result.stdout


def test_json_has_the_story_and_the_row(run: Run, three_rows: str) -> None:
    document = run("inspect", message_id_for(sid(1)), "-o", "json").document
    assert document["inspection"]["verdict"] == "stored"
    assert document["submission"]["message_sid"] == sid(1)
    assert {"name": "database", "problem": None, "note": None} in document["inspection"]["sources"]


def test_a_number_leads_to_its_messages(run: Run, three_rows: str) -> None:
    result = run("inspect", "+491701234567", "--since", "1h")
    assert (result.exit_code, result.stdout.count("\n")) == (0, 4)
    assert "whatsapp:+4917***4567" in result.stdout
    assert "+491701234567" not in result.stdout + result.stderr
    assert "leads to 3 messages" in result.stderr


def test_where_a_number_has_older_messages_too_their_count_is_not_told(
    run: Run, three_rows: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("b2bpilot.ops.inspect.numbers.MOST", 2)
    result = run("inspect", "+491701234567", "--since", "1h")
    assert result.stdout.count("\n") == 3
    assert "leads to these and older messages" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "exit_code", "said"),
    [
        (["4711"], 2, "'4711' is neither a message_id, a MessageSid"),
        (["+491701234567"], 2, "a phone number matches many messages\nhint: limit the period: --since 2h"),
        (["+15005550000", "--since", "1h"], 1, "no row is from that number since"),
        ([sid(9)], 1, f"no trace of {sid(9)} found. Asked: database ("),
        ([sid(1), "--since", "yesterday"], 2, "--since: 'yesterday' is neither a duration nor a time"),
    ],
)
def test_what_leads_nowhere_is_said(
    run: Run, three_rows: str, arguments: list[str], exit_code: int, said: str
) -> None:
    result = run("inspect", *arguments)
    assert (result.exit_code, result.stdout) == (exit_code, "")
    assert f"error: {said}" in result.stderr


def test_an_unreachable_database_is_named_with_everything_else(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("B2BPILOT_DATABASE_URL", "postgresql://nobody@127.0.0.1:1/none")
    result = run("inspect", sid(1))
    assert result.exit_code == 1
    assert f"error: nobody could be asked about {sid(1)}. Not asked: database: " in result.stderr
    assert "no trace" not in result.stderr


@pytest.mark.parametrize("asked", [[sid(1)], ["+15005550000", "--since", "1h"]])
def test_who_names_neither_an_environment_nor_a_database_asks_nobody_and_is_told_so(
    run: Run, asked: list[str]
) -> None:
    result = run("inspect", *asked, "-o", "json")
    assert (result.exit_code, result.document["error"]["code"]) == (2, "usage")
    assert result.document["error"]["message"] == "no environment and no database were named"
