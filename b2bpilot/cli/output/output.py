"""Everything that is printed. Data goes to stdout, all else to stderr."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TextIO, assert_never

from b2bpilot.advice import NOWHERE, Command, Place, Said, Words, written
from b2bpilot.cli.frame.settings import Color, Format
from b2bpilot.cli.output import columns, terminal
from b2bpilot.cli.output.flow import Span, clipped, flowed, followed, hung, shown
from b2bpilot.cli.output.query import OutputQuery
from b2bpilot.cli.output.strays import Strays
from b2bpilot.cli.output.tone import WHOLE, Tone, Toned
from b2bpilot.cli.output.values import Line, OutputFailed, PipeClosed, QueryFailed, Row, ShownError
from b2bpilot.cli.text import plain
from b2bpilot.cli.text.privacy import without_secrets

SCHEMA_VERSION = 1
HANGING = 2


@dataclass(slots=True, kw_only=True)
class Output:
    """Where a command's output goes, and in which form.

    With `json` the command's fields are collected and printed as one document at the end, an error among them,
    so that stdout always holds exactly one. With `jsonl` each row, and at last an error, is a line.
    """

    stdout: TextIO
    stderr: TextIO
    format: Format = Format.TABLE
    color: Color = Color.AUTO
    secrets: list[str] = field(default_factory=list, repr=False)
    place: Place = NOWHERE
    """Where this command goes: the commands that we print go there, too."""
    query: OutputQuery | None = None
    """What is printed of a JSON document, or of each row; of a document with an error all is."""
    query_failure: QueryFailed | None = field(default=None, repr=False)
    document: dict[str, object] = field(default_factory=dict, repr=False)
    environ: Mapping[str, str] = field(default_factory=lambda: os.environ, repr=False)
    moving: terminal.MovingLine | None = field(default=None, repr=False)
    """The line that shows progress on a terminal."""

    def record(self, fields: Mapping[str, object], *, text: Iterable[Words | Line]) -> None:
        """Show one result: `fields` for programs, text for people."""
        match self.format:
            case Format.TABLE:
                self.lines(text)
            case Format.JSON:
                self.document.update(fields)
            case Format.JSONL:
                if fields:
                    self._write_row(fields)
            case _:
                assert_never(self.format)

    def lines(self, lines: Iterable[Words | Line]) -> None:
        """Show text for people, at a terminal broken at its width; programs get nothing of it."""
        if self.format is Format.TABLE:
            for line in lines:
                for part in self._shown(line, self.stdout):
                    self._write(part)

    def verbatim(self, lines: Iterable[str]) -> None:
        """Show lines for people to the letter: whoever calls has made them safe."""
        if self.format is Format.TABLE:
            for line in lines:
                self._write(line)

    @contextmanager
    def screen(self) -> Iterator[Callable[[Sequence[Line]], None]]:
        """Give what shows lines in place of those before. When it ends, the last ones stay.

        Where stdout is no terminal each comes below the others, an empty line between them.
        """
        if not self._moves(self.stdout) or self.format is not Format.TABLE:
            yield self._below
            return
        last: list[Line] = []
        drawn = terminal.Screen(self.stdout, lambda: self._size(self.stdout)[1], self._fitting(self.stdout))

        def draw(lines: Sequence[Line]) -> None:
            last[:] = lines
            drawn.show([part for line in lines for part in self._shown(line, self.stdout)])

        self.stdout.write(terminal.OPEN_SCREEN)
        try:
            with terminal.ticking(drawn.draw, terminal.TICK_SECONDS):
                yield draw
        finally:
            self.stdout.write(terminal.CLOSE_SCREEN)
            self.lines(last)

    def can_show(self, text: str) -> bool:
        """Whether stdout has these characters: an old terminal, or one without a locale, knows ASCII only."""
        try:
            text.encode(self.stdout.encoding or "ascii")
        except UnicodeEncodeError:
            return False
        return True

    def rows(self, name: str, rows: Iterable[Row]) -> int:
        """Show many results under `name`, and return how many they were. `jsonl` prints each as it comes."""
        if self.format is Format.JSONL:
            return sum(self._write_row(row.fields) for row in rows)
        found = list(rows)
        if self.format is Format.JSON:
            self.document[name] = [row.fields for row in found]
        elif found:
            self._table(found)
        return len(found)

    def notice(self, text: Words | Line) -> None:
        """Say something that is not the result. Who reads stderr may have gone: no reason to stop what is under way."""
        with contextlib.suppress(OSError), self._above_progress():
            self._say(text)

    def ask(self, question: str) -> None:
        """Write a question without a line's end."""
        self.stderr.write("\n".join(self._shown(question.rstrip(), self.stderr)) + " ")
        self.stderr.flush()

    @contextmanager
    def progress(self, text: str) -> Iterator[Callable[[str], None]]:
        """Show what is being waited for; the observer that is given takes the next line.

        On a terminal one line changes; elsewhere each is printed.
        """
        if not self._moves(self.stderr):
            self.notice(text)
            yield self.notice
            return
        self.moving = moving = terminal.MovingLine(self.stderr, self._fitting(self.stderr))
        moving.show(text)
        try:
            with terminal.ticking(moving.turn, terminal.TURN_SECONDS):
                yield moving.show
        finally:
            self.moving = None
            moving.close()

    def strays(self) -> Strays:
        """Return what stands in the place of stderr for those who print there without asking us."""
        return Strays(self.stderr, self._safe, self._above_progress)

    def fail(self, failure: ShownError) -> None:
        """Show an error: in the document where a program reads it, else as a line or two on stderr."""
        if failure.details:
            self.stderr.write(f"{plain.lines(without_secrets(failure.details, *self.secrets))}\n")
        hint = self._said(failure.hint) if failure.hint else None
        error = {"code": failure.code, "message": self._said(failure.message), "hint": hint}
        match self.format:
            case Format.TABLE:
                self._complain(failure)
            case Format.JSON:
                self.document["error"] = error
                self.query = None  # it is written for what a command finds, and would hide why it did not
            case Format.JSONL:
                self._write(_json({"schema_version": SCHEMA_VERSION, "error": error}, self.place))
            case _:
                assert_never(self.format)

    def finish(self) -> None:
        """Print the document that was collected; a command that goes on for long does it as soon as it can."""
        if self.format is Format.JSON and self.document:
            self._write(self._queried(self.document, indent=2))
            self.document.clear()
        try:
            self.stdout.flush()
        except BrokenPipeError as exc:
            raise PipeClosed from exc
        except OSError as exc:
            raise OutputFailed(exc.strerror) from exc
        if self.query_failure is not None:
            raise self.query_failure

    def _below(self, lines: Sequence[Line]) -> None:
        self.lines([*lines, Line()])
        self.stdout.flush()

    def _complain(self, failure: ShownError) -> None:
        self._say(Line(Toned("error:", Tone.FAILED) + " " + failure.message, indent=len("error: ")))
        if failure.hint:
            self._say(Line(Toned("hint:", Tone.HEADING) + " " + failure.hint, indent=len("hint: ")))

    def _say(self, text: Words | Line) -> None:
        self.stderr.write("".join(f"{part}\n" for part in self._shown(text, self.stderr)))
        self.stderr.flush()

    def _shown(self, line: Words | Line, stream: TextIO) -> Iterator[str]:
        """Yield a text as its lines on a stream, safe and painted."""
        if not isinstance(line, Line):
            line = Line(line)
        spans = list(self._spans(line.text, line.tone))
        indent = line.indent
        if indent is None:
            begin = spans[0].text if spans else ""
            indent = len(begin) - len(begin.lstrip(" ")) + HANGING
        width = self._width(stream)
        indent = hung(spans, width=width, indent=indent)
        *before, last = flowed(spans, width=width, indent=indent)
        rest = list(self._spans(line.rest))
        for part in (*before, *followed(last, rest, width=width, indent=indent)):
            yield shown(part, is_painted=self._is_styled(stream))

    def _spans(self, words: Words, tone: Tone = Tone.PLAIN) -> Iterator[Span]:
        for text, part in [(words, words)] if isinstance(words, str) else words.spelled(self.place):
            match part:
                case Command():
                    meant = Tone.COMMAND if tone is Tone.PLAIN else tone
                    yield Span(self._safe(text), meant, is_whole=True)
                case Toned():
                    yield Span(self._safe(text), part.tone, is_whole=part.tone in WHOLE)
                case _:
                    yield Span(self._safe(text), tone, is_whole=tone in WHOLE)

    def _fitting(self, stream: TextIO) -> Callable[[str], str]:
        """Return what makes a text one line that stays within the terminal."""

        def fit(text: str) -> str:
            spans = clipped(Span(self._safe(text)), width=self._size(stream)[0] - 1)
            return shown(spans, is_painted=False)

        return fit

    def _is_styled(self, stream: TextIO) -> bool:
        match self.color:
            case Color.ALWAYS:
                return True
            case Color.NEVER:
                return False
            case Color.AUTO:
                return self._moves(stream) and not self.environ.get("NO_COLOR")
            case _:
                assert_never(self.color)

    def _moves(self, stream: TextIO) -> bool:
        """Whether it is a terminal that knows more than to print one line below the other."""
        return stream.isatty() and self.environ.get("TERM") != "dumb"

    def _width(self, stream: TextIO) -> int | None:
        """None: nothing is broken where nobody watches."""
        return self._size(stream)[0] if stream.isatty() else None

    def _size(self, stream: TextIO) -> tuple[int, int]:
        return terminal.size(stream, self.environ)

    def _said(self, text: Words) -> str:
        """Our own words: a command in them can be pasted as it stands."""
        return self._safe(written(text, self.place))

    def _safe(self, text: str) -> str:
        return plain.one_line(without_secrets(text, *self.secrets))

    def _write_row(self, row: Mapping[str, object]) -> int:
        self._write(self._queried(row))
        return 1

    def _queried(self, fields: Mapping[str, object], indent: int | None = None) -> str:
        whole = {"schema_version": SCHEMA_VERSION, **fields}
        text = _json(whole, self.place, indent=indent)
        if self.query is None:
            return text
        try:
            return _json(self.query.of(json.loads(text)), self.place, indent=indent)
        except QueryFailed as exc:
            self.query_failure = exc
            return text

    def _write(self, line: str) -> None:
        try:
            with self._above_progress():
                self.stdout.write(f"{line}\n")
        except BrokenPipeError as exc:
            raise PipeClosed from exc
        except OSError as exc:
            raise OutputFailed(exc.strerror) from exc

    @contextmanager
    def _above_progress(self) -> Iterator[None]:
        if self.moving is None:
            yield
            return
        with self.moving.away():
            yield
            self.stdout.flush()

    def _table(self, rows: Sequence[Row]) -> None:
        headings = list(rows[0].columns)
        cells = [[list(self._spans(cell)) for cell in row.columns.values()] for row in rows]
        is_painted = self._is_styled(self.stdout)
        for line in columns.table(headings, cells, width=self._width(self.stdout)):
            self._write(shown(line, is_painted=is_painted))


def _json(document: object, place: Place, indent: int | None = None) -> str:
    """ASCII: a lone surrogate or a terminal's escape in a message's text must not reach the stream as it is."""

    def in_text(value: object) -> str:
        if isinstance(value, Said):
            return value.written(place)
        raise TypeError(f"no JSON has {type(value).__name__}")

    return json.dumps(document, indent=indent, default=in_text).replace("\x7f", "\\u007f")
