"""What Twilio knows: when the message came in, why its webhook call failed, what became of the reply."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import islice
from typing import TYPE_CHECKING

from b2bpilot.errors import PilotError
from b2bpilot.ops.asking import Inquiry
from b2bpilot.ops.inspect.source import (
    AtTwilio,
    EventOrder,
    MessageEvent,
    MessageQuestion,
    SourceAnswer,
    WebhookFailure,
)

if TYPE_CHECKING:
    from b2bpilot.twilio.kept_message import AlertReport, KeptMessage
    from b2bpilot.twilio.rest import Twilio

NAME = "Twilio"
SECONDS = 4.0
"""So long Twilio is waited for; four requests in a row, as a rule."""
BEFORE, AFTER = timedelta(minutes=1), timedelta(minutes=15)
"""An alert about a webhook comes with its last retry (docs/aws-facts.md#webhook-retries): looking longer costs a busy
account many pages."""
MOST_ALERTS = 5
JUST_WITHIN_A_SECOND = timedelta(milliseconds=999)


@dataclass(frozen=True, slots=True, kw_only=True)
class TwilioRecord:
    """The Twilio account of the environment. Satisfies InspectSource. `connect` raises PilotError."""

    connect: Callable[[], Twilio]
    now: datetime
    name: str = NAME
    seconds: float = SECONDS

    def ask(self, question: MessageQuestion) -> SourceAnswer:
        if question.is_test:
            raise PilotError("a test message: it was never at Twilio")
        if question.message_sid is None:
            raise PilotError(
                "its MessageSid is not known: no row, dead letter or line of the webhook holds it"
            )
        told = _Told(sid=question.message_sid, reply_sid=question.reply_sid, now=self.now)
        asked = Inquiry(lambda: told.ask(self.connect()), seconds=self.seconds).answer()
        if asked.error and told.at_twilio is None:
            raise PilotError(asked.error)
        return told.answer(asked.error)


@dataclass(slots=True, kw_only=True)
class _Told:
    """What it has told so far: a part is worth something when the rest does not come."""

    sid: str
    reply_sid: str | None
    now: datetime
    at_twilio: AtTwilio | None = None
    moments: list[MessageEvent] = field(default_factory=list)
    failures: list[WebhookFailure] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def ask(self, twilio: Twilio) -> None:
        """Raises TwilioFailed when not even the message can be read."""
        from b2bpilot.twilio.failures import TwilioFailed, TwilioNotFound
        from b2bpilot.twilio.kept_message import kept_message

        try:
            kept = kept_message(twilio, self.sid)
        except TwilioNotFound:
            self.at_twilio = AtTwilio(received_at=None, is_absent=True)
            self.notes.append("this environment's account has no such message")
            return
        self._tell(kept)
        if kept.at is not None or not kept.is_inbound:
            self.at_twilio = AtTwilio(received_at=kept.at if kept.is_inbound else None)
        try:
            self._ask_about_reply(twilio)
            if kept.at is not None:
                self._ask_for_alerts(twilio, kept.at)
        except TwilioFailed as exc:
            self.notes.append(str(exc))

    def answer(self, more: str | None = None) -> SourceAnswer:
        notes = [*self.notes, *([more] if more else [])]
        return SourceAnswer(
            moments=tuple(self.moments),
            at_twilio=self.at_twilio,
            webhook_failures=tuple(self.failures),
            note="; ".join(notes) or None,
        )

    def _tell(self, kept: KeptMessage, *, name: str = "") -> None:
        """What Twilio gives no date has no place among the moments."""
        if kept.at is None:
            self.notes.append(f"has {name}{kept.sid} without a date ({kept.direction}, status {kept.status})")
        elif kept.is_inbound and not name:
            self.moments.append(_received(kept, kept.at))
        else:
            self.moments.append(_sent(kept, kept.at, name=name))

    def _ask_about_reply(self, twilio: Twilio) -> None:
        from b2bpilot.twilio.failures import TwilioNotFound
        from b2bpilot.twilio.kept_message import kept_message

        if self.reply_sid is None:
            return
        try:
            self._tell(kept_message(twilio, self.reply_sid), name="reply ")
        except TwilioNotFound:
            self.notes.append(f"has no reply {self.reply_sid}")

    def _ask_for_alerts(self, twilio: Twilio, received_at: datetime) -> None:
        from b2bpilot.twilio.alerts import KEPT, alerts
        from b2bpilot.twilio.kept_message import alert_report

        if received_at < self.now - KEPT:
            self.notes.append("keeps alerts for 30 days only")
            return
        found = alerts(twilio, since=received_at - BEFORE, until=received_at + AFTER)
        ours = {one.sid: one for one in found if one.resource_sid == self.sid}
        for one in islice(ours.values(), MOST_ALERTS):
            failure = WebhookFailure(code=one.error_code, at=one.generated_at)
            self.failures.append(failure)
            self.moments.append(_failed(failure, alert_report(twilio, one.sid)))


def _received(kept: KeptMessage, at: datetime) -> MessageEvent:
    """To the second: what our own clocks know to the millisecond came after it."""
    what = f"received it (status {kept.status})"
    return MessageEvent(at=at, source="twilio", what=what, step=EventOrder.RECEIVED, not_before=at)


def _sent(kept: KeptMessage, at: datetime, *, name: str) -> MessageEvent:
    """A reply comes after what it answers, which may have been stored within the same second."""
    error = f", error {kept.error_code}" if kept.error_code else ""
    return MessageEvent(
        at=at,
        source="twilio",
        what=f"{name}{kept.sid}: {kept.status}{error} ({kept.direction})",
        not_before=at + JUST_WITHIN_A_SECOND,
    )


def _failed(failure: WebhookFailure, report: AlertReport) -> MessageEvent:
    what = "".join(_failed_in_words(failure, report))
    at = failure.at
    return MessageEvent(at=at, source="twilio", what=what, step=EventOrder.CHANGED, not_before=at)


def _failed_in_words(failure: WebhookFailure, report: AlertReport) -> Iterator[str]:
    yield f"its webhook call failed: {failure.code}"
    yield f", answered {report.answered}" if report.answered else ""
    yield f", {report.text}" if report.text else ""
    yield f", at {report.url}" if report.url else ""
