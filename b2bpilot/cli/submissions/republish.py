"""`b2bpilot submissions republish`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated

import typer

from b2bpilot.advice import our_command
from b2bpilot.cli.frame.context import Pilot, pilot_of
from b2bpilot.cli.frame.options import DRY_RUN, DryRun, Reason, Wait, Yes
from b2bpilot.cli.frame.settings import Format
from b2bpilot.cli.output import Row
from b2bpilot.cli.runs.kind import RunKind
from b2bpilot.cli.runs.running import new_run, resumed_run
from b2bpilot.cli.text.durations import parse_duration
from b2bpilot.cli.text.privacy import mask_numbers
from b2bpilot.errors import UsageError
from b2bpilot.plural import many

if TYPE_CHECKING:
    from b2bpilot.ops.republish.plan import RepublishPlan
    from b2bpilot.ops.republish.run import Republication, Republished
    from b2bpilot.ops.runs.journal import Journal
    from b2bpilot.ops.runs.record import RunRecord
    from b2bpilot.ops.table.asked import AskedTable
    from b2bpilot.ops.table.database_proof import DatabaseProof
    from b2bpilot.pipeline.models import UserSubmission

SHOWN = 20
"""So many rows are named in a table; all of them are in JSON and in the journal."""


def republish(
    ctx: typer.Context,
    message_ids: Annotated[
        list[str] | None, typer.Argument(help="A message_id or MessageSid.", metavar="ID...")
    ] = None,
    *,
    abandoned: Annotated[
        bool, typer.Option("--abandoned", help="All abandoned rows, except those that a person discarded.")
    ] = False,
    discarded: Annotated[
        bool, typer.Option("--discarded", help="Include discarded messages: they are stored after all.")
    ] = False,
    wait: Wait = "60s",
    dry_run: DryRun = False,
    reason: Reason = None,
    yes: Yes = False,
) -> None:
    """Publish rows again that were not completed, and prove by the rows that they are completed now.

    Completed rows are left alone, and so are those that a run may be processing. Exit code 4: some are not completed.

    Example: b2bpilot submissions republish -e prod --abandoned --reason "the CRM is back"
    """
    from b2bpilot.ops.republish.plan import plan, require_proven, require_something
    from b2bpilot.ops.republish.run import COMMAND, require_all_completed, write_plan

    if bool(message_ids) is abandoned:
        raise UsageError("name rows, or all with --abandoned", hint="one of them, not both")
    pilot = pilot_of(ctx)
    limit = parse_duration(wait, "--wait")
    with pilot.table() as table:
        require_proven(table.proof)
        rows = list(_rows(table, message_ids or (), discarded=discarded))
        found = plan(rows, now=table.now(), discarded=discarded)
        _show_plan(pilot, found, table.proof, dry_run=dry_run)
        if not abandoned:
            require_something(found)
        if dry_run:
            pilot.output.notice(DRY_RUN)
        if dry_run or not found.to_send:
            return
        pilot.confirmation(yes=yes).ask([], "Publish them?")
        parameters = {
            "messages": len(found.to_send),
            "abandoned": abandoned,
            "discarded": discarded,
            "wait_seconds": limit.total_seconds(),
        }
        with new_run(pilot, COMMAND, reason=reason, parameters=parameters) as journal:
            write_plan(journal, found)
            with pilot.output.progress("Publishing") as tell:
                republication = _republication(pilot, table, journal, limit, discarded=discarded, tell=tell)
                done = republication.run([one.message_id for one in found.to_send], _nothing())
            _finish(journal, done)
    _show_end(pilot, journal.run_id, done)
    require_all_completed(done, journal.run_id, left=0 if abandoned else len(found.left))


def resume(pilot: Pilot, record: RunRecord, *, yes: bool) -> None:
    """Publish what an interrupted run left, and prove the rest: `b2bpilot runs resume`."""
    from b2bpilot.ops.republish import run
    from b2bpilot.ops.republish.plan import require_proven

    left = run.remaining(record)
    if not left:
        pilot.output.notice(f"Run {record.run_id} has nothing left to do.")
        return
    wait = timedelta(seconds=float(record.parameters.get("wait_seconds") or run.DEFAULT_WAIT.total_seconds()))
    with pilot.table() as table:
        pilot.output.notice(table.proof.told())
        require_proven(table.proof)
        question = f"Go on with {_messages(left)} of run {record.run_id} in {pilot.environment}."
        pilot.confirmation(yes=yes).ask([question], "Continue?")
        with resumed_run(pilot, record) as journal, pilot.output.progress("Publishing") as tell:
            discarded = record.parameters.get("discarded") is True
            republication = _republication(pilot, table, journal, wait, discarded=discarded, tell=tell)
            done = run.resume(republication, record)
            _finish(journal, done)
    pilot.output.notice("With what was done before:")
    _show_end(pilot, record.run_id, done)
    run.require_all_completed(done, record.run_id)


RUN = RunKind(
    typed="submissions republish",
    unit="messages",
    key=None,
    well="accepted",
    perhaps={"sending": "perhaps published", "unknown": "perhaps published"},
    resume="b2bpilot.cli.submissions.republish:resume",
)


def _rows(
    table: AskedTable, message_ids: list[str] | tuple[str, ...], *, discarded: bool
) -> Iterator[UserSubmission]:
    from b2bpilot.ops.inspect import find
    from b2bpilot.ops.submissions import Query, select
    from b2bpilot.pipeline.models import SubmissionStatus

    if message_ids:
        yield from (find(text, table.database) for text in message_ids)
        return
    every = select(table.database, Query(status=SubmissionStatus.ABANDONED, limit=None))
    yield from (row for row in every if discarded or row.discarded_by is None)


def _show_plan(pilot: Pilot, found: RepublishPlan, proof: DatabaseProof, *, dry_run: bool) -> None:
    document = {
        "environment": pilot.environment.name,
        "account_id": pilot.environment.stack.account_id,
        "database": proof.fields(),
        "messages": len(found.to_send),
        "tests": found.tests,
        "replies_begun": found.replies_begun,
        "marks_taken_back": found.unmarked,
        "left": [
            {"message_id": one.message_id or None, "decision": one.decision.value, "why": one.why}
            for one in found.left
        ],
        "dry_run": dry_run,
    }
    pilot.output.record({"plan": document}, text=())
    for line in _told(pilot, found, proof):
        pilot.output.notice(line)


def _told(pilot: Pilot, found: RepublishPlan, proof: DatabaseProof) -> Iterator[str]:
    for one in found.left[:SHOWN]:
        yield f"Left alone: {one.message_id or f'row {one.row.id}'}: {one.why}"
    if len(found.left) > SHOWN:
        yield f"Left alone: {many(len(found.left) - SHOWN, 'more row')}"
    yield proof.told()
    if not found.to_send:
        yield "There is nothing to publish."
        return
    proven = "that it is completed" if len(found.to_send) == 1 else "that they are completed"
    yield f"Publish {_messages(len(found.to_send))} again, and prove by the rows {proven}:"
    yield f"  {pilot.environment}"
    real = len(found.to_send) - found.tests - found.replies_begun
    if found.tests:
        yield f"  {many(found.tests, 'of them is a test message', 'of them are test messages')}."
    if real > 0:
        yield f"  {many(real, 'message has', 'messages have')} no reply yet: if one is configured, each sender gets it now."
    if found.replies_unknown:
        yield f"  Of {found.replies_unknown:,} nobody knows whether the reply was sent; it is not sent again."
    if found.unmarked:
        yield f"  {many(found.unmarked, 'message was', 'messages were')} discarded by a person: the mark is taken back."
    for priority, count in found.unknown_priorities.items():
        yield f"  {many(count, 'has', 'have')} the priority {priority!r}, which this version does not know: published as normal."
    yield (
        "  Whether Lambda still holds one of them, or a dead letter of it lies in the queue, the table does not know: a copy "
        "that comes later is skipped, and a dead letter stays until it is redriven or discarded."
    )


def _republication(
    pilot: Pilot,
    table: AskedTable,
    journal: Journal,
    wait: timedelta,
    *,
    discarded: bool,
    tell: Callable[[str], None],
) -> Republication:
    from b2bpilot.ops.republish.run import Republication

    return Republication(
        table=table,
        publisher=pilot.environment.topic(),
        journal=journal,
        wait=wait,
        discarded=discarded,
        observe=tell,
    )


def _nothing() -> Republished:
    from b2bpilot.ops.republish.run import Republished

    return Republished()


def _finish(journal: Journal, done: Republished) -> None:
    """A run that stopped early has no end: it can be resumed."""
    if not done.left:
        journal.finish(done.counts())


def _show_end(pilot: Pilot, run_id: str, done: Republished) -> None:
    perhaps = (
        f"; {done.unknown:,} perhaps published: no answer came, or none that says so" if done.unknown else ""
    )
    known = "known to be published again" if done.unknown else "published again"
    text = ["", f"{_messages(done.accepted)} {known}{perhaps}; {done.completed:,} proven to be completed"]
    pilot.output.record({"republished": {"run_id": run_id, **done.counts()}}, text=text)
    shown = done.problems if pilot.output.format is not Format.TABLE else done.problems[:SHOWN]
    pilot.output.rows(
        "problems",
        (
            Row(
                fields={"message_id": one.message_id, "reason": mask_numbers(one.reason)},
                columns={"message id": one.message_id, "why": mask_numbers(one.reason)},
            )
            for one in shown
        ),
    )
    if len(shown) < len(done.problems):
        pilot.output.notice(
            f"{len(done.problems) - len(shown):,} more: " + our_command("runs", "show", run_id)
        )


def _messages(count: int) -> str:
    return many(count, "message")
