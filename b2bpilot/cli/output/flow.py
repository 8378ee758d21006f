"""Text broken at a width: between words only, and below itself as far in as it is to be."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from b2bpilot.cli.output.tone import ID, STYLES, Tone
from b2bpilot.cli.text import plain

WORDS = re.compile(r" +|`[^`]*`[^ `]*|[^ `]+|`")
"""A command in backticks is one word."""
MORE, APART = " ...", "  "
NARROWEST = 24
"""So much is left beside an indent; where the terminal has less, the indent gives way."""
LESS = 4
"""The indent instead of one that takes half the terminal, where a word has no room beside that."""


class Span(NamedTuple):
    """A part of a line that is safe to show. A whole one is broken nowhere."""

    text: str
    tone: Tone = Tone.PLAIN
    is_whole: bool = False


Spans = Sequence[Span]


def flowed(spans: Iterable[Span], *, width: int | None, indent: int = 0) -> Iterator[list[Span]]:
    """Yield the lines of a text. A word too long for the room beside an indent begins further left, and is whole."""
    spans = list(spans)
    if width is None or _size(spans) <= width:
        yield spans
        return
    line: list[Span] = []
    taken, has_word, gap = 0, False, 0
    hanging = min(indent, max(0, width - NARROWEST))
    for word in _words(spans):
        text, size = word[0].text, _size(word)
        if text.isspace() and not word[0].is_whole:
            gap += size
            continue
        if has_word and taken + gap + size > width:
            yield line
            line, taken, gap, has_word = [], 0, hanging, False
        if not has_word and size <= width:
            gap = min(gap, width - size)
        line += [*([Span(" " * gap)] if gap else []), *word]
        taken, gap, has_word = taken + gap + size, 0, True
    yield line


def hung(spans: Spans, *, width: int | None, indent: int) -> int:
    """Return how far in a text goes on that is not a table's: as far as `indent`, unless that is too far for it."""
    if width is None or indent <= width // 2:
        return indent
    return LESS if longest(spans) > width - indent else indent


def followed(line: Spans, rest: Spans, *, width: int | None, indent: int) -> Iterator[list[Span]]:
    """Yield a line with what follows it: beside it where that has room, else below."""
    whole = [*line, *([Span(APART), *rest] if _size(rest) else [])]
    if width is None or not _size(rest) or _size(whole) <= width:
        yield whole
        return
    yield list(line)
    yield from flowed([Span(" " * indent), *rest], width=width, indent=indent)


def clipped(text: Span, *, width: int) -> list[Span]:
    """Return as much of what moves as one line has room for: whole words, and whether there are more."""
    if _size([text]) <= width:
        return [text]
    first = next(flowed([text], width=width - len(MORE)))
    return [*first, Span(MORE)] if _size(first) <= width - len(MORE) else []


def shown(line: Spans, *, is_painted: bool) -> str:
    """Return a line for its stream."""
    if not is_painted:
        return "".join(span.text for span in line).rstrip(" ")
    parts = _joined(line)
    while parts and not parts[-1].text.strip(" "):
        parts.pop()
    if parts:
        parts[-1] = parts[-1]._replace(text=parts[-1].text.rstrip(" "))
    return "".join(_painted(*span) for span in parts)


def _painted(text: str, tone: Tone, _: bool) -> str:  # a Span's fields
    if tone is Tone.PLAIN:
        return ID.sub(lambda found: _painted(found[0], Tone.QUIET, True), text)
    return f"\x1b[{STYLES[tone]}m{text}\x1b[0m" if text.strip() and tone in STYLES else text


def _joined(line: Spans) -> list[Span]:
    """Return fewer parts: what stands between two of one tone has it, too."""
    joined: list[Span] = []
    for place, span in enumerate(line):
        after = line[place + 1] if place + 1 < len(line) else span
        is_between = joined and not span.text.strip() and after.tone is joined[-1].tone
        if joined and (is_between or joined[-1].tone is span.tone):
            joined[-1] = joined[-1]._replace(text=joined[-1].text + span.text)
        else:
            joined.append(span)
    return joined


def _words(spans: Iterable[Span]) -> Iterator[list[Span]]:
    """Yield what may not be broken, and the spaces between; a word may have parts of several tones."""
    word: list[Span] = []
    for span in spans:
        for part in [span.text] if span.is_whole else _broken(span.text):
            piece = span._replace(text=part)
            if word and (_is_space(piece) or _is_space(word[-1]) or _is_ideograph_pair(word[-1].text, part)):
                yield word
                word = []
            word.append(piece)
    if word:
        yield word


def _broken(text: str) -> Iterator[str]:
    for part in WORDS.findall(text):
        begin = 0
        if not part.isascii() and "`" not in part:
            for place in range(1, len(part)):
                if _is_ideograph_pair(part[place - 1], part[place]):
                    yield part[begin:place]
                    begin = place
        yield part[begin:]


def _is_space(span: Span) -> bool:
    return span.text.isspace() and not span.is_whole


def _is_ideograph_pair(before: str, after: str) -> bool:
    """Chinese and Japanese have no spaces: a line may end between two of their characters."""
    return _is_ideograph(before[-1:]) and _is_ideograph(after[:1])


def _is_ideograph(character: str) -> bool:
    return (
        character > "\u2e7f"
        and unicodedata.category(character) == "Lo"
        and unicodedata.east_asian_width(character) == "W"
    )


def _size(word: Spans) -> int:
    return sum(plain.width(span.text) for span in word)


def longest(spans: Iterable[Span]) -> int:
    """Return the columns of the longest word: with less room a text overflows."""
    return max((_size(word) for word in _words(spans)), default=0)
