"""`b2bpilot dlq redrive --engine lambda`: AWS does it; this command turns it on, watches, and turns it off."""

from __future__ import annotations

from typing import TYPE_CHECKING

from b2bpilot.cli.context import Pilot
from b2bpilot.cli.dlq_options import letters
from b2bpilot.cli.dlq_run import new_run
from b2bpilot.errors import PartlyFailed, UsageError

if TYPE_CHECKING:
    from b2bpilot.ops.deadletters.remote import Reading
    from b2bpilot.ops.deadletters.selection import Selection

DEFAULT_CONCURRENCY = 8
COMMAND = "redrive-lambda"


def redrive_inside_aws(
    pilot: Pilot,
    selection: Selection,
    *,
    concurrency: int | None,
    max_failures: float,
    dry_run: bool,
    reason: str | None,
    yes: bool,
) -> None:
    """Raises PartlyFailed when letters are left in the queue at the end."""
    from b2bpilot.ops.deadletters.survey import queue_of

    if not selection.is_everything:
        raise UsageError(
            "--engine lambda redrives everything that is in the queue; leave the filters out",
            hint="use the engine of this terminal for a part of it",
        )
    at_once = concurrency or DEFAULT_CONCURRENCY
    counters = queue_of(pilot.environment).counters()
    plan = [
        f"Let AWS redrive about {letters(counters.total)} of {pilot.environment}, {at_once} at once.",
        f"It ends by itself: when all were tried once, or more than {max_failures:.0%} failed. What fails stays in the queue.",
    ]
    if dry_run:
        for line in plan:
            pilot.output.notice(line)
        return
    pilot.confirmation(yes=yes).ask(plan, "Go on?")
    last = _watched(pilot, concurrency=at_once, max_failures=max_failures, reason=reason)
    _show(pilot, last)


def _watched(pilot: Pilot, *, concurrency: int, max_failures: float, reason: str | None) -> Reading:
    from b2bpilot.ops.deadletters.remote import redriving

    parameters = {"concurrency": concurrency, "max_failures": max_failures}
    with (
        pilot.database() as database,
        new_run(pilot, COMMAND, reason=reason, parameters=parameters) as journal,
    ):
        running = redriving(
            pilot.environment,
            database,
            run_id=journal.run_id,
            max_concurrency=concurrency,
            max_failures=max_failures,
        )
        with running as readings, pilot.output.progress("turning the redriver on") as tell:
            for reading in readings:
                tell(_line(reading))
        journal.finish({"completed": reading.completed or 0, "left": reading.counters.total})
    return reading


def _line(reading: Reading) -> str:
    left = f"{reading.counters.visible:,} in the queue, {reading.counters.hidden:,} in work"
    completed = "" if reading.completed is None else f"; {reading.completed:,} completed since the start"
    return f"redriver {reading.state.lower()}: {left}{completed}"


def _show(pilot: Pilot, last: Reading) -> None:
    left = last.counters.total
    fields = {
        "ended": last.ended,
        "mapping": last.state.value,
        "completed": last.completed,
        "left": left,
    }
    completed = "unknown: the database did not answer" if last.completed is None else f"{last.completed:,}"
    text = [
        f"Ended: {last.ended or 'the redriver was turned off'}",
        f"{completed} rows completed since the start, live messages among them; about {letters(left)} in the queue",
    ]
    pilot.output.record({"redriver": fields}, text=text)
    if left:
        raise PartlyFailed(f"about {letters(left)} left", hint="`b2bpilot dlq list` shows why")
