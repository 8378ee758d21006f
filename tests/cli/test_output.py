"""What is printed on a terminal and where there is none, and asking at one."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator

import pytest

from b2bpilot.cli.frame.confirm import Confirmation
from b2bpilot.cli.frame.settings import Color, Format
from b2bpilot.cli.output import Output, PipeClosed, Row, ShownError
from b2bpilot.errors import Refused


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


class ClosedPipe(io.StringIO):
    def write(self, _: str) -> int:
        raise BrokenPipeError


def captured(**options: object) -> Output:
    return Output(stdout=io.StringIO(), stderr=io.StringIO(), **options)  # type: ignore[arg-type]  # the fields of Output


def at_a_terminal(monkeypatch: pytest.MonkeyPatch, **options: object) -> Output:
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", "40")
    return Output(stdout=Terminal(), stderr=Terminal(), **options)  # type: ignore[arg-type]  # the fields of Output


def text(stream: object) -> str:
    assert isinstance(stream, io.StringIO)
    return stream.getvalue()


ROWS = [
    Row(fields={"id": 1}, columns={"id": "1", "text": "日本 ok"}),
    Row(fields={"id": 2}, columns={"id": "second", "text": "a\x1b[2Jb\u202ec [bold]" + "x" * 60}),
]


def test_a_captured_table_is_aligned_complete_and_without_control_characters() -> None:
    output = captured()
    assert output.rows("things", ROWS) == 2
    assert text(output.stdout) == (
        f"id      text\n1       日本 ok\nsecond  a\\u001b[2Jb\\u202ec [bold]{'x' * 60}\n"
    )


def test_color_is_for_terminals_unless_it_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    failure = ShownError(code="failed", message="no", hint="yes", exit_code=1)
    shown = {}
    for name, output in {
        "captured": captured(),
        "always": captured(color=Color.ALWAYS),
        "terminal": at_a_terminal(monkeypatch),
        "never": at_a_terminal(monkeypatch, color=Color.NEVER),
    }.items():
        output.fail(failure)
        shown[name] = "\x1b" in text(output.stderr)
    assert shown == {"captured": False, "always": True, "terminal": True, "never": False}


def test_progress_is_a_line_each_where_nobody_watches() -> None:
    output = captured()
    with output.progress("starting") as observe:
        observe("one")
        observe("two\nlines")
    assert text(output.stderr) == "starting\none\ntwo\\nlines\n"


def test_a_line_printed_during_progress_stands_for_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    output = at_a_terminal(monkeypatch, color=Color.NEVER)
    with output.progress("working on [it]") as observe:
        observe("still working")
        output.record({}, text=["Published 1"])
    assert text(output.stdout) == "Published 1\n"


def test_json_is_printed_once_and_never_twice() -> None:
    output = captured(format=Format.JSON)
    output.record({"one": 1}, text=[])
    output.rows("things", ROWS)
    output.finish()
    output.finish()
    assert json.loads(text(output.stdout)) == {
        "schema_version": 1,
        "one": 1,
        "things": [{"id": 1}, {"id": 2}],
    }


def test_jsonl_prints_each_row_as_it_comes() -> None:
    output = captured(format=Format.JSONL)

    def rows() -> Iterator[Row]:
        yield ROWS[0]
        assert text(output.stdout) == '{"schema_version": 1, "id": 1}\n'
        yield ROWS[1]

    assert output.rows("things", rows()) == 2


def test_a_closed_pipe_ends_the_program_quietly() -> None:
    output = Output(stdout=ClosedPipe(), stderr=io.StringIO())
    with pytest.raises(PipeClosed):
        output.record({}, text=["anything"])


@pytest.mark.parametrize("answer", ["y\n", "YES\n"])
def test_a_person_may_say_yes(monkeypatch: pytest.MonkeyPatch, answer: str) -> None:
    output = at_a_terminal(monkeypatch)
    Confirmation(stdin=Terminal(answer), output=output, yes=False).ask(["3 messages"], "Send them?")
    assert text(output.stderr) == "3 messages\nSend them? [y/N] "


@pytest.mark.parametrize("answer", ["n\n", "\n", "", "yesterday\n"])
def test_anything_else_is_no(monkeypatch: pytest.MonkeyPatch, answer: str) -> None:
    output = at_a_terminal(monkeypatch)
    with pytest.raises(Refused, match="Nothing was changed"):
        Confirmation(stdin=Terminal(answer), output=output, yes=False).ask([], "Send them?")


def test_yes_shows_the_plan_all_the_same() -> None:
    output = captured()
    Confirmation(stdin=io.StringIO(), output=output, yes=True).ask(["3 messages"], "Send them?")
    assert text(output.stderr) == "3 messages\n"
