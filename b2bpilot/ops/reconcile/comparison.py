"""Twilio's messages against the table, and back. Reads only; memory does not grow with the number of messages."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime, timedelta

from b2bpilot.ops.reconcile.message_finding import (
    ComparisonPeriod,
    ComparisonResult,
    MessageFinding,
    compare_message,
)
from b2bpilot.ops.reconcile.notes import Notes, chunks
from b2bpilot.ops.reconcile.queues import Queues, doubts_about
from b2bpilot.ops.reconcile.routing import AskRouting
from b2bpilot.ops.reconcile.sorting import set_apart_what_is_lost, set_apart_what_is_not_ours
from b2bpilot.ops.reconcile.unlisted import is_not_listed, unlisted
from b2bpilot.ops.reconcile.unlisted_rows import UnlistedRows
from b2bpilot.ops.table.asked import WholeTable
from b2bpilot.ops.table.row_state import Asked, old_rows_of, rows_and_taken
from b2bpilot.pipeline.arrivals import arrivals_since
from b2bpilot.pipeline.message import message_id_for
from b2bpilot.plural import many
from b2bpilot.twilio.alerts import KEPT, Alert, alerts
from b2bpilot.twilio.failures import TwilioFailed
from b2bpilot.twilio.messages import InboundMessage, inbound_pages
from b2bpilot.twilio.redaction import REDACTED, Content
from b2bpilot.twilio.rest import Twilio

CLOCKS_DIFFER = timedelta(minutes=5)
"""Twilio may refuse to list alerts from 30 days ago to the second by our clock."""
SHOWN_VERDICTS = (
    ComparisonResult.MISSING,
    ComparisonResult.LOST_AT_TWILIO,
    ComparisonResult.ID_TAKEN,
    ComparisonResult.DEAD_LETTER,
    ComparisonResult.FAILED,
    ComparisonResult.UNFINISHED,
    ComparisonResult.LATE,
    ComparisonResult.UNDATED,
    ComparisonResult.ROUTE_UNKNOWN,
    ComparisonResult.NOT_ROUTED_HERE,
    ComparisonResult.STATUS_CALLBACK,
    ComparisonResult.NOT_LISTED,
    ComparisonResult.UNKNOWN_TO_TWILIO,
    ComparisonResult.OTHER_ACCOUNT,
)
"""The kinds that are listed, the worst first; the others are only counted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """What is compared: an account, a table, a period; perhaps only what came `to` one number.

    `ask_queues` and `ask_routing` are called when something has no row, or is not in Twilio's list.
    """

    twilio: Twilio
    table: WholeTable
    period: ComparisonPeriod
    ask_queues: Callable[[], Queues]
    ask_routing: AskRouting
    to: str | None = None
    observe: Callable[[str], None] = lambda _: None

    def run(self, notes: Notes) -> None:
        """Fill the notes. Raises TwilioFailed or DatabaseError; a part of the answer is never given for all of it."""
        pages = inbound_pages(self.twilio, since=self.period.since, until=self.period.until, to=self.to)
        with closing(pages):
            for page in pages:
                notes.add(self._compare(page, notes))
                notes.listed += sum(self._may_cover(each.sent_at) for each in page)
                self.observe(f"Compared {many(notes.listed, 'inbound message')}")
        ask_routing = functools.cache(self.ask_routing)
        self._read_alerts(notes, ask_routing)
        self._take_back_old_rows(notes)
        self._set_dead_letters_apart(notes)
        if notes.counts()[ComparisonResult.MISSING]:
            self.observe("Reading where the numbers deliver")
            set_apart_what_is_not_ours(notes, ask_routing(), self.table.database)
            set_apart_what_is_lost(notes)
        if not notes.counts()[ComparisonResult.MISSING] + notes.counts()[ComparisonResult.LOST_AT_TWILIO]:
            notes.doubts = ()
        self._look_back(notes)

    def _compare(self, page: list[InboundMessage], notes: Notes) -> Iterator[MessageFinding]:
        by_id = {message_id_for(message.sid): message for message in page if message.sid}
        notes.without_sid += sum(not message.sid for message in page)
        notes.has_text = notes.has_text or any(each.content is Content.TEXT for each in page)
        notes.has_redacted = notes.has_redacted or any(each.content in REDACTED for each in page)
        new = [each for each in notes.see(by_id) if self._may_cover(by_id[each].sent_at)]
        rows, taken = rows_and_taken(self.table, map(Asked, new))
        for message_id in new:
            asked = Asked(message_id)
            yield compare_message(
                by_id[message_id], message_id, rows.get(asked), self.period, is_id_taken=asked in taken
            )

    def _may_cover(self, sent_at: datetime | None) -> bool:
        """What has no date was listed for these days."""
        return sent_at is None or self.period.covers(sent_at)

    def _take_back_old_rows(self, notes: Notes) -> None:
        """Rows from before the migration have no message_id; their MessageSid tells."""
        for chunk in chunks(notes, ComparisonResult.MISSING):
            notes.take_back(old_rows_of(self.table, [each.sid for each in chunk]))

    def _set_dead_letters_apart(self, notes: Notes) -> None:
        """A dead letter is all of the message; what Twilio still has of it is less."""
        if not notes.counts()[ComparisonResult.MISSING]:
            return
        self.observe("Reading the dead-letter queue")
        queues = self.ask_queues()
        for chunk in chunks(notes, ComparisonResult.MISSING):
            dead = (each.sid for each in chunk if each.message_id in queues.dead_letters)
            notes.turn(dead, ComparisonResult.DEAD_LETTER)
            dead_there = [each.sid for each in chunk if each.message_id in queues.dead_letters_there]
            why = f"in the dead-letter queue of {queues.there}, with all its parameters"
            notes.turn(dead_there, ComparisonResult.DEAD_LETTER, why=why)
            notes.dead_letters_there[queues.there] += len(dead_there)
        notes.other_dead_letters = {str(owner): count for owner, count in queues.others.items()}
        left = [
            each.message_id
            for chunk in chunks(notes, ComparisonResult.MISSING)
            for each in chunk
            if each.message_id
        ]
        notes.doubts = (*queues.doubts, *doubts_about(left, queues)) if left else ()

    def _read_alerts(self, notes: Notes, ask_routing: AskRouting) -> None:
        """Find what the list lacks, and why what is missing is missing, for as long ago as Twilio keeps alerts. What is
        missing is missing, also when the reason cannot be read."""
        since = max(self.period.since, self.period.until - KEPT + CLOCKS_DIFFER)
        self.observe("Reading Twilio's alerts")
        not_listed: dict[str, Alert] = {}
        try:
            for alert in alerts(self.twilio, since=since, until=self.period.until):
                notes.explain(alert)
                if is_not_listed(alert, notes, self.period):
                    not_listed[alert.resource_sid] = alert
            notes.alerted = frozenset(not_listed)
            if not_listed:
                more, notes.alerts_not_followed = unlisted(
                    self.twilio, not_listed.values(), ask_routing(), to=self.to
                )
                notes.add(self._compare(more, notes))
        except TwilioFailed as exc:
            notes.alerts_failure = str(exc)
        for alert in not_listed.values():
            notes.explain(alert)

    def _look_back(self, notes: Notes) -> None:
        """Find rows that say they are Twilio's and that its list lacks."""
        self.observe("Looking for rows that Twilio's list lacks")
        rows = UnlistedRows(
            twilio=self.twilio, period=self.period, notes=notes, compare=self._compare, to=self.to
        )
        for page in arrivals_since(self.table.database, self.period.since):
            rows.add_findings(page)


def explanation(finding: MessageFinding, *, now: datetime, alerts_failure: str | None = None) -> str:
    """Say why, as far as it is known."""
    match finding.result:
        case ComparisonResult.LATE:
            return f"stored {timedelta(seconds=round(finding.late_seconds or 0))} after Twilio's call"
        case ComparisonResult.DEAD_LETTER:
            return finding.why or "in the dead-letter queue, with all its parameters"
        case ComparisonResult.MISSING:
            return _why_missing(finding, now=now, alerts_failure=alerts_failure)
        case _:
            return finding.why or "no error recorded"


def _why_missing(finding: MessageFinding, *, now: datetime, alerts_failure: str | None) -> str:
    if finding.error_code:
        return f"the webhook failed: Twilio's error {finding.error_code}"
    if alerts_failure:
        return "not known: Twilio's alerts could not be read"
    if finding.sent_at < now - KEPT:
        return "not known: Twilio keeps alerts for 30 days"
    return "not known: Twilio lists no alert of it"
