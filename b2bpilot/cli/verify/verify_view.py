"""How checks are shown: by category for people, a line for what is not ok, and as fields for programs."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence

from b2bpilot.cli.output import Output
from b2bpilot.cli.text import plain
from b2bpilot.ops.verify.check import Category, CheckResult, Status
from b2bpilot.ops.verify.report import anchor, said

MARKS = {Status.OK: "ok", Status.WARNING: "warning", Status.FAILED: "FAILED", Status.SKIPPED: "skipped"}
STYLES = {Status.OK: "green", Status.WARNING: "yellow", Status.FAILED: "bold red", Status.SKIPPED: "dim"}
MARK = "  {:<8} "
HEAD = len(MARK.format("")) + len("B2B000  ")
LABEL = 7
NARROWEST = 24
"""So much is left for text however narrow a terminal says it is."""
SHORTEST_CUT = 12


class Page:
    """Lines of results by category, each category under its heading."""

    def __init__(self, output: Output) -> None:
        self._output = output
        self._paint = output.painted
        self._category: Category | None = None

    def lines(self, result: CheckResult) -> Iterator[str]:
        category = result.check.category
        if category is not self._category:
            if self._category is not None:
                yield ""
            yield self._paint(category.value, "bold")
            self._category = category
        match result.status:
            case Status.OK:
                yield from self._right(result)
            case Status.SKIPPED:
                yield from self._headed(result, said(result), "dim")
            case Status.WARNING | Status.FAILED:
                yield from self._headed(result, result.seen, "bold")
                yield from self._explained(result)

    def _right(self, result: CheckResult) -> Iterator[str]:
        """What was seen follows the statement as far as the line goes; at the end to end it is what one came for."""
        *before, last = self._wrapped(result.check.statement, HEAD)
        *shown, end = self._beside_head(result, [*before, last], "plain")
        yield from shown
        room = self._room(HEAD + plain.width(last) + 2, least=0)
        if room is not None and result.check.category is Category.END_TO_END:
            yield end
            yield from self._below(self._wrapped(result.seen, HEAD), "dim")
        else:
            seen = result.seen if room is None else _cut(result.seen, room)
            yield f"{end}  {self._paint(seen, 'dim')}" if seen else end

    def _headed(self, result: CheckResult, text: str, style: str) -> Iterator[str]:
        yield from self._beside_head(result, self._wrapped(text, HEAD), style)

    def _beside_head(self, result: CheckResult, lines: Sequence[str], style: str) -> Iterator[str]:
        mark = self._paint(MARK.format(MARKS[result.status]), STYLES[result.status])
        yield f"{mark}{result.check.code}  {self._paint(lines[0], style)}"
        yield from self._below(lines[1:], style)

    def _below(self, lines: Sequence[str], style: str) -> Iterator[str]:
        for line in lines:
            yield " " * HEAD + self._paint(line, style)

    def _explained(self, result: CheckResult) -> Iterator[str]:
        """The command stands alone on its line, unbroken: it is there to be copied."""
        indent = " " * (HEAD - 8)
        check = result.check
        told = (("check", f"that {check.statement}"), ("why", check.why), ("docs", anchor(check)))
        for name, text in told:
            first, *rest = self._wrapped(text, len(indent) + LABEL)
            yield f"{indent}{self._paint(name.ljust(LABEL), 'dim')}{first}"
            for line in rest:
                yield f"{indent}{'':<{LABEL}}{line}"
        if result.fix:
            yield f"{indent}{self._paint('run', 'dim')}"
            yield f"{indent}  {self._paint(result.fix, 'bold')}"

    def _room(self, taken: int, *, least: int = NARROWEST) -> int | None:
        width = self._output.width
        return None if width is None else max(least, width - taken)

    def _wrapped(self, text: str, taken: int) -> list[str]:
        room, safe = self._room(taken), plain.one_line(text)
        if room is None:
            return [safe]
        return textwrap.wrap(safe, room, break_on_hyphens=False) or [""]


def short_lines(result: CheckResult, output: Output) -> Iterator[str]:
    """One line for what is wrong, nothing for what is not."""
    if result.status in (Status.OK, Status.SKIPPED):
        return
    mark = output.painted(f"{MARKS[result.status]:<7}", STYLES[result.status])
    fix = f"; run: {result.fix}" if result.fix else ""
    yield f"{mark} {result.check.code}  {plain.one_line(f'{said(result)}{fix}')}"


def fields(result: CheckResult) -> dict[str, object]:
    check = result.check
    return {
        "code": check.code,
        "category": check.category.value,
        "statement": check.statement,
        "severity": check.severity.value,
        "status": result.status.value,
        "seen": result.seen,
        "why": check.why,
        "mend": result.fix,
        "docs": anchor(check),
        "may_change": result.may_change,
        "seconds": round(result.seconds, 3),
    }


def waiting_line(results: Sequence[CheckResult], seconds_left: float) -> str:
    first, *others = results
    more = f" and {len(others)} more" if others else ""
    return f"Waiting {seconds_left:.0f} s for {first.check.code}{more}: {said(first)}"


def _cut(text: str, room: int) -> str:
    """Cut text to the columns that are left; nothing of it where they are too few to say anything."""
    safe = plain.one_line(text)
    if plain.width(safe) <= room:
        return safe
    return f"{safe[: room - 3].rstrip()}..." if room >= SHORTEST_CUT else ""
