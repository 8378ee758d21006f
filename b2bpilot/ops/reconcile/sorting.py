"""What has no row and is not simply missing: other systems' messages, and those of which Twilio's copy is redacted."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from datetime import datetime

from b2bpilot.ops.reconcile.message_finding import ComparisonResult, MessageFinding
from b2bpilot.ops.reconcile.notes import Notes, chunks
from b2bpilot.ops.reconcile.routing import DeliveredTo, Destination, Routing, Whose, whose
from b2bpilot.pipeline.arrivals import periods_by_number
from b2bpilot.pipeline.database import DatabaseManager
from b2bpilot.plural import many
from b2bpilot.twilio.redaction import Content

RESULTS = {Whose.OTHERS: ComparisonResult.NOT_ROUTED_HERE, Whose.UNKNOWN: ComparisonResult.ROUTE_UNKNOWN}


def set_apart_what_is_not_ours(notes: Notes, routing: Routing, database: DatabaseManager) -> None:
    """Leave missing only what Twilio was to deliver here; something is. Raises DatabaseError."""
    first = next(notes.findings(ComparisonResult.MISSING)).sent_at
    found = {number: routing.of(number) for number in notes.numbers(ComparisonResult.MISSING)}
    doubtful = [
        number
        for number, each in found.items()
        if each.place is not DeliveredTo.HERE or (each.changed_at is not None and each.changed_at > first)
    ]
    periods = periods_by_number(database, doubtful) if doubtful else {}
    before_a_change = 0
    for chunk in chunks(notes, ComparisonResult.MISSING):
        groups = _by_owner(chunk, found, periods)
        for (whose_it_is, told), sids in groups.items():
            if whose_it_is is not Whose.OURS:
                notes.turn(sids, RESULTS[whose_it_is], why=told)
        before_a_change += sum(_is_before_a_change(each, found, periods) for each in chunk)
    ours = [found[number] for number in notes.numbers(ComparisonResult.MISSING)]
    notes.warnings = tuple(_warnings(ours, before_a_change))


def set_apart_what_is_lost(notes: Notes) -> None:
    """Leave missing only what Twilio has the whole of, as far as its list shows."""
    for chunk in chunks(notes, ComparisonResult.MISSING):
        for finding in chunk:
            if why := _why_lost(finding.content, notes):
                notes.turn([finding.sid], ComparisonResult.LOST_AT_TWILIO, why=why)


def _by_owner(
    chunk: list[MessageFinding],
    destinations: Mapping[str, Destination],
    periods: Mapping[str, tuple[datetime, datetime]],
) -> dict[tuple[Whose, str], list[str]]:
    """Group messages by whose they are, and why."""
    groups: dict[tuple[Whose, str], list[str]] = defaultdict(list)
    for each in chunk:
        number = each.to or ""
        owner = whose(
            destinations[number],
            sent_at=each.sent_at,
            has_alert=each.alert_sid is not None,
            newest_row=periods[number][1] if number in periods else None,
        )
        groups[owner, destinations[number].told].append(each.sid)
    return groups


def _is_before_a_change(
    finding: MessageFinding,
    destinations: Mapping[str, Destination],
    periods: Mapping[str, tuple[datetime, datetime]],
) -> bool:
    """Tell whether its number delivers here since a change that came after the message, with nothing to show that it did
    so before."""
    number = finding.to or ""
    changed_at = destinations[number].changed_at
    if changed_at is None or changed_at <= finding.sent_at:
        return False
    return number not in periods or periods[number][0] > finding.sent_at


def _warnings(ours: list[Destination], before_a_change: int) -> Iterator[str]:
    """Say what is believed of the numbers whose messages are published."""
    if by_rows := sum(each.place not in (DeliveredTo.HERE, DeliveredTo.AFTER_ANOTHER) for each in ours):
        yield (
            f"{by_rows:,} of {many(len(ours), 'number')} this environment's only because the table has messages to it: Twilio delivers "
            "elsewhere now, or nobody can tell where"
        )
    if before_a_change:
        yield (
            f"{before_a_change:,} came before the last change of what decides about their number, and before the first message "
            "to it in the table: if another system had the number then, that one has them"
        )
    if with_fallback := sum(each.has_other_fallback for each in ours):
        yield (
            f"{with_fallback:,} of {many(len(ours), 'number')} with a fallback URL elsewhere: what failed here may have been taken "
            "there"
        )


def _why_lost(content: Content, notes: Notes) -> str | None:
    match content:
        case Content.MASKED:
            return "redacted at Twilio: a number is masked"
        case Content.DELETED:
            return "deleted at Twilio; its webhook had failed"
        case Content.BLANK:
            return "no text at Twilio: it may have been redacted"
        case Content.MEDIA_ONLY if not notes.has_text:
            return "no text at Twilio, nor in any other message of the time: it may have been redacted"
        case Content.MEDIA_ONLY if notes.has_redacted:
            return "no text at Twilio, and others of the time are redacted, or may be: so may this one"
        case _:
            return None
