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


def lines(parts: Iterable[tuple[str, str, int]], *, width: int) -> Text:
    """Join (text, style, indent) below each other, broken at the width."""
    from rich.text import Text

    return Text("\n").join(
        Text(part, style=style)
        for safe, style, indent in parts
        for part in plain.wrapped(safe, width=width, indent=indent)
    )


def table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> Table:
    """The last column gives way where the terminal is too narrow."""
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
