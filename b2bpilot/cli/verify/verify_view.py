"""How checks are shown: by category for people, a line for what is not ok, and as fields for programs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from b2bpilot.advice import Words, our_command
from b2bpilot.cli.output import Line, Tone, Toned, of_state, pasted
from b2bpilot.ops.verify.check import CheckResult, Status
from b2bpilot.ops.verify.report import anchor, said

MARKS = {Status.OK: "ok", Status.WARNING: "warning", Status.FAILED: "FAILED", Status.SKIPPED: "skipped"}
MARK, LABEL = 8, 7
HEAD = 2 + MARK + 1 + len("B2B000  ")
INDENT = HEAD - 8


def headed(result: CheckResult) -> str:
    """Return the category, with the side where both were checked."""
    category = result.check.category.value
    return f"{result.side}: {category}" if result.side else category


class Page:
    """Lines of results by category, each category under its heading."""

    def __init__(self) -> None:
        self._heading = ""

    def lines(self, result: CheckResult) -> Iterator[Line]:
        heading = headed(result)
        if heading != self._heading:
            if self._heading:
                yield Line()
            yield Line(heading, Tone.HEADING)
            self._heading = heading
        match result.status:
            case Status.OK:
                seen = Toned(result.seen, Tone.QUIET) if result.seen else ""
                yield _headed(result, result.check.statement, rest=seen)
            case Status.SKIPPED:
                yield _headed(result, Toned(said(result), Tone.QUIET))
            case Status.WARNING | Status.FAILED:
                yield _headed(result, Toned(result.seen, Tone.HEADING))
                yield from _explained(result)


def _headed(result: CheckResult, text: Words, *, rest: Words = "") -> Line:
    return Line("  " + _mark(result.status) + f" {result.check.code}  " + text, indent=HEAD, rest=rest)


def _mark(status: Status) -> Words:
    mark = MARKS[status]
    return of_state(mark) + " " * (MARK - len(mark))


def _explained(result: CheckResult) -> Iterator[Line]:
    """The command that fixes it stands alone on its line, unbroken: it is there to be copied."""
    check = result.check
    more = our_command("explain", check.code)
    told: tuple[tuple[str, Words], ...] = (
        ("check", f"that {check.statement}"),
        ("why", check.why),
        ("more", more),
    )
    for name, text in told:
        label = Toned(f"{name:<{LABEL}}", Tone.QUIET)
        yield Line(" " * INDENT + label + text, indent=INDENT + LABEL)
    if result.fix:
        yield Line(" " * INDENT + Toned("run", Tone.QUIET))
        yield pasted(result.fix, indent=INDENT + 2)


def short_lines(result: CheckResult) -> Iterator[Line]:
    """One line for what is wrong, nothing for what is not."""
    if result.status in (Status.OK, Status.SKIPPED):
        return
    fix = "; run: " + Toned(result.fix, Tone.COMMAND) if result.fix else ""
    side = f"{result.side}  " if result.side else ""
    yield Line(_mark(result.status) + f"{side}{result.check.code}  {said(result)}" + fix, indent=MARK)


def fields(result: CheckResult) -> dict[str, object]:
    check = result.check
    return {
        **({"side": result.side} if result.side else {}),
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
