"""A terminal's text as SVG: drawn by rich, the library of our own output, with fonts that are there and nothing fetched."""

from __future__ import annotations

import io
import re

from rich.ansi import AnsiDecoder
from rich.console import Console

from tests.pictures.terminal import COLUMNS

FONTS = 'ui-monospace, "SF Mono", Menlo, Consolas, "DejaVu Sans Mono", "Liberation Mono", monospace'
LOCAL = (
    (re.compile(r"@font-face \{.*?\}", re.DOTALL), ""),
    (re.compile(r"<!--.*?-->", re.DOTALL), ""),
    (re.compile("Fira Code, monospace"), FONTS),
    (re.compile("font-family: arial"), "font-family: system-ui, sans-serif"),
)
"""rich's picture asks another host for its font."""


def svg(text: str, *, name: str, title: str) -> str:
    """Return the picture of what a terminal shows, escape sequences of colour and all. `name` is the picture's own."""
    console = Console(
        record=True, width=COLUMNS, file=io.StringIO(), color_system="truecolor", force_terminal=True
    )
    for line in AnsiDecoder().decode(text.rstrip("\n")):
        console.print(line, overflow="fold")
    drawn = console.export_svg(title=title, unique_id=name)
    for pattern, local in LOCAL:
        drawn = pattern.sub(local, drawn)
    return "\n".join(line.rstrip() for line in drawn.splitlines() if line.strip()) + "\n"
