"""A run of `load`: fire, prove, clean up, tell."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

from b2bpilot.advice import Words, our_command
from b2bpilot.cli.frame.context import Pilot
from b2bpilot.cli.load import display as load_display
from b2bpilot.cli.publish.progress import ProofDisplay
from b2bpilot.cli.runs.running import new_run, resumed_run
from b2bpilot.errors import DatabaseError
from b2bpilot.ops.load import run
from b2bpilot.ops.load.cleaning import clean
from b2bpilot.ops.load.clients import LoadClients, LoadRequests
from b2bpilot.ops.load.loaded import Loaded
from b2bpilot.ops.load.page import page
from b2bpilot.ops.load.plan import LoadPlan
from b2bpilot.ops.load.report import Cleaning, Report
from b2bpilot.ops.load.target import LoadTarget
from b2bpilot.ops.publish.run import route_of
from b2bpilot.ops.runs.journal import Journal
from b2bpilot.ops.runs.record import RunRecord
from b2bpilot.ops.table.asked import AskedTable
from b2bpilot.ops.table.database_proof import require_proven
from b2bpilot.paths import open_private
from b2bpilot.pipeline.clock import Machine
from b2bpilot.plural import many


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """What follows the last request."""

    wait: timedelta
    page: Path | None
    keep: bool


def load(pilot: Pilot, plan: LoadPlan, ending: Ending, *, reason: str | None) -> None:
    """Raises what `require_proved` raises, after everything was shown. Nothing is sent when the database does not answer."""
    with (
        closing(route_of(pilot.environment, plan.via, clock=pilot.now)) as route,
        pilot.table() as table,
    ):
        _require_answer(table)
        with new_run(pilot, run.COMMAND, reason=reason, parameters=plan.parameters()) as journal:
            clock = pilot.clock.steady()
            clients = LoadClients(plan, journal.run_id, route, journal, clock=clock)
            requests = _fire(pilot, plan, clients)
            loaded = _loaded(journal.run_id, plan, requests)
            report = _prove(pilot, table, loaded, ending, journal, clock)
    _show(pilot, report, ending)
    run.require_proved(report)


def resume(pilot: Pilot, record: RunRecord, ending: Ending) -> None:
    loaded = _loaded(record.run_id, LoadPlan.of_parameters(record.parameters), run.requests_before(record))
    with pilot.table() as table:
        require_proven(table.proof, "nothing is proved or removed")
        with resumed_run(pilot, record) as journal:
            report = _prove(pilot, table, loaded, ending, journal, pilot.clock.steady())
    _show(pilot, report, ending)
    run.require_proved(report)


def _require_answer(table: AskedTable) -> None:
    """A load that could not be proved is not sent. Raises DatabaseError, Refused."""
    try:
        require_proven(table.proof, "nothing was sent, as it could not be proved")
    except DatabaseError as exc:
        exc.outcome = "Nothing was sent"
        raise


def _loaded(run_id: str, plan: LoadPlan, requests: LoadRequests) -> Loaded:
    return Loaded(run_id=run_id, plan=plan, requests=requests)


def _fire(pilot: Pilot, plan: LoadPlan, clients: LoadClients) -> LoadRequests:
    with pilot.output.progress("Sending") as tell:
        clients.observe = load_display.LoadDisplay(tell, plan, live=pilot.output.stderr.isatty())
        return clients.run()


def _prove(  # noqa: PLR0917  # what a proof takes
    pilot: Pilot, table: AskedTable, loaded: Loaded, ending: Ending, journal: Journal, clock: Machine
) -> Report:
    target = LoadTarget(environment=pilot.environment, clock=pilot.now)
    with pilot.output.progress(f"Waiting for {many(len(loaded.accepted_ids()), 'row')}") as tell:
        display = ProofDisplay(tell, live=pilot.output.stderr.isatty())
        run.wait_for_rows(table, loaded, timeout=ending.wait, observe=display)
        tell("Asking the dead-letter queue and CloudWatch")
        report = run.judge(loaded, table, target, clock=clock)
        if not ending.keep:
            tell("Removing the test messages")
            report = _clean(table, target, loaded, report)
    journal.finish(
        {
            "accepted": report.accepted,
            "stored": report.stored,
            "broken": sum(check.verdict.value == "broken" for check in report.checks),
            "cleaned": report.cleaning.rows,
        }
    )
    return report


def _clean(table: AskedTable, target: LoadTarget, loaded: Loaded, report: Report) -> Report:
    """Only what was proved is removed: what is not is needed to find out why."""
    if not report.is_proved:
        left: Words = "everything, to find out why; afterwards: " + our_command(
            "runs", "resume", loaded.run_id
        )
        return replace(report, cleaning=Cleaning(left=[left]))
    return replace(report, cleaning=clean(table, target, loaded.message_ids(), loaded.poison_ids()))


def _show(pilot: Pilot, report: Report, ending: Ending) -> None:
    encoding = (getattr(pilot.output.stdout, "encoding", None) or "ascii").lower()
    lines = load_display.told(report, ascii_only=not encoding.startswith("utf"))
    pilot.output.record({"load": report.fields()}, text=lines)
    if ending.page is not None:
        with open_private(ending.page, "w") as file:
            file.write(page(report, pilot.output.place))
        pilot.output.notice(f"Wrote {ending.page}")
