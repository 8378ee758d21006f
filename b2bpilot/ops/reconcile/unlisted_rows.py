"""Rows that Twilio's list lacks: it lags, so each is asked for by its SID before anything is said of it
(docs/aws-facts.md#message-lists)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from b2bpilot.ops.parameters import is_message_sid
from b2bpilot.ops.reconcile.message_finding import ComparisonPeriod, ComparisonResult, MessageFinding
from b2bpilot.ops.reconcile.notes import Notes
from b2bpilot.pipeline.arrivals import Arrival
from b2bpilot.pipeline.message import message_id_for
from b2bpilot.twilio.failures import TwilioDenied, TwilioFailed, TwilioNotFound, TwilioUnreachable
from b2bpilot.twilio.messages import InboundMessage, inbound_message
from b2bpilot.twilio.rest import IN_FLIGHT, Twilio

MOST_ASKED = 200
"""So many rows are asked for by their SID, the newest first: each is a request, and a list that lags for hours lacks many."""
IN_VAIN = (TwilioDenied, TwilioUnreachable)
"""What one question meets, all of them will meet."""


@dataclass(slots=True, kw_only=True)
class UnlistedRows:
    """Compares the rows that the list lacks. `compare` holds a message that Twilio has against its row."""

    twilio: Twilio
    period: ComparisonPeriod
    notes: Notes
    compare: Callable[[list[InboundMessage], Notes], Iterator[MessageFinding]]
    to: str | None = None
    failure: TwilioFailed | None = field(default=None, init=False)
    """Why nothing is asked any more."""

    def add_findings(self, page: list[Arrival]) -> None:
        """Say of these rows what the list, and Twilio when asked for each, says of them. Raises DatabaseError."""
        unseen = [row for row in page if self._should_be_listed(row) and not self._is_seen(row)]
        account = self.twilio.account_sid
        others = [row for row in unseen if row.account_sid not in (None, account)]
        self.notes.add(_elsewhere(row, account) for row in others)
        ours = [row for row in unseen if row.account_sid in (None, account)]
        self.notes.add(_callback(row) for row in ours if row.reported_state)
        self._ask([row for row in ours if not row.reported_state])

    def _ask(self, rows: list[Arrival]) -> None:
        asked = rows[: max(MOST_ASKED - self.notes.asked_by_sid, 0)] if self.failure is None else []
        self.notes.asked_by_sid += len(asked)
        with ThreadPoolExecutor(IN_FLIGHT, thread_name_prefix="twilio") as pool:
            for row, answer in zip(asked, pool.map(self._answer, asked), strict=True):
                self._note(row, answer)
        for row in rows[len(asked) :]:
            self.notes.add([_not_listed(row, self._why_not_asked())])

    def _answer(self, row: Arrival) -> InboundMessage | TwilioFailed | None:
        if self.failure is not None:
            return self.failure
        try:
            return inbound_message(self.twilio, row.message_sid or "")
        except TwilioFailed as exc:
            if isinstance(exc, IN_VAIN):
                self.failure = exc
            return exc

    def _note(self, row: Arrival, answer: InboundMessage | TwilioFailed | None) -> None:
        match answer:
            case InboundMessage():
                self.notes.listed_late(answer.sent_at)
                self.notes.add(self._stored(row, answer))
            case TwilioNotFound():
                self.notes.add([_unknown(row, self.twilio.account_sid, was_there=self._had_alert(row))])
            case TwilioFailed():
                self.notes.add([_not_listed(row, f"whether Twilio has it is not known: {answer}")])
            case None:
                why = "Twilio has it as a message that was sent, not as one that came in"
                self.notes.add([_not_listed(row, why)])

    def _stored(self, row: Arrival, message: InboundMessage) -> Iterator[MessageFinding]:
        """A row from before the migration has no message_id, by which a message is held against it."""
        for finding in self.compare([message], self.notes):
            if row.message_id is None:
                yield _finding(row, ComparisonResult.STORED, "")
            elif finding.result is not ComparisonResult.MISSING:
                yield finding

    def _why_not_asked(self) -> str:
        if self.failure is not None:
            return f"not asked for by its SID: {self.failure}"
        return f"not asked for by its SID: only the newest {MOST_ASKED} such rows are"

    def _had_alert(self, row: Arrival) -> bool:
        return row.message_sid in self.notes.alerted

    def _should_be_listed(self, row: Arrival) -> bool:
        return (
            not row.test
            and is_message_sid(row.message_sid or "")
            and self.period.covers(row.received_at)
            and not self.period.is_fresh(row.received_at)
            and self.to in (None, row.to_number)
        )

    def _is_seen(self, row: Arrival) -> bool:
        return self.notes.has_seen(message_id_for(row.message_sid or ""))


def _finding(row: Arrival, result: ComparisonResult, why: str) -> MessageFinding:
    return MessageFinding(
        result=result,
        sid=row.message_sid or "",
        message_id=row.message_id,
        sent_at=row.received_at,
        why=why,
    )


def _not_listed(row: Arrival, why: str) -> MessageFinding:
    return _finding(row, ComparisonResult.NOT_LISTED, why)


def _unknown(row: Arrival, account_sid: str, *, was_there: bool) -> MessageFinding:
    """Twilio's 404 does not say which of the two it is; an alert about it does."""
    which = (
        "deleted there: Twilio has an alert of it" if was_there else "deleted there, or never this account's"
    )
    why = f"asked for by its SID, account {account_sid} has no such message: {which}"
    return _finding(row, ComparisonResult.UNKNOWN_TO_TWILIO, why)


def _elsewhere(row: Arrival, account_sid: str) -> MessageFinding:
    why = f"its row names Twilio account {row.account_sid}; only {account_sid} was asked"
    return _finding(row, ComparisonResult.OTHER_ACCOUNT, why)


def _callback(row: Arrival) -> MessageFinding:
    """The sender of such a row is a number of ours, and a reply may have been sent to it."""
    why = f"no message: Twilio's report that one was {row.reported_state}, stored by an earlier version"
    return _finding(row, ComparisonResult.STATUS_CALLBACK, why)
