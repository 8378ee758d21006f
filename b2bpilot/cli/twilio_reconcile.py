"""`b2bpilot twilio reconcile`."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Annotated

import typer

from b2bpilot.cli.context import Pilot, pilot_of
from b2bpilot.cli.dlq_options import DRY_RUN, REASON, YES
from b2bpilot.cli.dlq_run import new_run, resumed_run
from b2bpilot.cli.durations import parse_duration, parse_since
from b2bpilot.cli.runs import RESUMERS
from b2bpilot.cli.twilio_account import twilio_access_of
from b2bpilot.cli.twilio_findings import show_counts, show_findings
from b2bpilot.cli.twilio_recovered import show_end
from b2bpilot.errors import UsageError
from b2bpilot.pipeline.message import format_time

if TYPE_CHECKING:
    from b2bpilot.ops.reconcile.notes import Notes
    from b2bpilot.ops.reconcile.recovery import Recovery
    from b2bpilot.ops.reconcile.verdict import Limits
    from b2bpilot.ops.runs.journal import Journal
    from b2bpilot.ops.runs.record import RunRecord
    from b2bpilot.pipeline.database import DatabaseManager
    from b2bpilot.twilio.rest import Twilio

FOUND = 3
NUMBER = re.compile(r"([a-z]+:)?\+\d{7,15}|\d{3,8}")
"""Also a short code."""


def reconcile(
    ctx: typer.Context,
    *,
    since: Annotated[
        str, typer.Option(help="Compare from then on: 24h, 7d, or ISO 8601 (UTC).", metavar="WHEN")
    ] = "24h",
    to: Annotated[
        str | None,
        typer.Option(help="Only messages to it: +15005550001 or whatsapp:+15005550001.", metavar="NUMBER"),
    ] = None,
    late: Annotated[
        str, typer.Option(help="Stored later than this after Twilio's call is late.", metavar="DURATION")
    ] = "1m",
    fresh: Annotated[
        str, typer.Option(help="What is younger and not stored is not judged yet.", metavar="DURATION")
    ] = "5m",
    publish_missing: Annotated[
        bool, typer.Option("--publish-missing", help="Publish what is missing, and prove that it was stored.")
    ] = False,
    wait: Annotated[
        str, typer.Option(help="How long each 500 messages may take to be stored.", metavar="DURATION")
    ] = "60s",
    exit_code: Annotated[
        bool, typer.Option("--exit-code", help="End with 3 when something is missing.")
    ] = False,
    dry_run: DRY_RUN = False,
    reason: REASON = None,
    yes: YES = False,
) -> None:
    """Compare Twilio's inbound messages with the table: what is missing, late, failed, or unknown to Twilio.

    Nothing is changed without --publish-missing. A message of Twilio's has the same identity on every way, so publishing
    what is stored by now changes nothing.

    Example: b2bpilot twilio reconcile -e prod --since 24h --exit-code
    """
    pilot = pilot_of(ctx)
    _check_number(to)
    limits = _limits(since, late, fresh, now=pilot.now())
    waited = parse_duration(wait, "--wait", may_be_zero=True)
    access = twilio_access_of(pilot)
    with ExitStack() as stack:
        work = _Work(
            pilot=pilot,
            twilio=access.connect(),
            database=stack.enter_context(pilot.database()),
            notes=stack.enter_context(_notes()),
        )
        missing = _compare(work, limits, to)
        if publish_missing and missing:
            _tell_plan(pilot, missing)
            if not dry_run:
                stack.enter_context(_the_only_one(pilot))
                _publish_missing(work, limits, missing, wait=waited, reason=reason, yes=yes)
                return
            pilot.output.notice("Dry run: nothing was published.")
        if exit_code and missing:
            raise typer.Exit(FOUND)


def resume(pilot: Pilot, record: RunRecord, *, yes: bool) -> None:
    """Publish what an interrupted run left, and prove the rest."""
    from b2bpilot.ops.reconcile import run

    left = run.require_plan(record)
    if not left and record.counts is not None:
        pilot.output.notice(f"Run {record.run_id} has nothing left to do.")
        return
    twilio = twilio_access_of(pilot).connect()
    with _the_only_one(pilot), pilot.database() as database:
        work = _Work(pilot=pilot, twilio=twilio, database=database, notes=None)
        if left:
            _tell_plan(pilot, left)
            pilot.confirmation(yes=yes).ask([], "Go on?")
        with resumed_run(pilot, record) as journal, pilot.output.progress("Publishing") as tell:
            recovered = run.resume(_recovery(work, journal, wait=run.DEFAULT_WAIT, observe=tell), record)
            run.finish(journal, recovered)
    show_end(pilot, journal.run_id, recovered)


RESUMERS["reconcile"] = resume


@dataclass(frozen=True, slots=True, kw_only=True)
class _Work:
    """What a reconciliation works with."""

    pilot: Pilot
    twilio: Twilio
    database: DatabaseManager
    notes: Notes | None


def _limits(since: str, late: str, fresh: str, *, now: datetime) -> Limits:
    from b2bpilot.ops.reconcile.verdict import Limits

    begin = parse_since(since, "--since", now=now)
    if begin >= now:
        raise UsageError(f"--since: {since!r} is not in the past")
    return Limits(
        since=begin,
        until=now,
        late_after=parse_duration(late, "--late"),
        fresh_for=parse_duration(fresh, "--fresh", may_be_zero=True),
    )


def _check_number(to: str | None) -> None:
    """Raises UsageError for what Twilio would find nothing to: that must not look like nothing missing."""
    if to is not None and not NUMBER.fullmatch(to):
        raise UsageError(f"--to: {to!r} is not a number as Twilio writes it", hint="such as +15005550001")


def _notes() -> Notes:
    from b2bpilot.ops.reconcile.notes import Notes

    return Notes()


def _compare(work: _Work, limits: Limits, to: str | None) -> int:
    """Show what was found and return how many messages are missing."""
    from b2bpilot.ops.reconcile.comparison import Comparison
    from b2bpilot.ops.reconcile.verdict import Verdict

    assert work.notes is not None  # noqa: S101  # only a resumed run has none
    output = work.pilot.output
    with output.progress("Comparing Twilio's messages with the table") as tell:
        Comparison(twilio=work.twilio, database=work.database, limits=limits, to=to, observe=tell).run(
            work.notes
        )
    counts = work.notes.counts()
    show_counts(work.pilot, counts, limits)
    show_findings(work.pilot, work.notes, now=limits.until)
    return counts[Verdict.MISSING]


def _tell_plan(pilot: Pilot, missing: int) -> None:
    for line in (
        "",
        f"Publish {missing:,} missing message{'s'[: missing != 1]} to the topic, and prove by the rows that they are stored:",
        f"  {pilot.environment}",
        "  They are real messages: if a reply is configured, each sender gets it now.",
    ):
        pilot.output.notice(line)


def _publish_missing(
    work: _Work, limits: Limits, missing: int, *, wait: timedelta, reason: str | None, yes: bool
) -> None:
    from b2bpilot.ops.reconcile import run
    from b2bpilot.ops.reconcile.recovery import Recovered
    from b2bpilot.ops.reconcile.verdict import Verdict

    assert work.notes is not None  # noqa: S101  # only a resumed run has none
    pilot = work.pilot
    pilot.confirmation(yes=yes).ask([], "Go on?")
    parameters = {"since": format_time(limits.since), "until": format_time(limits.until), "missing": missing}
    with new_run(pilot, run.COMMAND, reason=reason, parameters=parameters) as journal:
        run.write_plan(journal, work.notes)
        with pilot.output.progress("Publishing") as tell:
            recovery = _recovery(work, journal, wait=wait, observe=tell)
            recovered = recovery.run(work.notes.findings(Verdict.MISSING), Recovered())
        run.finish(journal, recovered)
    show_end(pilot, journal.run_id, recovered)


def _recovery(work: _Work, journal: Journal, *, wait: timedelta, observe: Callable[[str], None]) -> Recovery:
    from b2bpilot.ops.reconcile.recovery import Recovery

    return Recovery(
        twilio=work.twilio,
        database=work.database,
        publisher=work.pilot.environment.topic(),
        journal=journal,
        wait=wait,
        observe=observe,
    )


@contextmanager
def _the_only_one(pilot: Pilot) -> Iterator[None]:
    """Two at a time would do no harm, but work for nothing."""
    from b2bpilot.ops.runs.durable import exclusive
    from b2bpilot.ops.runs.journal import FOLDER

    with exclusive(pilot.runs_home / FOLDER / "reconcile.lock", "another reconciliation"):
        yield
