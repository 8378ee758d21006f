"""`b2bpilot dlq restore`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from b2bpilot.advice import our_command
from b2bpilot.cli.dlq import owner_view
from b2bpilot.cli.dlq.options import confirm, dead_letters, rows, show_dry_run
from b2bpilot.cli.frame import values
from b2bpilot.cli.frame.context import Pilot, pilot_of
from b2bpilot.cli.frame.options import DryRun, Reason, Yes
from b2bpilot.cli.runs.app import early, in_environment_of
from b2bpilot.cli.runs.kind import RunKind
from b2bpilot.cli.runs.running import new_run, resumed_run, show_problems

if TYPE_CHECKING:
    from b2bpilot.ops.dead_letters.archive import ArchiveSource
    from b2bpilot.ops.dead_letters.marks import MarksOfRun
    from b2bpilot.ops.dead_letters.restore import Restored, RestorePlan
    from b2bpilot.ops.runs.journal import Journal
    from b2bpilot.ops.runs.record import RunRecord
    from b2bpilot.ops.table.asked import AskedTable, Named

RUN = RunKind(
    typed="dlq restore",
    key="former id in the queue",
    well="accepted",
    perhaps={"sending": "perhaps put back", "unknown": "perhaps put back"},
    words={"accepted": "put back"},
    resume="b2bpilot.cli.dlq.restore:resume",
)


def restore(
    ctx: typer.Context,
    source: Annotated[
        str,
        typer.Argument(
            help="File from `dlq export`, or the run that discarded or edited.",
            metavar="FILE|RUN",
            autocompletion=values.runs,
        ),
    ],
    *,
    dry_run: DryRun = False,
    force: Annotated[
        bool,
        typer.Option(
            "--force", help="Put dead letters of another environment into this environment's queue."
        ),
    ] = False,
    reason: Reason = None,
    yes: Yes = False,
) -> None:
    """Put exported or discarded dead letters back into the queue, byte for byte, with their attributes.

    Those that are still in the queue, or were put back before, are left out. In the queue they are new: new ids, age 0.

    Example: b2bpilot dlq restore -e staging 20261123T194501Z-discard-3f9a
    """
    from b2bpilot.ops.dead_letters.archive import require_whole, source_of

    found = source_of(early(ctx).runs_home, source)
    pilot = _in_environment_of(ctx, found, force=force)
    with _the_only_restore(pilot), pilot.table() as table:
        plan = _plan(pilot, found, table, force=force)
        marks = _marks(pilot, plan, found, table)
        action = f"Put {dead_letters(plan.to_send)} back into the dead-letter queue"
        if dry_run:
            show_dry_run(pilot, action if plan.acts or marks.acts else None)
            return
        if not (plan.acts or marks.acts):
            require_whole(plan.cut)
            return
        confirm(pilot, action, yes=yes)
        parameters = {"source": str(found.path), "letters": plan.to_send, "force": force}
        with new_run(pilot, "restore", reason=reason, parameters=parameters) as journal:
            done = _restore(pilot, journal, plan, marks, table)
    _end(pilot, journal.run_id, done, marks)
    require_whole(plan.cut)


def resume(pilot: Pilot, record: RunRecord, *, yes: bool) -> None:
    """Put back what an interrupted restore did not."""
    from b2bpilot.ops.dead_letters.archive import require_whole, source_of

    found = source_of(pilot.runs_home, str(record.parameters["source"]))
    with _the_only_restore(pilot), pilot.table() as table:
        plan = _plan(pilot, found, table, force=bool(record.parameters.get("force")))
        marks = _marks(pilot, plan, found, table)
        if not (plan.acts or marks.acts):
            pilot.output.notice(f"Run {record.run_id} has nothing left to do.")
            return
        confirm(pilot, f"Put the {dead_letters(plan.to_send)} back that run {record.run_id} left", yes=yes)
        with resumed_run(pilot, record) as journal:
            done = _restore(pilot, journal, plan, marks, table)
    _end(pilot, journal.run_id, done, marks)
    require_whole(plan.cut)


def _in_environment_of(ctx: typer.Context, found: ArchiveSource, *, force: bool) -> Pilot:
    """A run knows its environment, and wins over variables and files; not over what stands on the line, nor with --force."""
    record, given = found.record, early(ctx).given
    if record and not force and given.get("env", record.environment) == record.environment:
        return in_environment_of(ctx, record)
    return pilot_of(ctx)


@contextmanager
def _the_only_restore(pilot: Pilot) -> Iterator[None]:
    """Two at a time would not see in the journals what the other one sends."""
    from b2bpilot.ops.runs.durable import exclusive
    from b2bpilot.ops.runs.journal import FOLDER

    with exclusive(pilot.runs_home / FOLDER / "restore.lock", "another restore"):
        yield


def _plan(pilot: Pilot, found: ArchiveSource, table: AskedTable, *, force: bool) -> RestorePlan:
    """Decide and show it. Raises Refused for dead letters of another environment."""
    from b2bpilot.ops.dead_letters.archive import Origin, require_readable
    from b2bpilot.ops.dead_letters.restore import COMMAND, plan_restore, require_same_origin, sent_before
    from b2bpilot.ops.runs.runs import records
    from b2bpilot.ops.table.asked import name_of

    origin = Origin.of(pilot.environment)
    runs = records(pilot.runs_home, COMMAND, unreadable=pilot.output.notice)
    with pilot.output.progress("Reading the dead-letter queue") as tell:
        plan = plan_restore(
            found.path,
            pilot.environment.queue(),
            before=sent_before(runs, origin, pilot.clock),
            discarded=found.discarded,
            now=pilot.now(),
            with_owner=pilot.environment.subscribers.judge,
            observe=lambda saw, about: tell(f"Saw {saw:,} of about {dead_letters(about)}"),
        )
    require_readable(plan.cut, read=len(plan.decisions))
    require_same_origin(plan, origin, force=force)
    _show_plan(pilot, plan, name_of(table) if plan.asked else None)
    return plan


def _show_plan(pilot: Pilot, plan: RestorePlan, database: Named | None) -> None:
    counts = {decision.value: count for decision, count in plan.counts().items()}
    text = [f"{dead_letters(count)}: {decision}" for decision, count in counts.items()]
    pilot.output.record(
        {
            "plan": counts,
            "owners": owner_view.fields(plan.owners),
            "cut_line": plan.cut,
            "database": database.fields() if database else None,
        },
        text=text or [f"{plan.path} holds no dead letter."],
    )
    if database and database.proof and database.proof.is_proven:
        pilot.output.notice(database.told())
    for owner, count in plan.owners.items():
        pilot.output.notice(f"{count:,} of them: {owner}")
    if plan.cut:
        pilot.output.notice(f"{plan.cut} is cut: the dead letter in it cannot be read, and is not put back.")


def _marks(pilot: Pilot, plan: RestorePlan, found: ArchiveSource, table: AskedTable) -> MarksOfRun:
    """Ask which messages are discarded, and say what becomes of that."""
    from b2bpilot.ops.dead_letters.marks import marks_of

    marks = marks_of(plan.asked, found.record, table)
    _show_marks(pilot, marks)
    return marks


def _show_marks(pilot: Pilot, marks: MarksOfRun) -> None:
    if marked := {row.message_id for row in marks.own.values()}:
        pilot.output.notice(
            f"{rows(len(marked))} that run {marks.run_id} marked as discarded: the former status comes back."
        )
    for run_id, count in marks.others.items():
        pilot.output.notice(
            f"Discarded in run {run_id} and still so: {count:,} of these messages. No delivery of them is stored. "
            "To take that back: " + our_command("dlq", "restore", run_id)
        )
    if marks.error:
        pilot.output.notice(f"Whether messages are marked as discarded is unknown: {marks.error}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    restored: Restored
    rows_back: int
    error: str | None
    """Why rows may still be marked as discarded."""


def _restore(pilot: Pilot, journal: Journal, plan: RestorePlan, marks: MarksOfRun, table: AskedTable) -> Done:
    from b2bpilot.ops.dead_letters.marks import take_back
    from b2bpilot.ops.dead_letters.restore import Restore
    from b2bpilot.ops.environment import SEND_ONCE

    with pilot.output.progress(f"Putting back {dead_letters(plan.to_send)}") as tell:
        restore = Restore(
            sender=pilot.environment.queue(SEND_ONCE),
            journal=journal,
            observe=lambda done: tell(f"Sent {done:,} of {plan.to_send:,}"),
        )
        restored = restore.run(plan)
    missing = {problem.queue_message_id for problem in restored.problems}
    rows_back, error = take_back(marks, table, journal, not_in_queue=missing)
    journal.finish({**restored.counts, "rows taken back": rows_back})
    return Done(restored=restored, rows_back=rows_back, error=error)


def _end(pilot: Pilot, run_id: str, done: Done, marks: MarksOfRun) -> None:
    from b2bpilot.ops.dead_letters.marks import require_all_taken_back
    from b2bpilot.ops.dead_letters.restore import require_all_put_back

    restored = done.restored
    fields = {
        "run_id": run_id,
        "put_back": restored.put_back,
        "not_put_back": len(restored.problems),
        "rows_taken_back": done.rows_back,
    }
    pilot.output.record(
        {"restored": fields}, text=["", f"Put {dead_letters(restored.put_back)} back into the queue"]
    )
    show_problems(pilot, run_id, restored.problems)
    require_all_put_back(restored)
    require_all_taken_back(marks, done.error)
