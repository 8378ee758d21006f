"""How checks are shown: by category for people, a line for what is not ok, and as fields for programs."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence

from b2bpilot.cli import plain
from b2bpilot.cli.output import Output
from b2bpilot.ops.verify.check import Result, Status
from b2bpilot.ops.verify.report import anchor

MARKS = {Status.OK: "ok", Status.WARNING: "warning", Status.FAILED: "FAILED", Status.SKIPPED: "skipped"}
STYLES = {Status.OK: "green", Status.WARNING: "yellow", Status.FAILED: "bold red", Status.SKIPPED: "dim"}
MARK_WIDTH = 8
INDENT = " " * 2
DEEPER = " " * (2 + MARK_WIDTH + 1)
NARROWEST = 40
"""So much is left for text however narrow a terminal says it is."""


class Page:
    """Lines of results by category, each category under its heading."""

    def __init__(self, output: Output) -> None:
        self._output = output
        self._category: str | None = None

    def lines(self, result: Result) -> Iterator[str]:
        category = result.check.category.value
        if category != self._category:
            if self._category is not None:
                yield ""
            yield self._output.painted(category, "bold")
            self._category = category
        yield from self._of_result(result)

    def _of_result(self, result: Result) -> Iterator[str]:
        match result.status:
            case Status.OK:
                yield self._in_one_line(result)
            case Status.SKIPPED:
                yield from self._headed(result, f"{result.check.statement}: {result.seen}", "dim")
            case Status.WARNING | Status.FAILED:
                yield from self._headed(result, result.check.statement, "bold")
                yield from self._explained(result)

    def _in_one_line(self, result: Result) -> str:
        paint, check = self._output.painted, result.check
        room = self._room(len(self._head(result)))
        left = None if room is None else room - plain.width(check.statement) - 2
        seen = result.seen if left is None else _cut(result.seen, left)
        return f"{self._painted_head(result)}{check.statement}  {paint(seen, 'dim')}".rstrip()

    def _headed(self, result: Result, text: str, style: str) -> Iterator[str]:
        first, *rest = self._wrapped(text, len(self._head(result)))
        yield f"{self._painted_head(result)}{self._output.painted(first, style)}"
        for line in rest:
            yield " " * len(self._head(result)) + self._output.painted(line, style)

    def _explained(self, result: Result) -> Iterator[str]:
        """The command stands alone on its line, unbroken: it is there to be copied."""
        for name, text in (("seen", result.seen), ("why", result.check.why), ("docs", anchor(result.check))):
            first, *rest = self._wrapped(text, len(DEEPER) + 6)
            yield f"{DEEPER}{name:<6}{first}"
            for line in rest:
                yield f"{DEEPER}{'':<6}{line}"
        if result.mend:
            yield f"{DEEPER}mend it with"
            yield f"{DEEPER}  {self._output.painted(result.mend, 'bold')}"

    def _head(self, result: Result) -> str:
        return f"{INDENT}{MARKS[result.status]:<{MARK_WIDTH}} {result.check.code}  "

    def _painted_head(self, result: Result) -> str:
        mark = f"{MARKS[result.status]:<{MARK_WIDTH}}"
        return f"{INDENT}{self._output.painted(mark, STYLES[result.status])} {result.check.code}  "

    def _room(self, taken: int) -> int | None:
        width = self._output.width
        return None if width is None else max(NARROWEST, width - taken)

    def _wrapped(self, text: str, taken: int) -> list[str]:
        room, safe = self._room(taken), plain.one_line(text)
        if room is None:
            return [safe]
        return textwrap.wrap(safe, room, break_long_words=False, break_on_hyphens=False) or [""]


def short_lines(result: Result, output: Output) -> Iterator[str]:
    """One line for what is not ok, nothing for what is."""
    if result.status is Status.OK:
        return
    mark = output.painted(f"{MARKS[result.status]:<{MARK_WIDTH}}", STYLES[result.status])
    mend = f"; mend: {result.mend}" if result.mend else ""
    yield f"{mark} {result.check.code}  {plain.one_line(f'{result.check.statement}: {result.seen}{mend}')}"


def fields(result: Result) -> dict[str, object]:
    check = result.check
    return {
        "code": check.code,
        "category": check.category.value,
        "statement": check.statement,
        "severity": check.severity.value,
        "status": result.status.value,
        "seen": result.seen,
        "why": check.why,
        "mend": result.mend,
        "docs": anchor(check),
        "may_change": result.may_change,
        "seconds": round(result.seconds, 3),
    }


def waiting_line(results: Sequence[Result], seconds_left: float) -> str:
    first, *others = results
    more = f" and {len(others)} more" if others else ""
    return f"Waiting for {first.check.code} {first.check.statement}{more}: {first.seen} ({seconds_left:.0f} s left)"


def _cut(text: str, room: int) -> str:
    """Cut text to the columns that are left; nothing of it where they are too few to say anything."""
    safe = plain.one_line(text)
    if plain.width(safe) <= room:
        return safe
    return f"{safe[: room - 3].rstrip()}..." if room > len("...") + 8 else ""
