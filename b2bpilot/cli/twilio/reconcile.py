"""`b2bpilot twilio reconcile`."""

from __future__ import annotations

import re
from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import typer

from b2bpilot.cli.dlq.options import DRY_RUN, REASON, YES
from b2bpilot.cli.frame.context import pilot_of
from b2bpilot.cli.text.durations import parse_duration, parse_since
from b2bpilot.cli.twilio.account import twilio_access_of
from b2bpilot.cli.twilio.findings import show_counts, show_findings
from b2bpilot.cli.twilio.recovery import Order, Work, recover
from b2bpilot.errors import UsageError

if TYPE_CHECKING:
    from b2bpilot.ops.reconcile.message_finding import ComparisonPeriod
    from b2bpilot.ops.reconcile.notes import Notes

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
    even_if_queued: Annotated[
        bool,
        typer.Option(
            "--even-if-queued",
            help="Publish also while it may be in a queue of ours: stored is what Twilio still has of it, and what the "
            "queue has besides (buttons, profile, geography) is skipped.",
        ),
    ] = False,
    allow_partial: Annotated[
        bool,
        typer.Option(
            "--allow-partial",
            help="Publish also what is left of messages that are redacted at Twilio, or may be: a full copy that arrives "
            "later will be skipped.",
        ),
    ] = False,
    exit_code: Annotated[
        bool,
        typer.Option(
            "--exit-code",
            help="End with 3 when something is missing, lost at Twilio, in the dead-letter queue only, or its id is "
            "taken by a test.",
        ),
    ] = False,
    dry_run: DRY_RUN = False,
    reason: REASON = None,
    yes: YES = False,
) -> None:
    """Compare Twilio's inbound messages with the table: what is missing, late, failed, or not in Twilio's list.

    The list lags: what came in during the newest hours may not be in it yet. Rows that it lacks are asked for by their SID, the
    newest 200 of them.

    Only messages to numbers that deliver to this environment count, or whose rows are in the table; the others are told apart.

    Nothing is changed without --publish-missing. A message of Twilio's has the same identity on every way, so publishing
    what is stored by now changes nothing. What is in the dead-letter queue is not published: `dlq redrive` brings all of it back.

    Example: b2bpilot twilio reconcile -e prod --since 24h --exit-code
    """
    from b2bpilot.ops.table.database_proof import require_proven

    pilot = pilot_of(ctx)
    _check_number(to)
    _period(since, late, fresh, now=pilot.machine())
    period = _period(since, late, fresh, now=pilot.now())
    order = Order(
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
    if exit_code and left:
        raise typer.Exit(FOUND)


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
