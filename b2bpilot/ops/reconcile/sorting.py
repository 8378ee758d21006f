"""What has no row and is not simply missing: other systems' messages, and those of which Twilio's copy is redacted."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from datetime import datetime

from b2bpilot.ops.reconcile.notes import Notes, chunks
from b2bpilot.ops.reconcile.routing import Destination, Place, Routing, Whose, whose
from b2bpilot.ops.reconcile.verdict import Finding, Verdict
from b2bpilot.pipeline.arrivals import newest_by_number
from b2bpilot.pipeline.database import DatabaseManager
from b2bpilot.twilio.redaction import Content

VERDICTS = {Whose.OTHERS: Verdict.NOT_ROUTED_HERE, Whose.UNKNOWN: Verdict.ROUTE_UNKNOWN}


def set_apart_what_is_not_ours(notes: Notes, routing: Routing, database: DatabaseManager) -> None:
    """Leave missing only what Twilio was to deliver here. Raises DatabaseError."""
    found = {number: routing.of(number) for number in notes.numbers(Verdict.MISSING)}
    doubtful = [number for number, destination in found.items() if destination.place is not Place.HERE]
    newest = newest_by_number(database, doubtful) if doubtful else {}
    for chunk in chunks(notes, Verdict.MISSING):
        for (whose_it_is, told), sids in _by_owner(chunk, found, newest).items():
            notes.turn(sids, VERDICTS[whose_it_is], why=told)
    ours = notes.numbers(Verdict.MISSING)
    notes.warnings = tuple(_warnings([found[number] for number in ours]))


def set_apart_what_is_lost(notes: Notes) -> None:
    """Leave missing only what Twilio has the whole of, as far as its list shows."""
    for chunk in chunks(notes, Verdict.MISSING):
        for finding in chunk:
            if why := _why_lost(finding.content, texts_are_kept=notes.has_text):
                notes.turn([finding.sid], Verdict.LOST_AT_TWILIO, why=why)


def _by_owner(
    chunk: list[Finding], found: Mapping[str, Destination], newest: Mapping[str, datetime]
) -> dict[tuple[Whose, str], list[str]]:
    """Group those that are not ours, with the reason."""
    groups: dict[tuple[Whose, str], list[str]] = defaultdict(list)
    for each in chunk:
        number = each.to or ""
        owner = whose(
            found[number],
            sent_at=each.sent_at,
            has_alert=each.alert_sid is not None,
            newest_row=newest.get(number),
        )
        if owner is not Whose.OURS:
            groups[owner, found[number].told].append(each.sid)
    return groups


def _warnings(ours: list[Destination]) -> Iterator[str]:
    """Say what is believed of the numbers whose messages are published."""
    if by_rows := sum(each.place not in (Place.HERE, Place.AFTER_ANOTHER) for each in ours):
        yield (
            f"{by_rows:,} of {len(ours):,} numbers count as this environment's only because the table has messages to them: "
            "they deliver elsewhere now, or nobody can tell where"
        )
    if with_fallback := sum(each.has_other_fallback for each in ours):
        yield (
            f"{with_fallback:,} of {len(ours):,} numbers have a fallback URL elsewhere: what failed here may have been taken "
            "there"
        )


def _why_lost(content: Content, *, texts_are_kept: bool) -> str | None:
    match content:
        case Content.MASKED:
            return "redacted at Twilio: a number is masked"
        case Content.DELETED:
            return "deleted at Twilio; its webhook had failed"
        case Content.BLANK:
            return "no text at Twilio: it may have been redacted"
        case Content.MEDIA_ONLY if not texts_are_kept:
            return "no text at Twilio, nor in any other message of the time: it may have been redacted"
        case _:
            return None
