"""Text that strangers wrote, for a terminal or an editor: nothing in it is obeyed, hides, or passes for something else."""

from __future__ import annotations

import re
import unicodedata

AS_EMOJI, JOINER = "\ufe0f", "\u200d"
EMOJI_JOINERS = JOINER + AS_EMOJI
NAMED = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}
UNSEEN = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2065\u3164\ufe00-\ufe0e\uffa0\ufff0-\ufff8\U000e0000-\U000e0fff]"
)
"""What Unicode calls ignorable and Python printable: it takes no room on a screen, so two texts with it look alike."""


def one_line(text: str) -> str:
    """Return the text with everything escaped, as JSON escapes it, that moves a cursor or hides itself or other text.

    What an emoji is made of stays. An escape is no proof of what was there: a backslash is not escaped.
    """
    if text.isprintable() and not UNSEEN.search(text):
        return text
    before = ["", *text]
    return "".join(_visible(character, after=before[place]) for place, character in enumerate(text))


def _visible(character: str, *, after: str) -> str:
    if character in NAMED:
        return NAMED[character]
    if character in EMOJI_JOINERS and _is_joined(character, after):
        return character
    if unicodedata.category(character) in ("Cc", "Cf", "Cs", "Zl", "Zp") or UNSEEN.match(character):
        return escaped(character)
    return character


def escaped(character: str) -> str:
    """Return a character as JSON can spell it: one beyond U+FFFF as the two halves of its pair."""
    halves = character.encode("utf-16-be", "surrogatepass").hex()
    return "".join(f"\\u{halves[place : place + 4]}" for place in range(0, len(halves), 4))


def _is_joined(joiner: str, after: str) -> bool:
    """Whether it makes an emoji: U+FE0F of a sign (or of U+2139, a letter), U+200D of what is one already."""
    if joiner == AS_EMOJI:
        return after == "\u2139" or bool(after.strip(EMOJI_JOINERS).strip() and not after.isalpha())
    return after == AS_EMOJI or (after != "" and unicodedata.category(after) in ("So", "Sk"))
