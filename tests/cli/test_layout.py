"""Text and tables at any width: nothing is lost, nothing is cut, nothing is wider than the terminal that could be broken."""

from __future__ import annotations

import io
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from b2bpilot.advice import our_command
from b2bpilot.cli.app import main
from b2bpilot.cli.frame.settings import Color
from b2bpilot.cli.output import Line, Output, Row, Tone, Toned, of_state, pairs, pasted
from b2bpilot.cli.output.flow import Span, flowed, longest, shown
from b2bpilot.cli.text import plain
from tests.fuzz import drawn

ID = "6a2a4cf4-5b3e-4f0e-9d62-6e9f2c4d7a10"
WIDTHS = st.integers(min_value=20, max_value=160)
SIGNS = [*"abcdefghij-_./:日本語語שלום`é", "e\u0301", "🚚", "⚠️", "👍🏽"]
WORDS = st.lists(
    st.lists(st.sampled_from(SIGNS), min_size=1, max_size=30).map("".join) | st.just(ID),
    min_size=1,
    max_size=20,
)
TONES = st.sampled_from([Tone.PLAIN, Tone.FAILED, Tone.COMMAND])
SPANS = st.lists(st.tuples(WORDS.map(" ".join), TONES), min_size=1, max_size=4).map(
    lambda parts: [Span(text, tone, is_whole=tone is Tone.COMMAND) for text, tone in parts]
)


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def output(width: int | None, color: Color = Color.NEVER, **environ: str) -> Output:
    stream = io.StringIO if width is None else Terminal
    settings = {"COLUMNS": str(width), "LINES": "20", **environ}
    return Output(stdout=stream(), stderr=stream(), color=color, environ=settings)


def text_of(stream: object) -> str:
    assert isinstance(stream, io.StringIO)
    return stream.getvalue()


@settings(max_examples=drawn(100))
@given(spans=SPANS, width=WIDTHS, indent=st.integers(0, 60))
def test_a_text_loses_nothing_and_is_no_wider_than_the_terminal(
    spans: list[Span], width: int, indent: int
) -> None:
    lines = list(flowed(spans, width=width, indent=indent))
    whole = "".join(span.text for span in spans)
    broken = [shown(line, is_painted=False) for line in lines]
    assert "".join(broken).replace(" ", "") == whole.replace(" ", "")
    for line, text in zip(lines, broken, strict=True):
        assert plain.width(text) <= width or plain.width(text.strip()) == longest(line)
    assert all(text.strip() for text in broken)


@settings(max_examples=drawn(50))
@given(words=WORDS, width=WIDTHS)
def test_a_words_letters_stay_together(words: list[str], width: int) -> None:
    ascii_words = [word.replace("`", "") for word in words if word.isascii()]
    lines = [shown(line, is_painted=False) for line in flowed([Span(" ".join(ascii_words))], width=width)]
    assert " ".join(lines).split() == " ".join(ascii_words).split()


HEADINGS = ["age", "operator", "message id", "by", "took", "why"]
CELLS = st.sampled_from(
    ["", "-", ID, "failed", "3 m ago", "日本 ok", "👍🏽 yes", "⚠️ no", "the CRM is down", "שלום עולם"]
)


@settings(max_examples=drawn(60))
@given(
    rows=st.integers(1, 5).flatmap(
        lambda n: st.lists(st.lists(CELLS, min_size=n, max_size=n), min_size=1, max_size=4)
    ),
    width=WIDTHS,
    last=WORDS,
)
def test_a_table_loses_no_cell_and_is_no_wider_than_the_terminal(
    rows: list[list[str]], width: int, last: list[str]
) -> None:
    at = output(width)
    named = [{HEADINGS[place]: cell for place, cell in enumerate((*row, " ".join(last)))} for row in rows]
    at.rows("things", [Row(fields={}, columns=row) for row in named])
    lines = text_of(at.stdout).split("\n")
    squeezed = "".join(lines).replace(" ", "")
    for row in named:
        for cell in row.values():
            assert cell.replace(" ", "") in squeezed or cell == "-"
    wide = [line for line in lines if plain.width(line) > width]
    assert all(plain.width(line.strip()) <= max(longest([Span(" ".join(last))]), len(ID)) for line in wide)


def test_an_id_is_whole_and_the_least_needed_column_goes_below() -> None:
    at = output(70)
    columns = {
        "received": "15 m ago",
        "message id": ID,
        "status": "completed",
        "from": "whatsapp:+1500***0006",
        "text or error": "Two pallets of A4 paper, please",
    }
    at.rows("things", [Row(fields={}, columns=columns)])
    assert text_of(at.stdout).splitlines() == [
        "received  message id                            status",
        "    from                   text or error",
        f"15 m ago  {ID}  completed",
        "    whatsapp:+1500***0006  Two pallets of A4 paper, please",
    ]


def test_an_indent_of_half_the_terminal_gives_way_to_an_id() -> None:
    at = output(60)
    begun = "2026-11-30 17:23:34.876  processor  "
    at.lines([Line(f"{begun}run 1 (request {ID}) failed of it", indent=len(begun))])
    assert text_of(at.stdout).splitlines() == [f"{begun}run 1 (request", f"    {ID}) failed of it"]


def test_a_last_column_with_room_is_broken_in_its_place() -> None:
    at = output(40)
    rows = [{"id": "1", "why": "one two three four five six seven eight nine"}, {"id": "second", "why": "-"}]
    at.rows("things", [Row(fields={}, columns=row) for row in rows])
    assert text_of(at.stdout).splitlines() == [
        "id      why",
        "1       one two three four five six",
        "        seven eight nine",
        "second  -",
    ]


def test_a_url_that_no_line_holds_is_whole_on_its_own() -> None:
    at, url = output(40), f"https://example.com/{'a' * 60}"
    at.lines([f"Twilio calls {url} now", f"    {url[:38]}"])
    assert text_of(at.stdout).splitlines() == ["Twilio calls", f"  {url}", "  now", f"  {url[:38]}"]


def test_a_command_is_whole_wherever_it_stands() -> None:
    at = output(40)
    at.notice("What became of each of them: " + our_command("runs", "show", "a-run-with-a-long-name"))
    at.notice("   see `b2bpilot dlq list --group G1` and more words")
    at.lines([pasted("aws sns list-topics --region eu-west-1 --output json", indent=3)])
    assert text_of(at.stderr).splitlines() == [
        "What became of each of them:",
        "  b2bpilot runs show a-run-with-a-long-name",
        "   see `b2bpilot dlq list --group G1`",
        "     and more words",
    ]
    assert text_of(at.stdout).splitlines() == ["   aws sns list-topics --region eu-west-1 --output json"]


def test_values_go_on_below_themselves() -> None:
    at = output(40)
    at.record({}, text=pairs([("why", "one two three four five six seven eight"), ("", "nine")]))
    assert text_of(at.stdout).splitlines() == [
        "why  one two three four five six seven",
        "     eight",
        "     nine",
    ]


def test_what_follows_stands_below_where_there_is_no_room_for_all_of_it() -> None:
    at = output(40)
    at.lines(Line("a statement", indent=4, rest="what was seen there, " * n) for n in (1, 2))
    assert text_of(at.stdout).splitlines() == [
        "a statement  what was seen there,",
        "a statement",
        "    what was seen there, what was seen",
        "    there,",
    ]


@pytest.mark.parametrize(
    ("color", "width", "environ", "is_painted"),
    [
        (Color.AUTO, 80, {}, True),
        (Color.AUTO, None, {}, False),
        (Color.AUTO, 80, {"NO_COLOR": "1"}, False),
        (Color.AUTO, 80, {"TERM": "dumb"}, False),
        (Color.NEVER, 80, {}, False),
        (Color.ALWAYS, None, {}, True),
        (Color.ALWAYS, 80, {"TERM": "dumb"}, True),
    ],
)
def test_everything_has_colour_or_nothing(
    color: Color, width: int | None, environ: dict[str, str], *, is_painted: bool
) -> None:
    at = output(width, color, **environ)
    at.rows("things", [Row(fields={}, columns={"message id": ID, "status": of_state("failed")})])
    table = text_of(at.stdout)
    at.record({}, text=[Line("a title", Tone.HEADING), "of " + Toned("ok", Tone.OK)])
    at.notice("Try it: " + our_command("dlq", "list"))
    for shown_text in (table, text_of(at.stdout), text_of(at.stderr)):
        assert ("\x1b[" in shown_text) == is_painted
    if is_painted:
        assert f"\x1b[2m{ID}\x1b[0m  \x1b[1;31mfailed\x1b[0m\n" in table
        assert "\x1b[36mb2bpilot dlq list\x1b[0m" in text_of(at.stderr)


def test_data_is_neither_broken_nor_painted() -> None:
    at = output(40, Color.ALWAYS)
    at.lines([Line(f"<xml {'a=1 ' * 20}{ID}>", Tone.DATA)])
    assert text_of(at.stdout) == f"<xml {'a=1 ' * 20}{ID}>\n"


def test_a_screen_says_what_it_left_out_how_old_it_is_and_how_it_ends() -> None:
    at = output(80)
    with at.screen() as draw:
        draw([Line(f"line {number}") for number in range(30)])
        drawn = text_of(at.stdout)
        assert "line 18" in drawn
        assert "line 19" not in drawn
        assert drawn.endswith("Read 0 s ago; Ctrl-C ends; 11 more lines do not fit here")
    assert "line 29\n" in re.split(re.escape("\x1b[?1049l"), text_of(at.stdout))[1]


def test_where_nothing_moves_a_screen_is_printed_below_the_last() -> None:
    at = output(80, TERM="dumb")
    with at.screen() as draw:
        draw([Line("one")])
        draw([Line("two")])
    assert text_of(at.stdout) == "one\n\ntwo\n\n"


def test_a_line_that_moves_makes_room_and_stays_one_line() -> None:
    at = output(30)
    with at.progress("Reading the dead-letter queue, which takes a while") as tell:
        tell("Saw 3 of about 12")
        at.lines(["Published 1"])
    assert "| Reading the dead-letter ..." in text_of(at.stderr)
    assert text_of(at.stderr).endswith("\r\x1b[2K")
    assert text_of(at.stdout) == "Published 1\n"


@pytest.mark.parametrize(
    ("text", "columns"),
    [("日本", 4), ("é", 1), ("e\u0301", 1), ("⚠️", 2), ("⏰️", 2), ("שלום", 4), ("\u0e01\u0e31", 1), ("🚚", 2)],
)
def test_a_text_takes_as_many_columns_as_a_terminal_gives_it(text: str, columns: int) -> None:
    assert plain.width(text) == columns


@pytest.mark.parametrize(
    "arguments", [["no-such-command"], ["status", "--no-such-option"], ["runs", "show", "x"]]
)
def test_an_error_has_the_colour_that_was_asked_for(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    for color, is_painted in (("always", True), ("never", False), ("auto", False)):
        assert main([*arguments, "--color", color]) != 0
        assert ("\x1b[1;31merror:\x1b[0m" in capsys.readouterr().err) == is_painted


@pytest.mark.parametrize(
    ("text", "columns"),
    [
        ("cafe\u0301", 4),
        ("注文", 4),
        ("ｱｲ", 2),
        ("\uff21\uff22", 4),
        ("한국", 4),
        ("\u1112\u1161\u11ab\u1100\u116e\u11a8", 4),
        ("שלום", 4),
        ("שָׁלוֹם", 4),
        ("مَرْحَبًا", 5),
        ("नमस्ते", 4),
        ("สวัสดี", 4),
        ("🚚", 2),
        ("⚠", 1),
        ("⚠️", 2),
        ("🚚️", 2),
        ("1️⃣", 2),
        ("\u2139\ufe0f", 2),
        ("🇩🇪🇫🇷", 4),
        ("\U0001fae8\U0001fadf\U0001f6d8", 6),
    ],
)
def test_a_text_is_as_wide_as_terminals_show_it(text: str, columns: int) -> None:
    """The library wcwidth 0.9.4 says the same."""
    assert plain.one_line(text) == text
    assert plain.width(text) == columns


@pytest.mark.parametrize(
    ("emoji", "most"), [("👍🏽", 4), ("👨‍👩‍👧‍👦", 8), ("👩🏽‍🚀", 6), ("🏳️‍🌈", 4), ("👩‍❤️‍👨", 6)]
)
def test_of_joined_emoji_the_most_that_a_terminal_shows_is_counted(emoji: str, most: int) -> None:
    """xterm, tmux and VTE show the parts; kitty, iTerm2 and Windows Terminal one of two columns."""
    assert plain.one_line(emoji) == emoji
    assert plain.width(emoji) == most
