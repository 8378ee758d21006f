"""`b2bpilot dlq redrive --engine lambda`: AWS does it; this command turns it on, watches, turns it off, and proves it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager

from b2bpilot.cli.dlq.discarded_view import discarded_lines
from b2bpilot.cli.dlq.options import dead_letters
from b2bpilot.cli.dlq.remote_report import INTERRUPTED, line, show_outcome, show_plan
from b2bpilot.cli.frame.context import Pilot
from b2bpilot.cli.frame.options import DRY_RUN
from b2bpilot.cli.runs.running import new_run, resumed_run
from b2bpilot.errors import UsageError
from b2bpilot.ops.dead_letters.filters import Selection
from b2bpilot.ops.dead_letters.sweep import require_none_unseen
from b2bpilot.ops.redrive.options import RedriveOptions
from b2bpilot.ops.redrive_in_aws.proof import (
    Backlog,
    RedriveInAwsOutcome,
    conclude,
    journal_entries,
    require_not_only_others,
    take_stock,
)
from b2bpilot.ops.redrive_in_aws.switch import (
    Running,
    concurrency_for,
    mapping_of,
    redriving,
    rejoining,
    require_interrupted,
    require_off,
)
from b2bpilot.ops.runs.journal import Journal
from b2bpilot.ops.runs.record import RunRecord
from b2bpilot.ops.table.asked import Named, named
from b2bpilot.ops.table.row_state import Asked, discarded_in
from b2bpilot.pipeline.remote_run import SubscriberEvidence

COMMAND = "redrive-lambda"


def redrive_inside_aws(
    pilot: Pilot,
    selection: Selection,
    asked: RedriveOptions,
    *,
    dry_run: bool,
    reason: str | None,
    yes: bool,
) -> None:
    """Raises PartlyFailed unless it is proven that nothing is left which the run should have handled."""
    if not selection.is_everything:
        raise UsageError(
            "--engine lambda redrives everything that is in the queue; leave the filters out",
            hint="use the engine of this terminal for a part of it",
        )
    adopted = pilot.environment.subscribers.adopt(sorted(asked.adopted))
    at_once = concurrency_for(pilot.environment.processor(), asked.concurrency)
    require_off(mapping_of(pilot.environment))
    backlog, database = _stock(pilot)
    show_plan(pilot, backlog, database, concurrency=at_once, max_failures=asked.max_failures)
    if database.proof and database.proof.is_proven:
        for text in discarded_lines(_discarded(pilot, backlog)):
            pilot.output.notice(text)
    if dry_run:
        pilot.output.notice(DRY_RUN)
        return
    if not backlog.messages:
        require_not_only_others(backlog)
        require_none_unseen(backlog.unseen or 0, what="nothing was started")
        return
    pilot.confirmation(yes=yes).ask([""], "Continue?")
    _run(pilot, backlog, asked, concurrency=at_once, adopted=adopted, reason=reason)


def _run(
    pilot: Pilot,
    backlog: Backlog,
    asked: RedriveOptions,
    *,
    concurrency: int,
    adopted: frozenset[str],
    reason: str | None,
) -> None:
    parameters = {"concurrency": concurrency, "max_failures": asked.max_failures, "adopt": sorted(adopted)}
    evidence = SubscriberEvidence(
        own=backlog.own,
        gone=backlog.gone,
        adopted=adopted,
        nameless_are_ours=pilot.environment.subscribers.owner_of_nameless().is_ours,
    )
    with new_run(pilot, COMMAND, reason=reason, parameters=parameters) as journal:
        journal.write(*backlog.entries())
        running = redriving(
            pilot.environment,
            run_id=journal.run_id,
            max_concurrency=concurrency,
            max_failures=asked.max_failures,
            evidence=evidence,
        )
        ended, outcome = _watched(pilot, running, backlog, journal)
    show_outcome(pilot, journal.run_id, ended, outcome)
    outcome.require_everything_completed()


def resume(pilot: Pilot, record: RunRecord, *, yes: bool) -> None:  # noqa: ARG001  # it sends nothing more
    """Watch a run whose command is gone to its end, and prove it: `b2bpilot runs resume`."""
    require_interrupted(record)
    pilot.environment.subscribers.adopt(record.parameters.get("adopt") or ())
    messages = {
        id_: Asked(one.message_id, one.test) for id_, one in record.messages.items() if one.message_id
    }
    with resumed_run(pilot, record) as journal:
        running = rejoining(pilot.environment, record)
        ended, outcome = _watched(pilot, running, Backlog(messages=messages), journal)
    show_outcome(pilot, journal.run_id, ended, outcome)
    outcome.require_everything_completed()


def _stock(pilot: Pilot) -> tuple[Backlog, Named]:
    """Look at the queue, and meanwhile at the database that proves it at the end."""
    queue, now = pilot.environment.queue(), pilot.now()
    with pilot.output.progress("Reading the dead-letter queue") as tell, ThreadPoolExecutor(1) as pool:
        naming = pool.submit(named, pilot.table)
        backlog = take_stock(
            queue,
            now=now,
            observe=lambda saw, about: tell(f"Saw {saw:,} of about {dead_letters(about)}"),
            subscribers=pilot.environment.subscribers,
        )
        return backlog, naming.result()


def _discarded(pilot: Pilot, backlog: Backlog) -> Mapping[str, Sequence[str]]:
    """Return the messages that a person discarded, by run. The redriver cannot ask: the processor tells it, and they stay."""
    with pilot.table() as table:
        return discarded_in(table, backlog.messages.values())


def _watched(
    pilot: Pilot, running: AbstractContextManager[Running], backlog: Backlog, journal: Journal
) -> tuple[str, RedriveInAwsOutcome]:
    """Return why the run ended, and what became of the dead letters."""
    try:
        with running as on, pilot.output.progress("Waiting for the redriver") as tell:
            ended = on.run.ended
            for reading in on.readings:
                tell(line(reading))
                ended = reading.ended
    except KeyboardInterrupt:
        pilot.output.notice(INTERRUPTED)
        raise
    with pilot.table() as table, pilot.output.progress("Checking rows and queue"):
        outcome = conclude(pilot.environment.queue(), table, backlog, on.run, now=pilot.now())
    journal.write(*journal_entries(outcome))
    journal.finish(outcome.counts())
    return ended, outcome
