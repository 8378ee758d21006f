"""Publishing what a comparison with Twilio found missing, and going on with it after an interruption."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from b2bpilot.cli.frame.context import Pilot
from b2bpilot.cli.runs.kind import RunKind
from b2bpilot.cli.runs.running import new_run, resumed_run
from b2bpilot.cli.twilio.account import twilio_access_of
from b2bpilot.cli.twilio.recovered import show_end, shown_when_it_breaks
from b2bpilot.pipeline.message import format_time

if TYPE_CHECKING:
    from b2bpilot.ops.reconcile.message_finding import ComparisonPeriod
    from b2bpilot.ops.reconcile.notes import Notes
    from b2bpilot.ops.reconcile.recovery import Recovery
    from b2bpilot.ops.runs.journal import Journal
    from b2bpilot.ops.runs.record import RunRecord
    from b2bpilot.ops.table.asked import AskedTable
    from b2bpilot.twilio.rest import Twilio


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """What a reconciliation works with."""

    pilot: Pilot
    twilio: Twilio
    table: AskedTable


@dataclass(frozen=True, slots=True, kw_only=True)
class RecoveryOptions:
    """How what is missing shall be published. `wait` is how long the proof of each window may take."""

    wait: timedelta
    even_if_queued: bool
    allow_partial: bool
    dry_run: bool
    reason: str | None
    yes: bool


def recover(work: Work, notes: Notes, period: ComparisonPeriod, order: RecoveryOptions) -> int:
    """Publish what is missing; return how many messages were. Raises Refused, or PartlyFailed."""
    from b2bpilot.ops.reconcile.message_finding import ComparisonResult
    from b2bpilot.ops.reconcile.run import published_results, require_no_doubt

    counts, output = notes.counts(), work.pilot.output
    count = sum(counts[result] for result in published_results(allow_partial=order.allow_partial))
    if count:
        _tell_plan(work, count)
    else:
        output.notice("There is nothing to publish.")
    _tell_lost(work.pilot, counts[ComparisonResult.LOST_AT_TWILIO], allow_partial=order.allow_partial)
    if not count:
        return 0
    for warning in notes.warnings:
        output.notice(f"  {warning}")
    if not order.even_if_queued:
        require_no_doubt(notes.doubts)
    elif notes.doubts:
        output.notice("  Some may be in a queue of ours: what it has of them besides will be skipped.")
    if order.dry_run:
        return 0
    with _the_only_one(work.pilot):
        _publish(work, notes, period, order)
    return count


def _tell_lost(pilot: Pilot, lost: int, *, allow_partial: bool) -> None:
    if lost and allow_partial:
        pilot.output.notice(
            f"  Of {lost:,} of them Twilio has a part only: once that is stored, a full copy that arrives later will be "
            "skipped."
        )
    elif lost:
        pilot.output.notice(
            f"  {lost:,} lost at Twilio {'is' if lost == 1 else 'are'} not published. --allow-partial publishes what is left "
            "of them: a full copy that arrives later will then be skipped."
        )


def resume(pilot: Pilot, record: RunRecord, *, yes: bool) -> None:
    """Publish what an interrupted run left, and prove the rest."""
    from b2bpilot.ops.reconcile import run
    from b2bpilot.ops.table.database_proof import require_proven

    left = run.require_plan(record)
    if not left and record.counts is not None:
        pilot.output.notice(f"Run {record.run_id} has nothing left to do.")
        return
    twilio = twilio_access_of(pilot).connect()
    with _the_only_one(pilot), pilot.table() as table:
        require_proven(table.proof, "nothing is published")
        work = Work(pilot=pilot, twilio=twilio, table=table)
        if left:
            _tell_plan(work, left)
            pilot.confirmation(yes=yes).ask([], "Continue?")
        with resumed_run(pilot, record) as journal, pilot.output.progress("Publishing") as tell:
            allow_partial = record.parameters.get("allow_partial") is True
            recovery = _recovery(
                work, journal, wait=run.DEFAULT_WAIT, allow_partial=allow_partial, observe=tell
            )
            recovered = run.recovered_before(record)
            with shown_when_it_breaks(pilot, journal.run_id, recovered):
                run.resume(recovery, record, recovered)
            run.finish(journal, recovered)
    pilot.output.notice("With what was done before:")
    show_end(pilot, journal.run_id, recovered)


RUN = RunKind(
    typed="twilio reconcile",
    unit="messages",
    key="message sid",
    well="accepted",
    perhaps={"sending": "perhaps published", "unknown": "perhaps published"},
    resume="b2bpilot.cli.twilio.recovery:resume",
)


def _tell_plan(work: Work, missing: int) -> None:
    pilot = work.pilot
    for line in (
        "",
        f"Publish {missing:,} missing message{'s'[: missing != 1]} to the topic, and prove by the rows that they are stored:",
        f"  {pilot.environment}",
        f"  {work.table.proof.told()}",
        "  They are real messages: if a reply is configured, each sender gets it now.",
    ):
        pilot.output.notice(line)


def _publish(work: Work, notes: Notes, period: ComparisonPeriod, order: RecoveryOptions) -> None:
    from b2bpilot.ops.reconcile import run
    from b2bpilot.ops.reconcile.recovered import Recovered

    pilot = work.pilot
    published = run.published_results(allow_partial=order.allow_partial)
    pilot.confirmation(yes=order.yes).ask([], "Continue?")
    parameters = {
        "since": format_time(period.since),
        "until": format_time(period.until),
        "missing": sum(notes.counts()[result] for result in published),
        "even_if_queued": order.even_if_queued,
        "allow_partial": order.allow_partial,
    }
    with new_run(pilot, run.COMMAND, reason=order.reason, parameters=parameters) as journal:
        run.write_plan(journal, notes, allow_partial=order.allow_partial)
        with pilot.output.progress("Publishing") as tell:
            recovery = _recovery(
                work, journal, wait=order.wait, allow_partial=order.allow_partial, observe=tell
            )
            recovered = Recovered()
            with shown_when_it_breaks(pilot, journal.run_id, recovered):
                recovery.run(notes.findings(*published), recovered)
        run.finish(journal, recovered)
    show_end(pilot, journal.run_id, recovered)


def _recovery(
    work: Work, journal: Journal, *, wait: timedelta, allow_partial: bool, observe: Callable[[str], None]
) -> Recovery:
    from b2bpilot.ops.reconcile.recovery import Recovery
    from b2bpilot.pipeline.priority import numbers_in

    return Recovery(
        twilio=work.twilio,
        table=work.table,
        publisher=work.pilot.environment.topic(),
        journal=journal,
        wait=wait,
        allow_partial=allow_partial,
        high_priority_numbers=numbers_in(work.pilot.environment.stack.high_priority_numbers),
        observe=observe,
    )


@contextmanager
def _the_only_one(pilot: Pilot) -> Iterator[None]:
    """Two at a time would do no harm, but work for nothing."""
    from b2bpilot.ops.runs.durable import exclusive
    from b2bpilot.ops.runs.journal import FOLDER

    with exclusive(pilot.runs_home / FOLDER / "reconcile.lock", "another reconciliation"):
        yield
