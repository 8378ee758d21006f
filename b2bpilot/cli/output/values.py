"""What is shown, and what can go wrong with it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from b2bpilot.advice import Words


class OutputFailed(Exception):
    """Our stdout cannot be written: a full disk, for instance."""


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
    """Text for people. On a terminal it has rich's `style`, and goes on below itself `indent` columns to the right."""

    text: Words = ""
    style: str = ""
    indent: int = 0
    is_whole: bool = False
    """Not broken: what is copied from a terminal that goes on below is one line then, as a command has to be."""


def paragraphs(text: Iterable[Words]) -> list[Line]:
    """Return lines that go on below themselves as far in as they begin; what holds a command stays whole."""
    return [_paragraph(one) if isinstance(one, str) else Line(one, is_whole=True) for one in text]


def _paragraph(text: str) -> Line:
    return Line(text, indent=len(text) - len(text.lstrip()))
