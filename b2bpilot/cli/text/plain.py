"""Text as it can be captured: aligned, on one line each, without control characters."""

from __future__ import annotations

import textwrap
import unicodedata
from collections.abc import Iterable, Iterator, Sequence

from b2bpilot.advice import Words
from b2bpilot.ops import visible
from b2bpilot.ops.visible import EMOJI_JOINERS

GAP = "  "
one_line = visible.one_line


def lines(text: str) -> str:
    """Do for a text of several lines, as a traceback is, what `one_line` does. Indented, none of them can pass for ours."""
    return "\n".join(f"  {one_line(line)}" for line in text.rstrip("\n").split("\n"))


def width(text: str) -> int:
    """Return the columns that a text takes: wide characters two, combining ones none."""
    return sum(_columns(character) for character in text)


def wrapped(text: str, *, width: int, indent: int) -> list[str]:
    """Return the lines of a text that is broken between words; those after the first begin `indent` columns in."""
    if len(text) <= width:
        return [text]
    return textwrap.wrap(
        text, width, subsequent_indent=" " * indent, break_long_words=False, break_on_hyphens=False
    )


def table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    """Return the lines of a table; the last column is not padded."""
    cells = [list(headings), *([one_line(cell) for cell in row] for row in rows)]
    widths = [max(width(row[column]) for row in cells) for column in range(len(headings))]
    for row in cells:
        yield GAP.join(_padded(cell, size) for cell, size in zip(row, widths, strict=True)).rstrip()


def pairs(items: Sequence[tuple[str, Words]]) -> Iterator[Words]:
    """Return `name  value` lines with the values below each other."""
    size = max((width(name) for name, _ in items), default=0)
    for name, value in items:
        named = _padded(name, size) + GAP
        yield f"{named}{one_line(value)}".rstrip() if isinstance(value, str) else named + value


def _padded(text: str, size: int) -> str:
    return text + " " * (size - width(text))


def _columns(character: str) -> int:
    if unicodedata.combining(character) or character in EMOJI_JOINERS:
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1
