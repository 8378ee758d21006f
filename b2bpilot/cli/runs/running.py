"""A run of a command that archives, discards, restores or edits: its journal, its plan and its problems as they are shown."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from b2bpilot.advice import our_command
from b2bpilot.cli.frame.context import Pilot
from b2bpilot.cli.frame.settings import Format
from b2bpilot.cli.output import Row
from b2bpilot.cli.runs.kind import LEFT, NOT_BEGUN, kind_named, so_far, so_far_in_words
from b2bpilot.errors import NOTHING_CHANGED, PartlyFailed, PilotError, Refused

if TYPE_CHECKING:
    from b2bpilot.ops.dead_letters.discard import Problem
    from b2bpilot.ops.runs.journal import Journal
    from b2bpilot.ops.runs.record import RunRecord

NOTHING_DONE = frozenset({NOT_BEGUN, LEFT, "failed"})
"""How far a message is of which certainly nothing was done."""
SHOWN = 20
"""So many problems are listed; all of them are in the journal."""


@contextmanager
def new_run(
    pilot: Pilot,
    command: str,
    *,
    reason: str | None,
    parameters: Mapping[str, object],
    is_quiet: bool = False,
) -> Iterator[Journal]:
    """Begin a run and tell its id unless `is_quiet`; when it is interrupted, tell how to go on."""
    from b2bpilot.ops.runs.journal import Journal, operator_name

    stack = pilot.environment.stack
    journal = Journal.create(
        pilot.runs_home,
        command=command,
        environment=pilot.environment.name,
        account_id=stack.account_id,
        region=stack.region,
        operator=operator_name(),
        reason=reason,
        parameters=parameters,
        subscriber=pilot.environment.other,
        dated_by=pilot.clock,
    )
    if not is_quiet:
        pilot.output.notice(f"run {journal.run_id}")
    with journal, _told_how_to_go_on(pilot, journal, command):
        yield journal


@contextmanager
def resumed_run(pilot: Pilot, record: RunRecord) -> Iterator[Journal]:
    """Go on with a run. Raises Refused when it runs by now."""
    from b2bpilot.ops.runs.journal import Journal, operator_name

    with (
        Journal.reopen(record.path, operator=operator_name(), clock=pilot.now) as journal,
        _told_how_to_go_on(pilot, journal, record.command),
    ):
        yield journal


def failed_before(pilot: Pilot) -> Mapping[str, int]:
    """How often runs from this machine sent each dead letter and failed."""
    from b2bpilot.ops.redrive.earlier import failures

    stack = pilot.environment.stack
    return failures(
        pilot.runs_home,
        environment=pilot.environment.name,
        account_id=stack.account_id,
        now=pilot.machine(),
    )


def show_problems(pilot: Pilot, run_id: str, problems: Sequence[Problem]) -> None:
    """List the dead letters with which something went wrong, in a table the first of them."""
    shown = problems if pilot.output.format is not Format.TABLE else problems[:SHOWN]
    pilot.output.rows("problems", (_row(problem) for problem in shown))
    if len(shown) < len(problems):
        pilot.output.notice(f"{len(problems) - len(shown):,} more: " + our_command("runs", "show", run_id))


@contextmanager
def _told_how_to_go_on(pilot: Pilot, journal: Journal, command: str) -> Iterator[None]:
    """A run that was refused is over: there is nothing to go on with. One that failed when a part was done, or may be, has
    failed partly."""
    pilot.run_id = journal.run_id
    try:
        yield
    except BaseException as exc:
        is_over = isinstance(exc, Refused) and journal.is_finished
        if not journal.is_finished and _tell_so_far(pilot, journal) and isinstance(exc, PilotError):
            exc.exit_code = max(exc.exit_code, PartlyFailed.exit_code)
            if exc.outcome == NOTHING_CHANGED:
                exc.outcome = None
        if not is_over:
            _tell(pilot, journal.run_id, command)
        raise


def _tell_so_far(pilot: Pilot, journal: Journal) -> bool:
    """Say what became of each message, and return whether anything was done, or may have been."""
    from b2bpilot.ops.runs.durable import JournalFailed

    try:
        record = journal.so_far()
    except JournalFailed as exc:
        pilot.output.notice(f"Stopped; what was done is unknown: {exc}")
        return True
    counts, words = so_far(record), so_far_in_words(record)
    pilot.output.record({"stopped": {"run_id": record.run_id, **counts}}, text=[])
    if words:
        pilot.output.notice(f"Stopped: {', '.join(words)}")
    return bool(counts.keys() - NOTHING_DONE)


def _tell(pilot: Pilot, run_id: str, command: str) -> None:
    pilot.output.notice("See what was done: " + our_command("runs", "show", run_id))
    if kind_named(command).resume:
        pilot.output.notice("Resume it: " + our_command("runs", "resume", run_id))


def _row(problem: Problem) -> Row:
    return Row(
        fields={
            "message_id": problem.message_id,
            "queue_message_id": problem.queue_message_id,
            "reason": problem.reason,
        },
        columns={
            "message id": problem.message_id or "-",
            "id in the queue": problem.queue_message_id,
            "why": problem.reason,
        },
    )
