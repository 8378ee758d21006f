"""Everything that is printed. Data goes to stdout, all else to stderr."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TextIO, assert_never

from b2bpilot.advice import NOWHERE, Place, Said, Words, written
from b2bpilot.cli.frame.settings import Color, Format
from b2bpilot.cli.output import drawing
from b2bpilot.cli.output.strays import Strays
from b2bpilot.cli.output.values import Line, OutputFailed, PipeClosed, Row, ShownError
from b2bpilot.cli.text import plain
from b2bpilot.cli.text.privacy import without_secrets

if TYPE_CHECKING:
    from rich.console import Console
    from rich.status import Status
    from rich.table import Table
    from rich.text import Text

SCHEMA_VERSION = 1
STYLES = {"bold": "1", "dim": "2", "green": "32", "yellow": "33", "red": "31", "bold red": "1;31"}


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
    document: dict[str, object] = field(default_factory=dict, repr=False)
    status: Status | None = field(default=None, repr=False)
    """The line that shows progress on a terminal; it makes room for whatever else is printed."""

    def record(self, fields: Mapping[str, object], *, text: Iterable[Words]) -> None:
        """Show one result: `fields` for programs, lines of text for people."""
        match self.format:
            case Format.TABLE:
                for line in text:
                    self._write(self._said(line))
            case Format.JSON:
                self.document.update(fields)
            case Format.JSONL:
                if fields:
                    self._write_row(fields)
            case _:
                assert_never(self.format)

    def painted_lines(self, lines: Iterable[str]) -> None:
        """Show lines for people that `painted` and `plain` made safe; programs get nothing of them."""
        if self.format is Format.TABLE:
            for line in lines:
                self._write(line)

    def pairs(self, fields: Mapping[str, object], *, text: Sequence[tuple[str, Words]]) -> None:
        """Show one result with its parts named, one a line."""
        named = [(name, written(value, self.place)) for name, value in text]
        if self._is_watched(self.stdout) and self.format is Format.TABLE:
            self._print(drawing.pairs(named))
        else:
            self.record(fields, text=plain.pairs(named))

    def lines(self, lines: Sequence[Line]) -> None:
        """Show text for people, styled on a terminal and broken at its width; programs get nothing of it."""
        if self.format is not Format.TABLE:
            return
        if self._is_watched(self.stdout):
            with self._above_progress():
                console = self._console(self.stdout)
                console.print(self._drawn(lines, width=console.width), soft_wrap=True)
        else:
            for line in lines:
                self._write(self._said(line.text))

    @contextmanager
    def screen(self) -> Iterator[Callable[[Sequence[Line]], None]]:
        """Give what shows lines in place of those before. When it ends, the last ones stay.

        Where stdout is no terminal each comes below the others, an empty line between them.
        """
        if not self._is_watched(self.stdout) or self.format is not Format.TABLE:
            yield self._below
            return
        from rich.live import Live

        last: list[Line] = []
        console = self._console(self.stdout)

        def draw(lines: Sequence[Line]) -> None:
            last[:] = lines
            live.update(self._drawn(lines, width=console.width), refresh=True)

        try:
            with Live(console=console, auto_refresh=False, screen=True) as live:
                yield draw
        finally:
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
            cells = [[written(cell, self.place) for cell in row.columns.values()] for row in found]
            self._table(list(found[0].columns), cells)
        return len(found)

    def painted(self, text: Words, style: str) -> str:
        """Return text for stdout, safe to show; in colour where there is colour. `style` is a name of STYLES, or "plain"."""
        safe = plain.one_line(written(text, self.place))
        is_painted = style in STYLES and safe.strip() and self._is_styled(self.stdout)
        return f"\x1b[{STYLES[style]}m{safe}\x1b[0m" if is_painted else safe

    @property
    def width(self) -> int | None:
        """Return the columns of the terminal that stdout is, None when it is none: then nothing is cut or wrapped."""
        if not self._is_watched(self.stdout):
            return None
        return shutil.get_terminal_size().columns

    def notice(self, text: Words) -> None:
        """Say something that is not the result. Who reads stderr may have gone: no reason to stop what is under way."""
        with contextlib.suppress(BrokenPipeError), self._above_progress():
            self.stderr.write(f"{self._broken(text)}\n")
            self.stderr.flush()

    def ask(self, question: str) -> None:
        """Write a question without a line's end."""
        self.stderr.write(self._safe(question))
        self.stderr.flush()

    @contextmanager
    def progress(self, text: str) -> Iterator[Callable[[str], None]]:
        """Show what is being waited for; the observer that is given takes the next line.

        On a terminal one line changes; elsewhere each is printed.
        """
        if not self._is_watched(self.stderr):
            self.notice(text)
            yield self.notice
            return
        with self._console(self.stderr).status(drawing.text(self._safe(text))) as status:
            self.status = status
            try:
                yield lambda line: status.update(drawing.text(self._safe(line)))
            finally:
                self.status = None

    def strays(self) -> Strays:
        """Return what stands in the place of stderr for those who print there without asking us."""
        return Strays(self.stderr, self._safe)

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
            case Format.JSONL:
                self._write(_json({"schema_version": SCHEMA_VERSION, "error": error}, self.place))
            case _:
                assert_never(self.format)

    def finish(self) -> None:
        """Print the document that was collected; a command that goes on for long does it as soon as it can."""
        if self.format is Format.JSON and self.document:
            self._write(_json({"schema_version": SCHEMA_VERSION, **self.document}, self.place, indent=2))
            self.document.clear()
        try:
            self.stdout.flush()
        except BrokenPipeError as exc:
            raise PipeClosed from exc
        except OSError as exc:
            raise OutputFailed(exc.strerror) from exc

    def _below(self, lines: Sequence[Line]) -> None:
        self.lines([*lines, Line()])
        self.stdout.flush()

    def _drawn(self, lines: Sequence[Line], *, width: int) -> Text:
        return drawing.lines(
            ((self._said(line.text), line.style, None if line.is_whole else line.indent) for line in lines),
            width=width,
        )

    def _complain(self, failure: ShownError) -> None:
        error, hint = "error:", "hint:"
        if self._is_styled(self.stderr):
            error, hint = f"\x1b[1;31m{error}\x1b[0m", f"\x1b[1m{hint}\x1b[0m"
        self.stderr.write(f"{error} {self._said(failure.message)}\n")
        if failure.hint:
            self.stderr.write(f"{hint} {self._said(failure.hint)}\n")

    def _is_styled(self, stream: TextIO) -> bool:
        return self.color is Color.ALWAYS or (self.color is Color.AUTO and self._is_watched(stream))

    @staticmethod
    def _is_watched(stream: TextIO) -> bool:
        """Whether the stream is a terminal: then the layout may follow its width."""
        return stream.isatty()

    def _broken(self, text: Words) -> str:
        """At a terminal break text between words; what holds a command stays one line, to be copied."""
        said = self._said(text)
        if not isinstance(text, str) or not self._is_watched(self.stderr):
            return said
        try:
            width = os.get_terminal_size(self.stderr.fileno()).columns
        except OSError:
            return said
        indent = len(said) - len(said.lstrip())
        return "\n".join(plain.wrapped(said, width=width, indent=indent)) if width else said

    def _said(self, text: Words) -> str:
        """Our own words: a command in them can be pasted as it stands."""
        return self._safe(written(text, self.place))

    def _safe(self, text: str) -> str:
        return plain.one_line(without_secrets(text, *self.secrets))

    def _write_row(self, row: Mapping[str, object]) -> int:
        self._write(_json({"schema_version": SCHEMA_VERSION, **row}, self.place))
        return 1

    def _write(self, line: str) -> None:
        try:
            with self._above_progress():
                self.stdout.write(f"{line}\n")
        except BrokenPipeError as exc:
            raise PipeClosed from exc
        except OSError as exc:
            raise OutputFailed(exc.strerror) from exc

    def _print(self, renderable: Table | Text) -> None:
        with self._above_progress():
            self._console(self.stdout).print(renderable)

    @contextmanager
    def _above_progress(self) -> Iterator[None]:
        if self.status is None:
            yield
            return
        self.status.stop()
        yield
        self.stdout.flush()
        self.status.start()

    def _table(self, headings: list[str], rows: list[list[str]]) -> None:
        if not self._is_watched(self.stdout):
            for line in plain.table(headings, rows):
                self._write(line)
            return
        self._print(drawing.table(headings, rows, width=self._console(self.stdout).width))

    def _console(self, stream: TextIO) -> Console:
        return drawing.console(stream, is_styled=self._is_styled(stream))


def _json(document: Mapping[str, object], place: Place, indent: int | None = None) -> str:
    """ASCII: a lone surrogate or a terminal's escape in a message's text must not reach the stream as it is."""

    def in_text(value: object) -> str:
        if isinstance(value, Said):
            return value.written(place)
        raise TypeError(f"no JSON has {type(value).__name__}")

    return json.dumps(document, indent=indent, default=in_text).replace("\x7f", "\\u007f")
