"""What only a terminal gets, drawn with rich: imported when it is needed, for it costs more than most commands."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, TextIO

from b2bpilot.cli.text import plain

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text


def console(stream: TextIO, *, is_styled: bool) -> Console:
    from rich.console import Console

    return Console(file=stream, color_system="auto" if is_styled else None, highlight=False, markup=False)


def text(safe: str) -> Text:
    from rich.text import Text

    return Text(safe)


def lines(parts: Iterable[tuple[str, str, int | None]], *, width: int) -> Text:
    """Join (text, style, indent) below each other, broken at the width; without an indent a text is not broken."""
    from rich.text import Text

    return Text("\n").join(
        Text(part, style=style)
        for safe, style, indent in parts
        for part in ([safe] if indent is None else plain.wrapped(safe, width=width, indent=indent))
    )


LEAST = 20
"""So many columns a text must have beside the others; with less it stands below them."""


def table(headings: Sequence[str], rows: Sequence[Sequence[str]], *, width: int) -> Table | Text:
    """The last column gives way where the terminal is too narrow: an id is never cut."""
    sizes = [
        max(plain.width(plain.one_line(row[place])) for row in [headings, *rows])
        for place in range(len(headings))
    ]
    left = width - sum(sizes[:-1]) - 2 * len(sizes)
    if left < min(LEAST, sizes[-1]):
        return _below(headings, rows, width=width)
    return _beside(headings, rows)


def _below(headings: Sequence[str], rows: Iterable[Sequence[str]], *, width: int) -> Text:
    """Each row on as many lines as its cells need, whole; its last cell begins a line of its own."""
    named = [(row, "bold" if row is headings else "") for row in (headings, *rows)]
    parts = (
        (part, style, 4)
        for row, style in named
        for part in (*_packed(row[:-1], width), "    " + plain.one_line(row[-1]))
    )
    return lines(parts, width=width)


def _packed(cells: Sequence[str], width: int) -> list[str]:
    packed: list[str] = []
    for cell in map(plain.one_line, cells):
        if packed and plain.width(packed[-1]) + 2 + plain.width(cell) <= width:
            packed[-1] += f"  {cell}"
        else:
            packed.append(f"    {cell}" if packed else cell)
    return packed


def _beside(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> Table:
    from rich.table import Table
    from rich.text import Text

    drawn = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    for heading in headings[:-1]:
        drawn.add_column(heading, no_wrap=True)
    drawn.add_column(headings[-1])
    for row in rows:
        *cells, last = (plain.one_line(cell) for cell in row)
        drawn.add_row(*map(Text, cells), Text(last, no_wrap=True, overflow="ellipsis"))
    return drawn


def pairs(items: Iterable[tuple[str, str]]) -> Table:
    from rich.table import Table
    from rich.text import Text

    grid = Table.grid(padding=(0, 2, 0, 0))
    grid.add_column(style="bold", no_wrap=True)
    grid.add_column(overflow="fold")
    for name, value in items:
        grid.add_row(name, Text(plain.one_line(value)))
    return grid
