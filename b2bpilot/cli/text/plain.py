"""Text as it can be captured: aligned, on one line each, without control characters."""

from __future__ import annotations

import re
import unicodedata

from b2bpilot.ops import visible
from b2bpilot.ops.visible import AS_EMOJI, JOINER

one_line = visible.one_line
WITHIN_SYLLABLE = re.compile("[\u1160-\u11ff\ud7b0-\ud7ff]")
"""Hangul vowels and finals that are spelled apart: they stand in the block that their first consonant begins."""
LATER_WIDE = re.compile("[\U0001f300-\U0001faff\U00020000-\U0003fffd]")
"""Where Unicode adds emoji and ideographs: a terminal may know more of them than this Python, which guesses by its version."""


def lines(text: str) -> str:
    """Do for a text of several lines, as a traceback is, what `one_line` does. Indented, none of them can pass for ours."""
    return "\n".join(f"  {one_line(line)}" for line in text.rstrip("\n").split("\n"))


def width(text: str) -> int:
    """Return the most columns that a text takes at a terminal: wide characters two, combining ones none.

    Of joined emoji some terminals show one, others each: no line may be too long at either.
    """
    if text.isascii():
        return len(text)
    return sum(_columns(character, before) for before, character in zip(" " + text, text, strict=False))


def _columns(character: str, before: str) -> int:
    """A narrow sign that U+FE0F makes an emoji takes two columns."""
    if character == AS_EMOJI:
        return 2 - _columns(before, " ")
    category = unicodedata.category(character)
    if character == JOINER or category in ("Mn", "Me") or WITHIN_SYLLABLE.match(character):
        return 0
    if category == "Cn":
        return 2 if LATER_WIDE.match(character) else 1
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1
