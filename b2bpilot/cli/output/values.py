"""What is shown, and what can go wrong with it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from b2bpilot.advice import Words
from b2bpilot.cli.output.tone import Tone, Toned
from b2bpilot.cli.text import plain

GAP = "  "


class OutputFailed(Exception):
    """Our stdout cannot be written: a full disk, for instance."""


class QueryFailed(Exception):
    """`--query` cannot be computed for what the command found. That was printed whole: the work is done."""


class PipeClosed(Exception):
    """Whoever read our stdout has gone: no failure, and nothing more to say."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownError:
    """An error as it is shown. `details` is for a traceback."""

    code: str
    message: str
    hint: Words | None
    exit_code: int
    details: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One of many results: `fields` for programs, the cells of the table by heading for people."""

    fields: Mapping[str, object]
    columns: Mapping[str, Words]


@dataclass(frozen=True, slots=True)
class Line:
    """Text for people. Where it is broken it goes on `indent` columns in: None is a little further than it begins."""

    text: Words = ""
    tone: Tone = Tone.PLAIN
    indent: int | None = None
    rest: Words = ""
    """Follows two columns on, or below where there is no room for all of it."""


def pasted(command: Words, *, indent: int = 0) -> Line:
    """Return a command, whoever's it is, that is to be copied as it stands."""
    return Line(" " * indent + Toned(command, Tone.COMMAND))


def pairs(items: Sequence[tuple[str, Words]]) -> list[Line]:
    """Return `name  value` lines with the values below each other."""
    size = max((plain.width(name) for name, _ in items), default=0) + len(GAP)
    return [
        Line(Toned(name + " " * (size - plain.width(name)), Tone.HEADING) + value, indent=size)
        for name, value in items
    ]
