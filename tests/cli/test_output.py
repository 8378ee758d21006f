"""What is printed on a terminal and where there is none, and asking at one."""

from __future__ import annotations

import fcntl
import io
import json
import os
import struct
import termios
from collections.abc import Iterator

import pytest

from b2bpilot.advice import our_command
from b2bpilot.cli.frame.confirm import Confirmation
from b2bpilot.cli.frame.settings import Color, Format
from b2bpilot.cli.output import Line, Output, PipeClosed, Row, ShownError, paragraphs
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


def test_an_id_is_never_cut_and_a_text_without_room_beside_it_goes_below(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    output = at_a_terminal(monkeypatch, color=Color.NEVER)
    id_ = "6a2a4cf4-5b3e-4f0e-9d62-6e9f2c4d7a10"
    columns = {"age": "1 h ago", "message id": id_, "status": "failed", "error": "the CRM is down"}
    output.rows("things", [Row(fields={}, columns=columns)])
    assert [line.rstrip() for line in text(output.stdout).splitlines()] == [
        "age  message id  status",
        "    error",
        "1 h ago",
        f"    {id_}",
        "    failed",
        "    the CRM is down",
    ]


def test_a_terminals_table_keeps_to_its_width(monkeypatch: pytest.MonkeyPatch) -> None:
    output = at_a_terminal(monkeypatch, color=Color.NEVER)
    output.rows("things", ROWS)
    lines = [line.rstrip() for line in text(output.stdout).splitlines()]
    assert lines[:2] == ["id      text", "1       日本 ok"]
    assert lines[2].startswith("second  a\\u001b[2Jb\\u202ec [bold]x")
    assert lines[2].endswith("…")


def test_a_line_that_is_to_be_copied_is_not_broken(monkeypatch: pytest.MonkeyPatch) -> None:
    output = at_a_terminal(monkeypatch, color=Color.NEVER)
    command = f"b2bpilot verify {'--only database ' * 12}"
    output.lines([Line(command, is_whole=True), Line("many words " * 30, indent=3)])
    first, second, *_ = text(output.stdout).splitlines()
    assert first == command
    assert len(second) <= 80


def test_a_paragraph_goes_on_as_far_in_as_it_began(monkeypatch: pytest.MonkeyPatch) -> None:
    output = at_a_terminal(monkeypatch, color=Color.NEVER)
    output.lines(
        paragraphs(["  " + "deleted is only what it completed, " * 4, "  " + our_command("dlq", "list")])
    )
    *broken, command = text(output.stdout).splitlines()
    assert len(broken) > 1
    assert all(line.startswith("  ") and len(line) <= 80 for line in broken)
    assert command == "  b2bpilot dlq list"


def test_a_notice_is_broken_between_words_and_a_command_in_it_is_not() -> None:
    master, slave = os.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 40, 0, 0))
    with os.fdopen(slave, "w") as stderr, os.fdopen(master) as screen:
        output = Output(stdout=io.StringIO(), stderr=stderr)
        output.notice("the rest of what was chosen stays where it was before")
        output.notice("what became of each of them: " + our_command("runs", "show", "a-run-with-a-long-name"))
        shown = [screen.readline().rstrip() for _ in range(3)]
    assert shown == [
        "the rest of what was chosen stays where",
        "it was before",
        "what became of each of them: b2bpilot runs show a-run-with-a-long-name",
    ]


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
