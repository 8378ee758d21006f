"""The state machine of one delivery: claim, work, complete. Exactly once, whatever fails in between, and however often the
delivery comes (docs/aws-facts.md#events-twice)."""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import Protocol

from b2bpilot.advice import our_command
from b2bpilot.errors import (
    DatabaseError,
    MessageDiscarded,
    MessageInvalid,
    ReplyNotSent,
    ReplyRefused,
    ReplyUnknown,
)
from b2bpilot.pipeline.claim import Claim, SubmissionFields, storable
from b2bpilot.pipeline.database import DatabaseManager
from b2bpilot.pipeline.delivery import Delivery
from b2bpilot.pipeline.message import PilotMessage, format_time
from b2bpilot.pipeline.models import ReplyState, SubmissionStatus, UserSubmission
from b2bpilot.pipeline.outcome import DeliveryOutcome
from b2bpilot.pipeline.status_callback import reported_state

logger = logging.getLogger(__name__)

SHOWN_LENGTH = 6
"""So much of a wrong value may stand in a log or a row's error: it cannot be a phone number."""


class Replier(Protocol):
    """Sends the configured reply."""

    def send(self, *, to: str, from_: str) -> str:
        """Return the SID of the sent message. Raises ReplyNotSent, ReplyRefused or ReplyUnknown, nothing else."""


def process(
    delivery: Delivery,
    *,
    database: DatabaseManager,
    replier: Replier | None,
    lease: timedelta,
    adopts: bool = False,
    answers: bool = True,
) -> DeliveryOutcome:
    """Store one delivery. Whatever goes wrong after the claim is written to the row and raised, so that Lambda
    tries again and then dead-letters the event.

    `lease` is how long nobody else may claim the message: a run that died is taken over after it, and one that lived
    longer finds that it lost its claim. With `adopts`, rows of the SQS version count as the messages' own; where the environment `answers`,
    also if this run does not, what that version began is not answered any more.
    """
    message = delivery.message
    claim = database.claim(message, lease=lease, adopts=adopts, answers=answers)
    if claim is None:
        return _skipped(delivery, database)
    try:
        fields = submission_fields(message)
        _reply_once(delivery, claim, database, replier)
        latency_ms = database.complete(claim, fields)
        if latency_ms is None:
            _require_lost(claim, database)
    except Exception as exc:
        _record_failure(delivery, claim, database, exc)
        raise
    if latency_ms is None:
        return _skipped(delivery, database)
    _log(
        "stored",
        delivery,
        "Message stored",
        latency_ms=round(latency_ms, 1),
        attempts=claim.attempts,
        database_identity=database.identity,
    )
    return DeliveryOutcome.STORED


def submission_fields(message: PilotMessage) -> SubmissionFields:
    """Return what the message says as columns. Raises MessageInvalid when a parameter makes no sense."""
    count = message.params.get("NumMedia") or "0"
    if not (count.isascii() and count.isdigit() and len(count) < 4):  # noqa: PLR2004  # Twilio sends at most 10
        shown = repr(count) if len(count) <= SHOWN_LENGTH else f"{len(count)} characters long"
        raise MessageInvalid(f"NumMedia is {shown}, not a count")
    return SubmissionFields(
        from_number=storable(message.params.get("From")),
        to_number=storable(message.params.get("To")),
        body=storable(message.params.get("Body")),
        num_media=int(count),
    )


def _skipped(delivery: Delivery, database: DatabaseManager) -> DeliveryOutcome:
    """Say why there was nothing to claim. Raises MessageInvalid when the row is not of this message at all, and
    MessageDiscarded where a success would lose a dead letter that nobody archived: so it comes back."""
    message_id = delivery.message.message_id
    submission = database.get_submission_by_message_id(message_id)
    if submission is not None and submission.test is not delivery.message.test:
        raise _mistaken(delivery, submission)
    if submission is not None and submission.status is SubmissionStatus.COMPLETED:
        text = f"Message {message_id} already processed"
        _log("duplicate", delivery, text, database_identity=database.identity)
        return DeliveryOutcome.DUPLICATE
    if submission is not None and submission.discarded_by:
        _log("discarded", delivery, "Message was discarded", discarded_by=submission.discarded_by)
        if delivery.redrive and delivery.redrive.is_accepted_only:
            raise MessageDiscarded(f"a person discarded the message in run {submission.discarded_by}")
        return DeliveryOutcome.DISCARDED
    if submission is None:
        raise _unwritten(message_id, "no row was written for it, and none is to be seen")
    _log("in_progress", delivery, "A lease on the message holds", leased_until=_lease_end(submission))
    return DeliveryOutcome.IN_PROGRESS


def _require_lost(claim: Claim, database: DatabaseManager) -> None:
    """Raise when the claim still holds: a success would lose the message, whose row nothing ends."""
    submission = database.get_submission_by_message_id(claim.message_id)
    if submission is None:
        raise _unwritten(claim.message_id, "its row was written, and is not to be seen")
    if submission.status is SubmissionStatus.PROCESSING and submission.attempts == claim.attempts:
        raise _unwritten(claim.message_id, "its row is there, and an UPDATE did not change it")


def _unwritten(message_id: str, seen: str) -> DatabaseError:
    return DatabaseError(
        f"message {message_id} could not be stored: {seen}",
        hint="a trigger or row security of the table does that: "
        + our_command("migrate", "--status")
        + " names them",
    )


def _lease_end(submission: UserSubmission | None) -> str | None:
    """Return when another delivery may take the message: whether the run that leased it lives, nothing here tells."""
    lease = submission.lease_expires_at if submission else None
    return format_time(lease) if lease else None


def _mistaken(delivery: Delivery, submission: UserSubmission) -> MessageInvalid:
    """A success would delete the message's dead letter, and with it the only copy."""
    kind, stored = ("a test", "a real") if delivery.message.test else ("no test", "a test")
    error = MessageInvalid(
        f"the message is {kind}, and its id {submission.message_id} is stored as {stored} message"
    )
    logger.error("Processing failed", extra={"event": "failed", **_facts(delivery), "error": str(error)})
    return error


def _reply_once(delivery: Delivery, claim: Claim, database: DatabaseManager, replier: Replier | None) -> None:
    """Send the reply unless one was sent, or may have been: `sending` without an answer is for a person. A status
    callback, which an earlier version's webhook published, is answered to nobody: its sender is our own number."""
    message = delivery.message
    if claim.reply_state is ReplyState.SENDING:
        database.end_reply(
            claim, ReplyState.UNKNOWN, error="the run that was sending it ended without an answer"
        )
        _log("reply_unknown", delivery, "Nobody knows whether the reply was sent")
        return
    to, from_ = message.params.get("From"), message.params.get("To")
    if replier is None or message.test or not to or not from_ or claim.reply_state is not None:
        return
    if reported_state(message.params):
        return
    if database.begin_reply(claim):
        _send(delivery, claim, database, replier, to=to, from_=from_)


def _send(
    delivery: Delivery, claim: Claim, database: DatabaseManager, replier: Replier, *, to: str, from_: str
) -> None:
    try:
        sid = replier.send(to=to, from_=from_)
    except ReplyNotSent as exc:
        database.end_reply(claim, None, error=str(exc))
        raise
    except ReplyRefused as exc:
        database.end_reply(claim, ReplyState.REFUSED, error=str(exc))
        _log("reply_refused", delivery, "Twilio refused the reply", reason=str(exc))
    except ReplyUnknown as exc:
        database.end_reply(claim, ReplyState.UNKNOWN, error=str(exc))
        _log("reply_unknown", delivery, "Nobody knows whether the reply was sent", reason=str(exc))
    else:
        database.end_reply(claim, ReplyState.SENT, sid=sid)
        _log("reply_sent", delivery, "Reply sent", reply_sid=sid)


def _record_failure(delivery: Delivery, claim: Claim, database: DatabaseManager, exc: Exception) -> None:
    """Write the error to the row. When the database is what failed, the lease simply runs out."""
    logger.error(
        "Processing failed",
        extra={"event": "failed", **_facts(delivery), "attempts": claim.attempts, "error": str(exc)},
    )
    try:
        database.fail(claim, str(exc) or type(exc).__name__)
    except DatabaseError as second:
        logger.warning(
            "The failure could not be written to the row",
            extra={"event": "failure_not_recorded", **_facts(delivery), "error": str(second)},
        )


def _log(event: str, delivery: Delivery, text: str, **fields: object) -> None:
    logger.info(text, extra={"event": event, **_facts(delivery), **fields})


def _facts(delivery: Delivery) -> dict[str, object]:
    """Return what every line says of its message: with it a line is found by any of the message's ids, or its redrive."""
    facts: dict[str, object] = {
        "message_id": delivery.message.message_id,
        "test": delivery.message.test,
        "sns_message_id": delivery.sns_message_id,
    }
    if delivery.redrive:
        facts |= {"redrive_run_id": delivery.redrive.run_id, "redrive_attempt": delivery.redrive.attempt}
    return facts
