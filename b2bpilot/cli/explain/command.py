"""`b2bpilot explain`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import groupby
from typing import TYPE_CHECKING, Annotated

import typer

from b2bpilot.advice import Place
from b2bpilot.cli.frame import values
from b2bpilot.cli.frame.context import Pilot, pilot_of
from b2bpilot.cli.frame.settings import Format
from b2bpilot.cli.output import Line, Row, Tone, pasted

if TYPE_CHECKING:
    from b2bpilot.ops.verify.explanation import Explanation

INDENT = 2
HEADINGS = {
    "check": "Checks of `verify`",
    "alarm": "Alarms",
    "exit code": "Exit codes",
    "cause of dead letters": "Causes of dead letters",
    "error": "Codes of errors in JSON",
}


def explain(
    ctx: typer.Context,
    names: Annotated[
        list[str] | None,
        typer.Argument(
            help="A check's code, a category, an alarm's name, an exit code, an error's code, or a cause of dead letters.  "
            "[default: list all]",
            metavar="[NAME]...",
            autocompletion=values.checks,
        ),
    ] = None,
) -> None:
    """Explain a name: a check of `verify`, an alarm, an exit code, an error's code, a cause of dead letters.

    It asks nobody. An alarm's name is taken short or whole, as a page has it.

    Example: b2bpilot explain B2B079
    """
    from b2bpilot.ops.explain.lookup import explained

    pilot = pilot_of(ctx)
    found, place = explained(names or ()), _place(pilot)
    if pilot.output.format is not Format.TABLE:
        pilot.output.rows("explanations", (_row(one, place) for one in found))
        return
    if not names:
        pilot.output.lines(_listed(found))
        return
    for number, one in enumerate(found):
        gap = [Line()] if number else []
        pilot.output.lines([*gap, *_lines(one, place)])


def _place(pilot: Pilot) -> Place:
    """A command is explained for whatever environment, too."""
    place = pilot.settings.place
    return place if place.environment else replace(place, environment="NAME")


def _row(one: Explanation, place: Place) -> Row:
    from b2bpilot.ops.verify.explanation import shell_line

    fields = {
        "name": one.name,
        "subject": one.subject.value,
        "category": one.category,
        "severity": one.severity,
        "statement": one.statement,
        "why": one.why or None,
        "run": shell_line(one.run, place) or None,
        "needs": list(one.needs),
        "actions": list(one.actions),
        "docs": one.docs,
    }
    return Row(fields=fields, columns={})


def _listed(found: Sequence[Explanation]) -> Iterator[Line]:
    """Each kind under its heading, each name with its meaning."""
    for number, (subject, of_a_kind) in enumerate(groupby(found, key=lambda one: one.subject)):
        ones = list(of_a_kind)
        size = max(len(one.name) for one in ones) + INDENT
        if number:
            yield Line()
        yield Line(HEADINGS[subject.value], Tone.HEADING)
        for one in ones:
            begun = f"{'':{INDENT}}{one.name:<{size}}"
            yield Line(begun + one.statement, indent=len(begun))


def _lines(one: Explanation, place: Place) -> Iterator[Line]:
    from b2bpilot.ops.verify.explanation import shell_line

    about = [one.subject.value, one.category, one.severity]
    yield Line(f"{one.name}  {', '.join(word for word in about if word)}", Tone.HEADING)
    yield _told(one.statement)
    if one.why:
        yield _told(one.why)
    if run := shell_line(one.run, place):
        yield Line(f"{'':{INDENT}}run", Tone.QUIET)
        yield pasted(run, indent=INDENT * 2)
    if one.fills_in:
        yield Line(
            f"{'':{INDENT}}{{...}} stands for the stack's names; where the check fails, this prints it filled in",
            Tone.QUIET,
        )
        yield pasted(one.fills_in.written(place), indent=INDENT * 2)
    more = {"needs": ", ".join(one.needs), "asks": ", ".join(one.actions), "docs": one.docs}
    for name, text in more.items():
        if text:
            yield Line(f"{'':{INDENT}}{name:<6} {text}", Tone.QUIET, indent=INDENT + 7)


def _told(text: str) -> Line:
    return Line(f"{'':{INDENT}}{text}", indent=INDENT)
