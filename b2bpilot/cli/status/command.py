"""`b2bpilot status`: one screen of an environment, what is wrong first."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated

import typer

from b2bpilot.cli.frame.context import Pilot, pilot_of
from b2bpilot.cli.frame.options import FOUND_SOMETHING, Both, SourceTimeout, exit_code_if
from b2bpilot.cli.frame.settings import Format
from b2bpilot.cli.output import Line
from b2bpilot.cli.status.sparkline import ASCII, BLOCKS
from b2bpilot.cli.text.durations import parse_duration
from b2bpilot.errors import UsageError
from b2bpilot.pipeline.waiting import pause

if TYPE_CHECKING:
    from b2bpilot.ops.status.finding import Finding
    from b2bpilot.ops.status.reading import Reading, StatusRequest

SHORTEST_WINDOW, LONGEST_WINDOW = timedelta(minutes=5), timedelta(days=14)
SHORTEST_INTERVAL = timedelta(seconds=1)


def status(
    ctx: typer.Context,
    *,
    watch: Annotated[
        bool,
        typer.Option("--watch", help="Refresh until Ctrl-C; with -o jsonl, one line per reading."),
    ] = False,
    interval: Annotated[
        str, typer.Option(help="Time between readings, with --watch.", show_default=True, metavar="DURATION")
    ] = "10s",
    window: Annotated[
        str,
        typer.Option(help="Period that the counts cover: 5m to 14d.", show_default=True, metavar="DURATION"),
    ] = "3h",
    timeout: SourceTimeout = "8s",
    no_look: Annotated[
        bool,
        typer.Option("--no-look", help="Only count the dead letters; do not receive them."),
    ] = False,
    both: Both = False,
    exit_code: Annotated[
        bool, exit_code_if("something is wrong now or a source did not answer; `Earlier` does not count")
    ] = False,
) -> None:
    """Show an environment on one screen: what is wrong first, with the command to run next.

    Causes come before symptoms, each with the time it was last seen; what was not seen recently is listed under "Earlier".
    A source that does not answer in time, or denies access, is named; nothing unknown is shown as 0.
    --both shows each side of a pair in a few lines, and who is called first for each number; with a side that does not answer
    it ends with 4. --watch ends at Ctrl-C with exit code 0; if stdout is not a terminal, each reading is printed below the last.

    Example: b2bpilot status -e prod --watch
    """
    from b2bpilot.ops.status.reading import StatusRequest

    pilot = pilot_of(ctx)
    wanted = StatusRequest(
        window=_window(window),
        seconds=parse_duration(timeout, "--timeout").total_seconds(),
        looks_at_dead_letters=not no_look,
    )
    if both:
        _both(pilot, wanted, watch=watch, exit_code=exit_code)
        return
    if watch:
        _watch(pilot, wanted, interval=_interval(pilot, interval, exit_code=exit_code))
        return
    reading = _look(pilot, wanted)
    found = _show(pilot, reading, pilot.output.lines)
    if exit_code and (any(not one.is_over for one in found) or any(reading.unanswered)):
        raise typer.Exit(FOUND_SOMETHING)


def _both(pilot: Pilot, wanted: StatusRequest, *, watch: bool, exit_code: bool) -> None:
    from b2bpilot.cli.status import both

    if watch:
        raise UsageError("--both cannot be used with --watch", hint="leave one of them out")
    if both.show(pilot, wanted) and exit_code:
        raise typer.Exit(FOUND_SOMETHING)


def _window(text: str) -> timedelta:
    window = parse_duration(text, "--window")
    if not SHORTEST_WINDOW <= window <= LONGEST_WINDOW:
        raise UsageError(f"--window: {text} is not between 5 minutes and 14 days")
    return window


def _interval(pilot: Pilot, text: str, *, exit_code: bool) -> timedelta:
    interval = parse_duration(text, "--interval")
    if interval < SHORTEST_INTERVAL:
        raise UsageError(f"--interval: {text} is shorter than a second")
    if exit_code:
        raise UsageError("--exit-code cannot be used with --watch", hint="leave one of them out")
    if pilot.output.format is Format.JSON:
        raise UsageError("-o json is one document; --watch has many", hint="use -o jsonl")
    return interval


def _watch(pilot: Pilot, wanted: StatusRequest, *, interval: timedelta) -> None:
    """Ctrl-C is how it ends, so that is no failure."""
    from b2bpilot.ops.status.watching import readings

    try:
        with pilot.output.screen() as draw:
            for reading in readings(lambda wanted: _look(pilot, wanted), wanted, clock=pilot.machine):
                _show(pilot, reading, draw)
                pause(interval.total_seconds())
    except KeyboardInterrupt:
        return


def _look(pilot: Pilot, wanted: StatusRequest) -> Reading:
    from b2bpilot.ops.asking import Inquiry
    from b2bpilot.ops.status.reading import reading

    stack = Inquiry(lambda: pilot.environment, seconds=wanted.seconds)
    environment = stack.result(what="the stack's outputs")
    return reading(environment, pilot.table, home=pilot.runs_home, wanted=wanted, now=pilot.now())


def _show(pilot: Pilot, reading: Reading, draw: Callable[[Sequence[Line]], None]) -> list[Finding]:
    from b2bpilot.cli.status.document import document
    from b2bpilot.cli.status.screen import screen
    from b2bpilot.ops.status.findings import findings

    found = findings(reading)
    blocks = BLOCKS if pilot.output.can_show(BLOCKS) else ASCII
    if pilot.output.format is Format.TABLE:
        draw(screen(reading, found, blocks=blocks))
        return found
    pilot.output.record({"status": document(reading, found)}, text=())
    pilot.output.stdout.flush()
    return found
