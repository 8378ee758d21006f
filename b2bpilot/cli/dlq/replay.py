"""`b2bpilot dlq replay`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from b2bpilot.cli.dlq import replay_view as view
from b2bpilot.cli.dlq.options import Adopt, dead_letters
from b2bpilot.cli.dlq.selection import selection_as_listed, selection_of
from b2bpilot.cli.frame.context import Pilot, pilot_of
from b2bpilot.cli.frame.options import DRY_RUN, DryRun, Reason, Yes
from b2bpilot.cli.runs.kind import RunKind
from b2bpilot.cli.runs.running import new_run, resumed_run
from b2bpilot.errors import UsageError
from b2bpilot.paths import absolute

if TYPE_CHECKING:
    from b2bpilot.ops.dead_letters.copies import Copies, Spool
    from b2bpilot.ops.dead_letters.filters import Selection
    from b2bpilot.ops.ports import Invokable
    from b2bpilot.ops.redrive.replay import ReplayOutcome
    from b2bpilot.ops.runs.journal import Journal
    from b2bpilot.ops.runs.record import RunRecord

COMMAND = "replay"
WORKERS = 4

RUN = RunKind(
    typed="dlq replay",
    well="accepted",
    perhaps={"sending": "perhaps processed", "unknown": "perhaps processed"},
    words={"accepted": "processed"},
    resume="b2bpilot.cli.dlq.replay:resume",
)


def replay(
    ctx: typer.Context,
    *,
    file: Annotated[
        Path | None,
        typer.Option("--file", help="Read the copies from an export instead of the queue.", metavar="FILE"),
    ] = None,
    local: Annotated[
        bool,
        typer.Option("--local", help="Run the handler in this process; it sends no replies."),
    ] = False,
    dry_run: DryRun = False,
    adopt: Adopt = None,
    reason: Reason = None,
    yes: Yes = False,
) -> None:
    """Process copies of dead letters; the queue keeps them all.

    Dead letters of other subscribers are left out. Completed messages are skipped by the processor as duplicates. Without
    --limit the oldest 1,000 are taken. With --local a breakpoint in the handler works: put `breakpoint()` into it, or run this
    command under your debugger. Exit code 4: some were not processed; 5: all are others'.

    Example: b2bpilot dlq replay -e staging --message-id 7d1eea89-294a-5d6f-8bdc-73898d8ce9cc --local
    """
    from b2bpilot.ops.dead_letters.archive import require_whole
    from b2bpilot.ops.dead_letters.copies import Spool
    from b2bpilot.ops.dead_letters.sweep import require_none_unseen
    from b2bpilot.ops.redrive.replay import require_readable

    pilot = pilot_of(ctx)
    selection = selection_of(ctx, pilot) if file else selection_as_listed(ctx, pilot)
    _require_own_handler(pilot, local=local)
    adopted = pilot.environment.subscribers.adopt(adopt or ())
    with Spool() as spool:
        copies = _copies(pilot, file, selection, spool)
        plan = view.plan(pilot, copies, selection, file=file, local=local)
        view.show_plan(pilot, copies, selection, dry_run=dry_run)
        if dry_run or not copies.chosen:
            for line in plan:
                pilot.output.notice(line)
            if dry_run:
                pilot.output.notice(DRY_RUN)
                return
            require_whole(copies.cut)
            require_none_unseen(copies.unseen, what="nothing was processed")
            return
        require_readable(copies)
        pilot.confirmation(yes=yes).ask(plan, "Continue?")
        parameters = _parameters(copies, selection, file=file, local=local) | {"adopt": sorted(adopted)}
        with (
            _function(pilot, local=local) as function,
            new_run(pilot, COMMAND, reason=reason, parameters=parameters) as journal,
        ):
            counts = _run(pilot, copies, function, journal, local=local)
    view.end(pilot, journal.run_id, counts)
    require_whole(copies.cut)
    require_none_unseen(copies.unseen, what=f"copies of {dead_letters(counts['processed'])} processed")


def resume(pilot: Pilot, record: RunRecord, *, yes: bool) -> None:
    """Process the copies of which an interrupted replay has no result, from where it had them."""
    from b2bpilot.ops.dead_letters.copies import Spool
    from b2bpilot.ops.dead_letters.discard import NOT_FOUND, require_whole_plan
    from b2bpilot.ops.dead_letters.filters import Selection
    from b2bpilot.ops.redrive import replay as operation

    require_whole_plan(record)
    left = operation.remaining(record)
    if not left:
        pilot.output.notice(f"Run {record.run_id} has nothing left to do.")
        return
    pilot.environment.subscribers.adopt(record.parameters.get("adopt") or ())
    file, local = record.parameters["file"], bool(record.parameters["local"])
    with Spool() as spool:
        selection = Selection(message_ids=frozenset(left))
        copies = _copies(pilot, Path(file) if file else None, selection, spool, most=len(left))
        gone = operation.gone(left, copies.chosen, reason=f"not in {file} any more" if file else NOT_FOUND)
        pilot.confirmation(yes=yes).ask(view.rest(pilot, record, copies, gone, local=local), "Continue?")
        with _function(pilot, local=local) as function, resumed_run(pilot, record) as journal:
            operation.note_gone(journal, gone, left)
            counts = view.show(
                pilot, journal.run_id, chain(gone, _outcomes(pilot, copies, function, journal, local=local))
            )
            counts += operation.earlier(record)
            journal.finish(counts)
    view.end(pilot, journal.run_id, counts)


def _run(pilot: Pilot, copies: Copies, function: Invokable, journal: Journal, *, local: bool) -> Counter[str]:
    from b2bpilot.ops.redrive.replay import not_ours, unreadable, write_plan

    write_plan(journal, copies.chosen)
    left_out = chain(unreadable(copies.unreadable), not_ours(copies.others))
    outcomes = chain(left_out, _outcomes(pilot, copies, function, journal, local=local))
    counts = view.show(pilot, journal.run_id, outcomes)
    journal.finish(counts)
    return counts


def _parameters(copies: Copies, selection: Selection, *, file: Path | None, local: bool) -> dict[str, object]:
    from b2bpilot.ops.dead_letters.filters import for_journal

    return {
        "letters": len(copies.chosen),
        "file": str(absolute(file)) if file else None,
        "local": local,
        "selection": for_journal(selection, copies.names),
    }


def _require_own_handler(pilot: Pilot, *, local: bool) -> None:
    """Raises UsageError."""
    if local and (subscriber := pilot.environment.subscriber):
        raise UsageError(
            f"--local runs the processor's handler, and cannot be used with --subscriber {subscriber}",
            hint="leave it out: its own function runs",
        )


def _copies(
    pilot: Pilot, file: Path | None, selection: Selection, spool: Spool, *, most: int | None = None
) -> Copies:
    from b2bpilot.ops.dead_letters import copies
    from b2bpilot.ops.dead_letters.archive import Origin
    from b2bpilot.ops.dead_letters.copies import ExportRequest

    now, most = pilot.now(), most or copies.MOST
    if file is not None:
        return copies.copies_from_file(
            file, spool, selection, judge=pilot.environment.subscribers.judge, now=now, most=most
        )
    origin, queue = Origin.of(pilot.environment), pilot.environment.queue()
    with pilot.output.progress("Reading the dead-letter queue") as tell:
        wanted = ExportRequest(
            selection=selection,
            origin=origin,
            now=now,
            observe=lambda saw, about: tell(f"Saw {saw:,} of about {dead_letters(about)}"),
        )
        return copies.copies_from_queue(queue, spool, wanted, most=most)


def _function(pilot: Pilot, *, local: bool) -> AbstractContextManager[Invokable]:
    from b2bpilot.ops.redrive.local_function import local_function

    if local:
        return local_function(pilot.database_url, old_queue_arn=pilot.environment.stack.old_queue_arn)
    return nullcontext(pilot.environment.function())


def _outcomes(
    pilot: Pilot, copies: Copies, function: Invokable, journal: Journal, *, local: bool
) -> Iterator[ReplayOutcome]:
    from b2bpilot.ops.redrive.replay import replay as run

    workers = 1 if local else WORKERS
    return run(
        copies.dead_letters(),
        function,
        journal,
        run_id=journal.run_id,
        workers=workers,
        subscriber=pilot.environment.other,
    )
