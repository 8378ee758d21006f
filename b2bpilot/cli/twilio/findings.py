"""What a comparison with Twilio found, as it is shown."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from itertools import chain, islice
from typing import TYPE_CHECKING

from b2bpilot.advice import Words, our_command
from b2bpilot.cli.frame.context import Pilot
from b2bpilot.cli.frame.settings import Format
from b2bpilot.cli.output import Row, of_state
from b2bpilot.cli.text.durations import relative
from b2bpilot.cli.text.privacy import mask_numbers
from b2bpilot.pipeline.message import format_time
from b2bpilot.plural import many

if TYPE_CHECKING:
    from b2bpilot.ops.reconcile.message_finding import ComparisonPeriod, ComparisonResult, MessageFinding
    from b2bpilot.ops.reconcile.notes import Notes

SHOWN = 20
"""So many of each kind are in a table."""


def show_counts(pilot: Pilot, notes: Notes, period: ComparisonPeriod) -> None:
    from b2bpilot.ops.reconcile.message_finding import ComparisonResult

    counts = notes.counts()
    bounds = {"since": format_time(period.since), "until": format_time(period.until)}
    fields = {result.name.lower(): counts[result] for result in ComparisonResult}
    stored = counts[ComparisonResult.STORED] + counts[ComparisonResult.LATE]
    text: list[Words] = [
        str(pilot.environment),
        f"messages since {bounds['since']}",
        f"{stored:,} stored, {counts[ComparisonResult.LATE]:,} of them later than {period.late_after.total_seconds():g} s",
        *(f"{counts[result]:,} " + what for result, what in _kinds(period) if counts[result]),
        *_there(notes),
        *(
            f"dead letters that are not counted, of {owner}: {count:,}"
            for owner, count in notes.other_dead_letters.items()
        ),
        *_told_of_the_list(notes),
        *(f"what is missing may be in a queue of ours: {doubt}" for doubt in notes.doubts),
    ]
    others = notes.other_dead_letters
    listed = {
        "listed": notes.listed,
        "asked_by_sid": notes.asked_by_sid,
        "not_in_list_but_at_twilio": notes.listed_late_count,
        "listed_without_sid": notes.without_sid,
        "alerts_not_followed": notes.alerts_not_followed,
    }
    there = {"dead_letters_there": notes.dead_letters_there} if +notes.dead_letters_there else {}
    more = {**there, "doubts": list(notes.doubts), "other_dead_letters": others, "twilio_list": listed}
    pilot.output.record({"reconciled": {**bounds, **fields, **more}}, text=text)
    if not notes.listed:
        compared = "" if notes.asked_by_sid else ": nothing was compared"
        pilot.output.notice(f"Twilio's list has no inbound message of this time{compared}.")


def _there(notes: Notes) -> Iterator[Words]:
    """Of the dead letters, those of a pair's other side: a redrive here would not find them."""
    for region, count in (+notes.dead_letters_there).items():
        yield f"{count:,} of those dead letters in {region}: " + our_command(
            "dlq", "redrive", "--region", region
        )


def _kinds(period: ComparisonPeriod) -> list[tuple[ComparisonResult, Words]]:
    """What the messages of each kind are, after their count, in the order in which they are told."""
    from b2bpilot.ops.reconcile.message_finding import ComparisonResult

    return [
        (ComparisonResult.MISSING, "missing: Twilio has them, the table does not"),
        (
            ComparisonResult.LOST_AT_TWILIO,
            "lost: redacted at Twilio, or they may be, and the table does not have them",
        ),
        (ComparisonResult.ID_TAKEN, "not stored, and not to be published: a test's row has their id"),
        (ComparisonResult.DEAD_LETTER, "in the dead-letter queue: " + our_command("dlq", "redrive")),
        (ComparisonResult.FAILED, "failed: they have a row that says why"),
        (ComparisonResult.UNFINISHED, "unfinished: a run works on them, or the stale processor will"),
        (
            ComparisonResult.NOT_LISTED,
            "have a row, and are not in Twilio's list: whether Twilio has them is not known",
        ),
        (
            ComparisonResult.UNKNOWN_TO_TWILIO,
            "have a row, and are not in Twilio's list: asked for by SID, the account does not have them",
        ),
        (ComparisonResult.OTHER_ACCOUNT, "have a row that names another Twilio account, which was not asked"),
        (ComparisonResult.UNDATED, "not stored, and without a date at Twilio: not judged, never published"),
        (ComparisonResult.ROUTE_UNKNOWN, "not stored, and whether they were to come here is not known"),
        (
            ComparisonResult.NOT_ROUTED_HERE,
            "to numbers that do not deliver here: not counted as missing, never published",
        ),
        (
            ComparisonResult.STATUS_CALLBACK,
            "rows are status callbacks, which an earlier version stored as messages",
        ),
        (
            ComparisonResult.FRESH,
            f"too fresh to be judged (younger than {period.fresh_for.total_seconds():g} s)",
        ),
    ]


def _told_of_the_list(notes: Notes) -> Iterator[str]:
    """No promise of Twilio's says when its list has a message."""
    if notes.without_sid:
        yield f"{many(notes.without_sid, 'entry', 'entries')} of Twilio's list without a SID: not compared"
    if left := notes.alerts_not_followed:
        yield (
            f"{many(left, 'message')} more that only Twilio's alerts know, not asked for: "
            "they may be missing; compare a shorter time with --since"
        )
    if notes.listed_late_count:
        since = f", sent from {format_time(notes.listed_late_since)} on" if notes.listed_late_since else ""
        yield (
            f"Twilio's list lags: {many(notes.listed_late_count, 'message')} that Twilio has by SID "
            f"{'is' if notes.listed_late_count == 1 else 'are'} not in it{since}. What is missing may not be in it either"
        )
    else:
        yield "Twilio's list may lag: what came in during the newest hours may not be in it yet"


def show_findings(pilot: Pilot, notes: Notes, *, now: datetime) -> None:
    """A table shows the first of each kind; the other formats show all."""
    from b2bpilot.ops.reconcile.comparison import SHOWN_VERDICTS

    is_table = pilot.output.format is Format.TABLE
    findings = (
        each
        for result in SHOWN_VERDICTS
        for each in islice(notes.findings(result), SHOWN if is_table else None)
    )
    rows = (_row(each, now=now, alerts_failure=notes.alerts_failure) for each in findings)
    first = next(rows, None)
    if first is None:
        return
    pilot.output.lines([""])
    count = pilot.output.rows("messages", chain([first], rows))
    hidden = sum(notes.counts()[result] for result in SHOWN_VERDICTS) - count
    if notes.alerts_failure:
        pilot.output.notice(f"No reasons: {notes.alerts_failure}")
    if hidden:
        pilot.output.notice(f"{hidden:,} more: -o jsonl names all of them")


def _row(finding: MessageFinding, *, now: datetime, alerts_failure: str | None) -> Row:
    from b2bpilot.ops.reconcile.comparison import explanation

    why = mask_numbers(explanation(finding, now=now, alerts_failure=alerts_failure))
    return Row(
        fields={
            "verdict": finding.result.name.lower(),
            "message_sid": finding.sid,
            "message_id": finding.message_id,
            "sent_at": format_time(finding.sent_at) if finding.is_dated else None,
            "late_seconds": finding.late_seconds,
            "twilio_error": finding.error_code,
            "why": why,
        },
        columns={
            "result": of_state(finding.result.value),
            "message sid": finding.sid,
            "age": relative(finding.sent_at, now=now) if finding.is_dated else "-",
            "why": why,
        },
    )
