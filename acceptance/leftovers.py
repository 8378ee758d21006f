"""What runs left that were killed before they had cleaned up: their journals have no end, their messages' ids follow from theirs."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from acceptance.cleaning import remove
from acceptance.command_line import CommandLine
from acceptance.report import Report, Verdict
from b2bpilot.advice import written
from b2bpilot.cli.frame.context import Pilot
from b2bpilot.errors import PilotError
from b2bpilot.ops.runs.journal import Journal, operator_name
from b2bpilot.ops.runs.record import RunRecord, RunState
from b2bpilot.ops.runs.runs import records

COMMAND = "acceptance"
STEP = "leftovers"
STILL_TRIED_FOR = timedelta(minutes=10)
"""Lambda's three tries of a message take three minutes, and longer where it is throttled."""


def remove_all(pilot: Pilot, commands: CommandLine, report: Report) -> None:
    """Remove what each killed run left."""
    for record in _killed(pilot):
        began_at = record.began_at(pilot.clock)
        with Journal.reopen(record.path, operator=operator_name(), clock=pilot.now) as journal:
            try:
                detail = remove(pilot, commands, record.run_id)
            except PilotError as exc:
                report.add(STEP, Verdict.FAILED, f"{exc}. {written(exc.hint or '', pilot.output.place)}")
                continue
            if pilot.now() - began_at < STILL_TRIED_FOR:
                report.add(
                    STEP,
                    Verdict.PASSED,
                    f"{detail}; a dead letter of it may still come, so the next run looks again",
                )
                continue
            report.add(STEP, Verdict.PASSED, detail)
            journal.finish({"cleaned": 1})


def _killed(pilot: Pilot) -> Iterator[RunRecord]:
    """Yield this machine's runs against this environment that came to no end and do not run any more."""
    stack = pilot.environment.stack
    for record in records(pilot.runs_home, COMMAND, unreadable=pilot.output.notice):
        is_here = record.environment == pilot.environment.name
        is_here = is_here and (record.account_id, record.region) == (stack.account_id, stack.region)
        if is_here and record.state is RunState.INTERRUPTED:
            yield record
