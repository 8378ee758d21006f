"""A table for people: side by side as far as the terminal goes, the rest of each row below it. Nothing is cut."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from b2bpilot.cli.output.flow import Span, Spans, flowed, longest
from b2bpilot.cli.output.tone import Tone
from b2bpilot.cli.text import plain

GAP, BELOW = 2, 4
"""Columns between cells, and before what stands below."""
LEAST, MOST_LINES = 24, 3
"""A last cell stands beside the others with so much room at least, and on so many lines at most; else below them."""
LEAST_NEEDED = (
    *("checksum", "took", "by", "operator", "protocol", "confirmed", "fallback", "from", "copy", "kind"),
    *("recorded (UTC)", "stored in", "age", "received", "env", "id in the queue"),
)
"""What goes below the others where a terminal is too narrow, in this order: a heading means the same in every table."""
EMPTY = frozenset({"", "-"})


def table(
    headings: Sequence[str], rows: Sequence[Sequence[Spans]], *, width: int | None
) -> Iterator[list[Span]]:
    """Yield the lines. A last column of long texts goes below first, then what is least needed, then from the right."""
    named = [[Span(heading, Tone.HEADING)] for heading in headings]
    sizes = [max(map(_size, column)) for column in zip(named, *rows, strict=True)]
    tiers = [list(range(len(headings)))]
    if width is not None and sum(sizes) + GAP * (len(sizes) - 1) > width:
        gives = [headings.index(name) for name in LEAST_NEEDED if name in headings]
        if sizes[-1] > LEAST:
            gives.insert(0, len(headings) - 1)
        words = max(longest(row[-1]) for row in (named, *rows))
        least = max(min(sizes[-1], LEAST), sizes[-1] // MOST_LINES, _size(named[-1]), words)
        tiers = _tiers([*sizes[:-1], least], gives, width)
    for row in (named, *rows):
        for depth, tier in enumerate(tiers):
            if depth and all(_text(row[place]) in EMPTY for place in tier):
                continue
            yield from _lines([row[place] for place in tier], [sizes[place] for place in tier], depth, width)


def _tiers(sizes: Sequence[int], gives: Sequence[int], width: int) -> list[list[int]]:
    """Return which columns stand beside each other, for each line of a row."""
    left = list(range(len(sizes)))
    tiers: list[list[int]] = []
    while left:
        room = width - (BELOW if tiers else 0)
        here = list(left)
        while len(here) > 1 and sum(sizes[place] + GAP for place in here) - GAP > room:
            here.remove(next((place for place in gives if place in here), here[-1]))
        tiers.append(here)
        left = [place for place in left if place not in here]
    return tiers


def _lines(
    cells: Sequence[Spans], sizes: Sequence[int], depth: int, width: int | None
) -> Iterator[list[Span]]:
    *before, end = cells
    line = [Span(" " * BELOW)] if depth else []
    for cell, size in zip(before, sizes, strict=False):
        line += [span._replace(is_whole=True) for span in cell]
        line.append(Span(" " * (size - _size(cell) + GAP), is_whole=True))
    indent = _size(line)
    yield from flowed([*line, *end], width=width, indent=indent if before else BELOW + GAP)


def _size(cell: Spans) -> int:
    return sum(plain.width(span.text) for span in cell)


def _text(cell: Spans) -> str:
    return "".join(span.text for span in cell)
