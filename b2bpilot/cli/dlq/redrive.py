"""`b2bpilot dlq redrive`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from b2bpilot.cli.dlq import redrive_options as options
from b2bpilot.cli.dlq.options import Adopt, dead_letters
from b2bpilot.cli.dlq.progress import RedriveDisplay
from b2bpilot.cli.dlq.redrive_options import RedriveEngine
from b2bpilot.cli.dlq.redrive_report import show_plan, show_summary
from b2bpilot.cli.dlq.remote import redrive_inside_aws
from b2bpilot.cli.dlq.selection import checked_selection, selection_of
from b2bpilot.cli.frame.context import Pilot, pilot_of
from b2bpilot.cli.frame.options import Concurrency, DryRun, Rate, Reason, Wait, Yes, require_finite
from b2bpilot.cli.runs.kind import RunKind
from b2bpilot.cli.runs.running import failed_before, new_run, resumed_run
from b2bpilot.cli.text.durations import parse_duration
from b2bpilot.cli.text.percent import parse_percent
from b2bpilot.ops.redrive.via import RedriveVia

if TYPE_CHECKING:
    from b2bpilot.ops.redrive.options import RedriveOptions
    from b2bpilot.ops.redrive.plan import Plan
    from b2bpilot.ops.redrive.run import Redrive
    from b2bpilot.ops.redrive.summary import Summary
    from b2bpilot.ops.runs.journal import Journal
    from b2bpilot.ops.runs.record import RunRecord
    from b2bpilot.ops.table.asked import AskedTable

RUN = RunKind(
    typed="dlq redrive",
    unfinished={"accepted": "accepted, the dead letter perhaps deleted"},
    resume=lambda pilot, record, *, yes: resume(pilot, record, yes=yes),
)


def redrive(
    ctx: typer.Context,
    *,
    via: options.Via = RedriveVia.INVOKE,
    engine: options.Engine = RedriveEngine.TERMINAL,
    dry_run: DryRun = False,
    plan_file: options.PlanFile = None,
    include_completed: options.IncludeCompleted = False,
    include_poison: options.IncludePoison = False,
    max_failures: options.MaxFailures = "20%",
    rate: Rate = None,
    concurrency: Concurrency = None,
    wait: Wait = "60s",
    force: options.Force = False,
    adopt: Adopt = None,
    reason: Reason = None,
    yes: Yes = False,
) -> None:
    """Send dead letters back to the processor, and prove by the rows what happened to each.

    Completed messages are only removed. Dead letters are sent in stages of 1, 5, 20, 100 and 500; a stage with too many
    failures is the last one, or with --via async and topic the next one is. Dead letters of other subscribers are left
    alone. --wait 0s checks the rows once, at the end. Exit code 0: all completed; 4: some are not, with where they are, or
    could not be seen.

    Example: b2bpilot dlq redrive -e prod --group G1 --reason "constraint dropped"
    """
    from b2bpilot.ops.redrive.options import RedriveOptions, resolve

    pilot = pilot_of(ctx)
    selection = checked_selection(ctx, pilot)
    failures = parse_percent(max_failures, "--max-failures")
    require_finite(rate, "dead letters")
    if engine is RedriveEngine.LAMBDA:
        options.refuse_what_lambda_cannot(ctx)
    asked = RedriveOptions(
        via=via,
        include_completed=include_completed,
        include_poison=include_poison,
        max_failures=failures,
        rate=rate,
        concurrency=concurrency,
        wait=parse_duration(wait, "--wait", may_be_zero=True),
        force=force,
        adopted=frozenset(adopt or ()),
    )
    if engine is RedriveEngine.LAMBDA:
        redrive_inside_aws(pilot, selection, asked, dry_run=dry_run, reason=reason, yes=yes)
        return
    resolved = resolve(
        asked,
        pilot.environment,
        selection=selection_of(ctx, pilot),
        plan_file=plan_file,
        now=pilot.now(),
    )
    _redrive_from_here(pilot, resolved, plan_file=plan_file, dry_run=dry_run, reason=reason, yes=yes)


def _redrive_from_here(
    pilot: Pilot,
    asked: RedriveOptions,
    *,
    plan_file: Path | None,
    dry_run: bool,
    reason: str | None,
    yes: bool,
) -> None:
    from b2bpilot.ops.dead_letters.sweep import require_none_unseen
    from b2bpilot.ops.redrive.plan import require_something_to_do
    from b2bpilot.ops.redrive.run import COMMAND, prepare
    from b2bpilot.ops.redrive.summary import require_everything_completed

    with pilot.table() as table:
        run = prepare(pilot.environment, table, asked, failed_before=failed_before(pilot))
        with _told_what_stays_hidden(pilot, run):
            plan = _plan(pilot, run)
            asked.require_within(plan)
            show_plan(pilot, plan, run)
            if _froze(pilot, plan, plan_file) or dry_run:
                return
            if not plan.acts:
                require_something_to_do(plan)
                _require_the_rest(run, plan)
                require_none_unseen(run.still_unseen(plan), what="nothing was sent")
                return
            run.require_delivery(plan)
            pilot.confirmation(yes=yes).ask([""], "Continue?")
            with new_run(pilot, COMMAND, reason=reason, parameters=asked.to_journal()) as journal:
                summary = _run(pilot, run, plan, journal)
                journal.finish(summary.counts())
        show_summary(pilot, journal.run_id, summary)
        require_everything_completed(summary)
        _require_the_rest(run, plan)


def resume(pilot: Pilot, record: RunRecord, *, yes: bool) -> None:
    """Finish an interrupted redrive: `b2bpilot runs resume`."""
    from b2bpilot.ops.redrive.resume import prepare
    from b2bpilot.ops.redrive.summary import require_everything_completed

    with pilot.table() as table:
        run, remaining = prepare(pilot.environment, table, record)
        with _told_what_stays_hidden(pilot, run):
            plan = _plan(pilot, run)
            show_plan(pilot, plan, run)
            if plan.acts:
                run.require_delivery(plan)
                pilot.confirmation(yes=yes).ask([""], "Continue?")
            with resumed_run(pilot, record) as journal:
                summary = _run(pilot, run, plan, journal)
                summary += remaining.prove_unseen(run, since=_by_the_rows(pilot, table, record))
                if summary.is_certain:
                    journal.finish(summary.counts())
    show_summary(pilot, journal.run_id, summary)
    require_everything_completed(summary)
    remaining.require_known()


def _plan(pilot: Pilot, run: Redrive) -> Plan:
    with pilot.output.progress("Reading the dead-letter queue"):
        return run.next_plan()


def _require_the_rest(run: Redrive, plan: Plan) -> None:
    if run.options.frozen is not None:
        run.options.frozen.require_the_others(plan, run.table)


def _by_the_rows(pilot: Pilot, table: AskedTable, record: RunRecord) -> datetime:
    """Return when the run began by the database's clock."""
    return table.now() - (pilot.now() - record.began_at(pilot.clock))


@contextmanager
def _told_what_stays_hidden(pilot: Pilot, run: Redrive) -> Iterator[None]:
    from b2bpilot.ops.dead_letters.holding import HIDDEN_SECONDS

    try:
        with run:
            yield
    finally:
        if run.not_released:
            pilot.output.notice(
                f"{dead_letters(run.not_released)} could not be returned; visible again within {HIDDEN_SECONDS} s."
            )


def _froze(pilot: Pilot, plan: Plan, plan_file: Path | None) -> bool:
    """Write the plan where a file was named that does not exist yet."""
    from b2bpilot.ops.redrive.frozen_plan import freeze

    if plan_file is None or plan_file.exists():
        return False
    stack = pilot.environment.stack
    frozen = freeze(
        plan,
        plan_file,
        environment=pilot.environment.name,
        queue_url=stack.dead_letter_queue_url,
        now=pilot.now(),
    )
    pilot.output.record(
        {"frozen": {"file": str(plan_file), "letters": len(frozen.dead_letters)}},
        text=[
            "",
            f"Wrote the plan of {dead_letters(len(frozen.dead_letters))} to {plan_file}. Nothing was sent.",
        ],
    )
    return True


def _run(pilot: Pilot, run: Redrive, plan: Plan, journal: Journal) -> Summary:
    with pilot.output.progress("Sending") as tell:
        display = RedriveDisplay(tell, pace=run.pace, live=pilot.output.stderr.isatty())
        return run.run_all(plan, journal, display.show)
