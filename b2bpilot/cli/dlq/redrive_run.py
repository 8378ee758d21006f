"""What `b2bpilot dlq redrive` does from a terminal: plan, ask, send, tell; and how an interrupted run goes on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from b2bpilot.cli.dlq.options import dead_letters
from b2bpilot.cli.dlq.progress import RedriveDisplay
from b2bpilot.cli.dlq.redrive_again import resumed_again, sent_again
from b2bpilot.cli.dlq.redrive_report import show_plan, show_summary
from b2bpilot.cli.frame.context import Pilot
from b2bpilot.cli.frame.options import DRY_RUN
from b2bpilot.cli.runs.running import failed_before, new_run, resumed_run
from b2bpilot.ops.dead_letters.filters import Selection
from b2bpilot.ops.dead_letters.holding import HIDDEN_SECONDS
from b2bpilot.ops.dead_letters.sweep import require_none_unseen
from b2bpilot.ops.redrive.frozen_plan import freeze
from b2bpilot.ops.redrive.options import RedriveOptions, resolve
from b2bpilot.ops.redrive.plan import Plan, require_something_to_do
from b2bpilot.ops.redrive.resume import prepare as prepare_again
from b2bpilot.ops.redrive.run import COMMAND, Redrive, prepare
from b2bpilot.ops.redrive.summary import Summary, require_everything_completed
from b2bpilot.ops.runs.journal import Journal
from b2bpilot.ops.runs.record import RunRecord
from b2bpilot.ops.table.asked import AskedTable


def redrive_from_here(
    pilot: Pilot,
    selection: Selection,
    asked: RedriveOptions,
    *,
    plan_file: Path | None,
    dry_run: bool,
    reason: str | None,
    yes: bool,
) -> None:
    """Raises PartlyFailed unless it is proven that all of it is completed."""
    at_once = asked.concurrency
    asked = resolve(asked, pilot.environment, selection=selection, plan_file=plan_file, now=pilot.now())
    with pilot.table() as table:
        run = prepare(pilot.environment, table, asked, failed_before=failed_before(pilot))
        with _told_what_stays_hidden(pilot, run):
            plan = _plan(pilot, run)
            asked.require_within(plan)
            show_plan(pilot, plan, run)
            has_frozen = _froze(pilot, plan, plan_file)
            if dry_run:
                pilot.output.notice(DRY_RUN)
            if has_frozen or dry_run:
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
        same = replace(asked, concurrency=at_once)
        again = sent_again(same, group=selection.group, plan_file=plan_file)
        require_everything_completed(summary, again=again)
        _require_the_rest(run, plan)


def resume(pilot: Pilot, record: RunRecord, *, yes: bool) -> None:
    """Finish an interrupted redrive: `b2bpilot runs resume`."""
    with pilot.table() as table:
        run, remaining = prepare_again(pilot.environment, table, record)
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
    require_everything_completed(summary, again=resumed_again(journal.run_id))
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
    if plan_file is None or plan_file.exists():
        return False
    frozen = freeze(plan, plan_file, environment=pilot.environment, now=pilot.now())
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
