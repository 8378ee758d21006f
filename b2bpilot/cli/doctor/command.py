"""`b2bpilot doctor`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import typer

from b2bpilot.cli.frame.context import Pilot
from b2bpilot.cli.frame.options import SourceTimeout
from b2bpilot.cli.frame.settings import Format
from b2bpilot.cli.output import Line, Row, Tone, Toned, of_state
from b2bpilot.cli.text.durations import parse_duration

if TYPE_CHECKING:
    from b2bpilot.ops.doctor.finding import MachineFinding

FAILED = 1
MARKS = {"failed": "FAILED"}
MARK = 9


def doctor(
    ctx: typer.Context,
    *,
    timeout: SourceTimeout = "10s",
) -> None:
    """Say what is wrong on this machine: program, settings, credentials, network, clock, proxy, database client.

    It works without a network and without credentials, and says what it could not ask. With --env it is a failure when AWS
    or the credentials do not answer; without, a warning. Exit code 1: something failed.

    Example: b2bpilot doctor -e prod
    """
    from b2bpilot.cli.doctor.sources import sources
    from b2bpilot.ops.asking import Inquiry
    from b2bpilot.ops.doctor.finding import not_asked

    pilot = ctx.obj
    assert isinstance(pilot, Pilot)  # noqa: S101  # nosec B101  # main() puts it there
    refused = pilot.settings_refused()
    seconds = parse_duration(timeout, "--timeout").total_seconds()

    def all_of(source: Callable[[], Iterator[MachineFinding]]) -> Callable[[], list[MachineFinding]]:
        return lambda: list(source())

    asked = {
        subject: Inquiry(all_of(source), seconds=seconds)
        for subject, source in sources(pilot, refused).items()
    }
    found: list[MachineFinding] = []
    for subject, inquiry in asked.items():
        answer = inquiry.answer()
        found += answer.value if answer.value is not None else [not_asked(subject, answer.error or "")]
    _show(pilot, found)
    if any(one.status == "failed" for one in found):
        raise typer.Exit(FAILED)


def _show(pilot: Pilot, found: list[MachineFinding]) -> None:
    size = max(len(one.subject) for one in found) + 2
    for one in found:
        pilot.output.lines(_lines(one, size))
    counts = Counter(one.status.value for one in found)
    pilot.output.lines(
        [
            "",
            ", ".join(
                f"{count} {status}{'s'[: status == 'warning' and count != 1]}"
                for status, count in counts.items()
            ),
        ]
    )
    if pilot.output.format is not Format.TABLE:
        pilot.output.rows("findings", (Row(fields=_fields(one, pilot), columns={}) for one in found))
    if pilot.output.format is Format.JSON:
        pilot.output.record({"summary": dict(counts)}, text=())


def _lines(one: MachineFinding, size: int) -> Iterator[Line]:
    mark = MARKS.get(one.status, one.status.value)
    head = of_state(mark) + " " * (MARK - len(mark)) + f"{one.subject:<{size}}"
    yield Line(head + one.seen, indent=MARK + size)
    if one.then:
        yield Line(" " * (MARK + size) + Toned("do: ", Tone.QUIET) + one.then, indent=MARK + size)


def _fields(one: MachineFinding, pilot: Pilot) -> dict[str, object]:
    from b2bpilot.advice import written

    return {
        "subject": one.subject,
        "status": one.status.value,
        "seen": one.seen,
        "then": written(one.then, pilot.settings.place) or None,
    }
