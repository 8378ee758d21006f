"""Text as it can be captured: aligned, on one line each, without control characters."""

from __future__ import annotations

import unicodedata

from b2bpilot.ops import visible
from b2bpilot.ops.visible import AS_EMOJI, JOINER

one_line = visible.one_line


def lines(text: str) -> str:
    """Do for a text of several lines, as a traceback is, what `one_line` does. Indented, none of them can pass for ours."""
    return "\n".join(f"  {one_line(line)}" for line in text.rstrip("\n").split("\n"))


def width(text: str) -> int:
    """Return the columns that a text takes: wide characters two, combining ones none."""
    if text.isascii():
        return len(text)
    return sum(_columns(character, before) for before, character in zip(" " + text, text, strict=False))


def _columns(character: str, before: str) -> int:
    """A narrow sign that U+FE0F makes an emoji takes two columns."""
    if character == AS_EMOJI:
        return 2 - _columns(before, " ")
    if character == JOINER or unicodedata.category(character) in ("Mn", "Me"):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1
