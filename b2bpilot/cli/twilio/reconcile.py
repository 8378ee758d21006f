"""`b2bpilot twilio reconcile`."""

from __future__ import annotations

import re
from datetime import datetime
from typing import TYPE_CHECKING

import typer

from b2bpilot.cli.frame.context import pilot_of
from b2bpilot.cli.frame.options import DRY_RUN, FOUND_SOMETHING, DryRun, Reason, Wait, Yes
from b2bpilot.cli.text.durations import parse_duration, parse_since
from b2bpilot.cli.twilio.account import twilio_access_of
from b2bpilot.cli.twilio.findings import show_counts, show_findings
from b2bpilot.cli.twilio.reconcile_options import (
    AllowPartial,
    EvenIfQueued,
    ExitCode,
    Fresh,
    Late,
    PublishMissing,
    Since,
    To,
)
from b2bpilot.cli.twilio.recovery import RecoveryOptions, Work, recover
from b2bpilot.errors import UsageError

if TYPE_CHECKING:
    from b2bpilot.ops.reconcile.message_finding import ComparisonPeriod
    from b2bpilot.ops.reconcile.notes import Notes

NUMBER = re.compile(r"([a-z]+:)?\+\d{7,15}|\d{3,8}")
"""Also a short code."""


def reconcile(
    ctx: typer.Context,
    *,
    since: Since = "24h",
    to: To = None,
    late: Late = "1m",
    fresh: Fresh = "5m",
    publish_missing: PublishMissing = False,
    wait: Wait = "60s",
    even_if_queued: EvenIfQueued = False,
    allow_partial: AllowPartial = False,
    exit_code: ExitCode = False,
    dry_run: DryRun = False,
    reason: Reason = None,
    yes: Yes = False,
) -> None:
    """Compare Twilio's inbound messages with the table: what is missing, late, failed, or not in Twilio's list.

    The list lags: messages of the last hours may not be in it yet. Rows that are not in it are looked up by their SID, the
    newest 200 of them.

    Only messages to numbers that deliver to this environment count, or whose rows are in the table; others are reported
    separately.

    Changes nothing without --publish-missing. A Twilio message has the same id on every route, so publishing what is stored
    by now changes nothing. What is in the dead-letter queue is not published: `dlq redrive` brings all of it back.

    Example: b2bpilot twilio reconcile -e prod --since 24h --exit-code
    """
    from b2bpilot.ops.table.database_proof import require_proven

    pilot = pilot_of(ctx)
    _check_number(to)
    _period(since, late, fresh, now=pilot.machine())
    period = _period(since, late, fresh, now=pilot.now())
    order = RecoveryOptions(
        wait=parse_duration(wait, "--wait", may_be_zero=True),
        even_if_queued=even_if_queued,
        allow_partial=allow_partial,
        dry_run=dry_run,
        reason=reason,
        yes=yes,
    )
    twilio = twilio_access_of(pilot).connect()
    with pilot.table() as table, _notes() as notes:
        require_proven(table.proof, "without the processor's own table nothing is stored or missing")
        work = Work(pilot=pilot, twilio=twilio, table=table)
        _compare(work, notes, period, to)
        left = _not_stored(notes)
        if publish_missing:
            left -= recover(work, notes, period, order)
    if dry_run:
        pilot.output.notice(DRY_RUN)
    if exit_code and left:
        raise typer.Exit(FOUND_SOMETHING)


def _period(since: str, late: str, fresh: str, *, now: datetime) -> ComparisonPeriod:
    from b2bpilot.ops.reconcile.message_finding import ComparisonPeriod

    begin = parse_since(since, "--since", now=now)
    if begin >= now:
        raise UsageError(f"--since: {since!r} is not in the past")
    return ComparisonPeriod(
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


def _compare(work: Work, notes: Notes, period: ComparisonPeriod, to: str | None) -> None:
    """Fill the notes, and show what was found."""
    from b2bpilot.ops.reconcile.comparison import Comparison
    from b2bpilot.ops.reconcile.queues import ask_queues
    from b2bpilot.ops.reconcile.routing import ask_routing

    pilot = work.pilot
    with pilot.output.progress("Comparing Twilio's messages with the table") as tell:
        Comparison(
            twilio=work.twilio,
            table=work.table,
            period=period,
            ask_queues=lambda: ask_queues(pilot.environment, now=period.until, fresh_for=period.fresh_for),
            ask_routing=lambda: ask_routing(pilot.environment, work.twilio),
            to=to,
            observe=tell,
        ).run(notes)
    pilot.skews.tell_host(work.twilio.clock, of=pilot.clock)
    show_counts(pilot, notes, period)
    show_findings(pilot, notes, now=period.until)


def _not_stored(notes: Notes) -> int:
    """Return how many of this environment's messages have no row."""
    from b2bpilot.ops.reconcile.message_finding import ComparisonResult

    counts = notes.counts()
    no_row = (
        ComparisonResult.MISSING,
        ComparisonResult.LOST_AT_TWILIO,
        ComparisonResult.ID_TAKEN,
        ComparisonResult.DEAD_LETTER,
    )
    return sum(counts[result] for result in no_row)
