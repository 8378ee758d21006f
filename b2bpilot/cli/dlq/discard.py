"""`b2bpilot dlq discard`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import typer

from b2bpilot.advice import our_command
from b2bpilot.cli.dlq import group_view, owner_view
from b2bpilot.cli.dlq.options import Adopt, confirm, confirm_by_name, dead_letters, rows, show_dry_run
from b2bpilot.cli.dlq.selection import selection_as_listed
from b2bpilot.cli.frame.context import Pilot, pilot_of
from b2bpilot.cli.frame.options import ConfirmEnvironment, DryRun, Reason, Yes
from b2bpilot.cli.runs.kind import RunKind
from b2bpilot.cli.runs.running import new_run, resumed_run, show_problems

if TYPE_CHECKING:
    from b2bpilot.ops.dead_letters.discard import Discarded
    from b2bpilot.ops.dead_letters.filters import Selection
    from b2bpilot.ops.dead_letters.listing import DeadLetterListing
    from b2bpilot.ops.runs.journal import Journal
    from b2bpilot.ops.runs.record import MessageState, RunRecord
    from b2bpilot.ops.table.asked import Named

DeadLetters = Mapping[str, str | None]

RUN = RunKind(
    typed="dlq discard",
    perhaps={"archived": "perhaps deleted", "unknown": "perhaps deleted"},
    archives=True,
    resume="b2bpilot.cli.dlq.discard:resume",
)


def discard(
    ctx: typer.Context,
    *,
    dry_run: DryRun = False,
    reason: Reason = None,
    confirm_name: ConfirmEnvironment = None,
    adopt: Adopt = None,
    yes: Yes = False,
) -> None:
    """Remove dead letters from the queue. They are archived first: `dlq restore RUN` puts them back.

    Removes exactly the dead letters of the plan: none that arrives later, and none of another subscriber. Exit code 4: some
    were not deleted, or could not be seen; 5: all are others'.

    Example: b2bpilot dlq discard -e prod --group G2 --reason "spam, agreed with Ana"
    """
    from b2bpilot.ops.dead_letters.causes import all_others, owners_of
    from b2bpilot.ops.dead_letters.discard import needs_name, parameters_of, write_plan
    from b2bpilot.ops.dead_letters.sweep import require_none_unseen

    pilot = pilot_of(ctx)
    selection = selection_as_listed(ctx, pilot)
    adopted = pilot.environment.subscribers.adopt(adopt or ())
    found = _survey(pilot, selection)
    _show_plan(pilot, found, selection, dry_run=dry_run)
    planned = {one.queue_message_id: one.message_id for one in found.look.found if one.owner.is_ours}
    what = f"{dead_letters(len(planned))}{group_view.of_group(found.look.names, selection)}"
    if dry_run:
        show_dry_run(pilot, f"Archive and delete {what}" if planned else None)
        return
    if not found.look.found:
        require_none_unseen(found.look.unseen_of(selection), what="nothing was discarded")
        return
    if not planned:
        raise all_others(owners_of(found.look.found))
    by_name = needs_name(pilot.environment.name, is_everything=not selection.has_filter)
    _confirm(pilot, f"Archive and delete {what}", by_name=by_name, typed=confirm_name, yes=yes)
    parameters = dict(
        parameters_of(selection, dead_letters=len(planned), names=found.look.names, by_name=by_name)
    )
    parameters["adopt"] = sorted(adopted)
    with new_run(pilot, "discard", reason=reason, parameters=parameters) as journal:
        write_plan(journal, planned)
        discarded = _discard(pilot, journal, planned)
    _end(pilot, journal.run_id, discarded, unseen=found.look.unseen_of(selection))


def resume(pilot: Pilot, record: RunRecord, *, yes: bool) -> None:
    """Discard what an interrupted discard did not."""
    from b2bpilot.ops.dead_letters.discard import is_to_be_marked, remaining, require_whole_plan
    from b2bpilot.ops.dead_letters.sweep import patience_after
    from b2bpilot.ops.table.asked import named

    require_whole_plan(record)
    pilot.environment.subscribers.adopt(record.parameters.get("adopt") or ())
    left = remaining(record.messages)
    unmarked = sum(is_to_be_marked(state) for state in record.messages.values())
    if not left and not unmarked:
        pilot.output.notice(f"Run {record.run_id} has nothing left to do.")
        return
    pilot.output.notice(named(pilot.table).told())
    more = f", and mark {rows(unmarked)} of messages that it deleted" if unmarked else ""
    confirm(
        pilot,
        f"Archive and delete the {dead_letters(len(left))} that run {record.run_id} left{more}",
        yes=yes,
    )
    with resumed_run(pilot, record) as journal:
        patience_seconds = patience_after(record.last_at, now=pilot.now())
        discarded = _discard(pilot, journal, left, known=record.messages, patience_seconds=patience_seconds)
    _end(pilot, journal.run_id, discarded)


def _survey(pilot: Pilot, selection: Selection) -> DeadLetterListing:
    from b2bpilot.ops.dead_letters.listing import list_dead_letters
    from b2bpilot.ops.dead_letters.peek import ours

    queue = pilot.environment.queue()
    with pilot.output.progress("Reading the dead-letter queue") as tell:
        return list_dead_letters(
            queue,
            selection=selection,
            counts=ours,
            retention=queue.attributes().retention,
            table=pilot.table,
            now=pilot.now(),
            observe=lambda saw, about: tell(f"Saw {saw:,} of about {dead_letters(about)}"),
        )


def _show_plan(pilot: Pilot, found: DeadLetterListing, selection: Selection, *, dry_run: bool) -> None:
    from b2bpilot.ops.dead_letters.causes import owners_of

    database = _database(pilot, found)
    plan = {
        "environment": pilot.environment.name,
        "account_id": pilot.environment.stack.account_id,
        "letters": sum(one.owner.is_ours for one in found.look.found),
        "owners": owner_view.fields(owners_of(found.look.found)),
        "copies_left": found.look.copies_left,
        "dry_run": dry_run,
        "database": database.fields() if database else None,
    }
    text = [line for group in found.groups for line in group_view.lines(group, now=pilot.now())]
    pilot.output.record(
        {"plan": plan, "groups": [group_view.fields(group) for group in found.groups]}, text=text
    )
    if database and (found.database is None or found.database.is_proven) and not found.database_error:
        pilot.output.notice(database.told())
    for line in group_view.summary(found, selection):
        pilot.output.notice(line)
    if copies := found.look.copies_left:
        pilot.output.notice(
            f"{dead_letters(copies)} more of the same messages in the queue, not discarded: no delivery of these messages "
            "will be stored. Discard what is left, too."
        )


def _database(pilot: Pilot, found: DeadLetterListing) -> Named | None:
    """The database whose rows will be marked. What is listed needs none where it holds no message."""
    from b2bpilot.ops.table.asked import Named, named

    if found.database or found.database_error:
        return Named(proof=found.database, error=found.database_error)
    return named(pilot.table) if any(one.owner.is_ours for one in found.look.found) else None


def _confirm(pilot: Pilot, action: str, *, by_name: bool, typed: str | None, yes: bool) -> None:
    if by_name:
        confirm_by_name(pilot, action, typed=typed)
    else:
        confirm(pilot, action, yes=yes)


def _discard(
    pilot: Pilot,
    journal: Journal,
    planned: DeadLetters,
    *,
    known: Mapping[str, MessageState] | None = None,
    patience_seconds: float = 0,
) -> Discarded:
    from b2bpilot.ops.dead_letters.archive import Origin
    from b2bpilot.ops.dead_letters.discard import run_discard

    with pilot.output.progress(f"Discarding {dead_letters(len(planned))}") as tell, pilot.table() as table:
        return run_discard(
            pilot.environment.queue(),
            journal,
            planned,
            home=pilot.runs_home,
            origin=Origin.of(pilot.environment),
            table=table,
            known=known or {},
            patience_seconds=patience_seconds,
            observe=lambda done: tell(f"Dealt with {done:,} of {len(planned):,}"),
        )


def _end(pilot: Pilot, run_id: str, discarded: Discarded, *, unseen: int = 0) -> None:
    """Raises PartlyFailed. `unseen`: about so many that may have been meant were not looked at."""
    from b2bpilot.ops.dead_letters.discard import require_all_done
    from b2bpilot.ops.dead_letters.sweep import require_none_unseen

    fields = {
        "run_id": run_id,
        "deleted": discarded.deleted,
        "not_deleted": len(discarded.problems),
        "rows_marked": discarded.marked,
        "rows_not_marked": len(discarded.unmarked),
        "unseen": unseen,
    }
    marked = "" if pilot.environment.subscriber else f"; {rows(discarded.marked)} marked as discarded"
    text = ["", f"Discarded {dead_letters(discarded.deleted)}{marked}"]
    pilot.output.record({"discarded": fields}, text=text)
    show_problems(pilot, run_id, [*discarded.problems, *discarded.unmarked])
    if discarded.deleted:
        pilot.output.notice("Put back what was deleted: " + our_command("dlq", "restore", run_id))
    require_all_done(discarded, run_id=run_id)
    require_none_unseen(unseen, what=f"{dead_letters(discarded.deleted)} discarded")
