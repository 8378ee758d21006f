"""Removing what a run left: its own rows and its own dead letters, and nothing else."""

from __future__ import annotations

from acceptance.command_line import CommandLine
from acceptance.outcome import StepFailed
from acceptance.patience import PAUSE_SECONDS
from acceptance.trial import all_ids, poisoned_ids
from b2bpilot.advice import written
from b2bpilot.cli.frame.context import Pilot
from b2bpilot.ops.load.cleaning import clean
from b2bpilot.ops.load.target import LoadTarget
from b2bpilot.pipeline.waiting import wait_until
from b2bpilot.plural import many

HELD_SECONDS = 60
"""A killed command holds dead letters for so long at most before SQS shows them again."""


def remove(pilot: Pilot, commands: CommandLine, run_id: str) -> str:
    """Delete rows and dead letters of a run and return what was deleted. Raises StepFailed where something stays."""
    with pilot.table() as table:
        target = LoadTarget(environment=pilot.environment, clock=pilot.now)
        cleaning = clean(table, target, all_ids(run_id), poisoned_ids(run_id))
    if cleaning.left:
        left = "; ".join(written(line, pilot.output.place) for line in cleaning.left)
        raise StepFailed(
            f"left of run {run_id}: {left}", hint="run it again: it begins with what earlier runs left"
        )
    _require_none_left(commands, run_id)
    return f"{many(cleaning.rows, 'row')} and {many(cleaning.dead_letters, 'dead letter')} of run {run_id} removed"


def _require_none_left(commands: CommandLine, run_id: str) -> None:
    """A look that could not see every dead letter is made again: another one may be holding some."""
    named = [word for each in sorted(poisoned_ids(run_id)) for word in ("--message-id", each)]
    said = wait_until(
        lambda: commands.run("dlq", "list", *named),
        enough=lambda said: bool(said.document["complete"] or said.document["matched"]),
        seconds=HELD_SECONDS,
        pause_seconds=PAUSE_SECONDS,
    )
    if said.document["matched"] or not said.document["complete"]:
        raise StepFailed(
            f"{many(said.document['matched'], 'dead letter')} of run {run_id} left, of {said.document['saw']} seen and about "
            f"{said.document['about']} there: others are in flight",
            hint="run it again in a minute: it begins with what earlier runs left",
        )
