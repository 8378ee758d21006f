"""`b2bpilot dlq edit`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from b2bpilot.advice import Words, our_command
from b2bpilot.cli.dlq.editor import ask_editor
from b2bpilot.cli.dlq.options import Adopt, DeadLetterId, confirm, show_dry_run
from b2bpilot.cli.frame.context import Pilot, pilot_of
from b2bpilot.cli.frame.options import Reason, Yes
from b2bpilot.cli.output import Line, Tone
from b2bpilot.cli.runs.kind import RunKind
from b2bpilot.cli.runs.running import new_run, resumed_run

if TYPE_CHECKING:
    from b2bpilot.ops.dead_letters.edit import Edit
    from b2bpilot.ops.runs.record import RunRecord
    from b2bpilot.pipeline.dead_letter import DeadLetter

RUN = RunKind(
    typed="dlq edit",
    unfinished={"accepted": "sent, the original perhaps deleted"},
    archives=True,
    resume="b2bpilot.cli.dlq.edit:resume",
)


REPLACE = "Replace the dead letter by the edited one"


def edit(
    ctx: typer.Context,
    dead_letter_id: DeadLetterId,
    *,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Edit, show the diff, and stop.")] = False,
    adopt: Adopt = None,
    reason: Reason = None,
    yes: Yes = False,
) -> None:
    """Correct the message in a dead letter with $VISUAL or $EDITOR. The original is kept in the run's archive.

    The edited dead letter is sent to the queue with the original's failure attributes; then the original is deleted.

    Example: b2bpilot dlq edit -e staging 7d1eea89-294a-5d6f-8bdc-73898d8ce9cc
    """
    pilot = pilot_of(ctx)
    adopted = pilot.environment.subscribers.adopt(adopt or ())
    change = _edited(pilot, _dead_letter(pilot, dead_letter_id))
    if not change.is_change:
        pilot.output.record(
            {"edited": {"changed": False, "run_id": None}},
            text=["The message is as it was. Nothing was changed"],
        )
        return
    _show_diff(pilot, change.diff())
    if dry_run:
        show_dry_run(pilot, REPLACE)
        return
    confirm(pilot, REPLACE, yes=yes)
    parameters = {"queue_message_id": change.dead_letter.queue_message_id, "adopt": sorted(adopted)}
    with new_run(pilot, "edit", reason=reason, parameters=parameters) as journal:
        from b2bpilot.ops.dead_letters.replace import replace_dead_letter

        with pilot.table() as table:
            replace_dead_letter(pilot.environment, journal, change, table=table, home=pilot.runs_home)
    _end(pilot, journal.run_id)


def resume(pilot: Pilot, record: RunRecord, *, yes: bool) -> None:
    """Bring an interrupted edit to its end: the edited dead letter in the queue, the original out of it."""
    from b2bpilot.ops.dead_letters.replace import is_done, resume_edit

    if is_done(record):
        pilot.output.notice(f"Run {record.run_id} has nothing left to do.")
        return
    pilot.environment.subscribers.adopt(record.parameters.get("adopt") or ())
    confirm(pilot, f"Go on with replacing the dead letter of run {record.run_id}", yes=yes)
    with (
        resumed_run(pilot, record) as journal,
        pilot.table() as table,
        pilot.output.progress("Reading the dead-letter queue"),
    ):
        resume_edit(pilot.environment, journal, record, table=table, home=pilot.runs_home, now=pilot.now())
    _end(pilot, record.run_id)


def _dead_letter(pilot: Pilot, dead_letter_id: str) -> DeadLetter:
    """Return the dead letter to edit. Raises Refused when its message is completed."""
    from b2bpilot.ops.dead_letters.edit import find_dead_letter, require_editable
    from b2bpilot.ops.dead_letters.replace import row_state_of
    from b2bpilot.ops.inspect import identify

    with pilot.output.progress("Looking for the dead letter"):
        dead_letter = find_dead_letter(pilot.environment.queue(), identify(dead_letter_id), now=pilot.now())
    with pilot.table() as table:
        require_editable(dead_letter, row_state_of(dead_letter, table))
        doubt = (
            ""
            if table.proof.is_proven or not table.proof.is_asked
            else "Whether it is stored already is unknown: "
        )
        pilot.output.notice(f"{doubt}{table.proof.told()}")
    return dead_letter


def _edited(pilot: Pilot, dead_letter: DeadLetter) -> Edit:
    from b2bpilot.ops.dead_letters.edit import edited, text_for_editor

    return edited(dead_letter, ask_editor(text_for_editor(dead_letter), environ=pilot.environ))


def _show_diff(pilot: Pilot, diff: Sequence[str]) -> None:
    pilot.output.record({"diff": diff}, text=(Line(line, Tone.DATA) for line in diff))


def _end(pilot: Pilot, run_id: str) -> None:
    text: list[Words] = [
        "Replaced the dead letter by the edited one",
        "The original: " + our_command("dlq", "restore", run_id),
    ]
    pilot.output.record({"edited": {"changed": True, "run_id": run_id}}, text=text)
