"""The stale processor: messages that nobody works on any more are published again, a few times, and then given up.

Order: lock, write to the rows, commit, publish. A crash between commit and publish leaves the row for a later round;
publishing inside the transaction would be a dual write. An attempt that certainly published nothing is uncounted.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import timedelta

from b2bpilot.errors import AwsError, MessageTooLarge, PilotError
from b2bpilot.pipeline.database import DatabaseManager
from b2bpilot.pipeline.message import (
    PilotMessage,
    Priority,
    Source,
    message_id_for,
    new_message_id,
)
from b2bpilot.pipeline.models import UserSubmission
from b2bpilot.pipeline.stale_row import StaleRow

logger = logging.getLogger(__name__)

Publish = Callable[[PilotMessage], object]
"""Publishes one message to the topic and returns SNS's id for it, which is logged. Raises PublishFailed when
SNS may have accepted it all the same, MessageTooLarge, or another PilotError when it certainly did not."""

ATTEMPT_LIMIT = 5
BATCH = 100
LONGEST_BACK_OFF = timedelta(hours=6)
"""As long as Lambda may hold an event: a longer pause gains nothing (facts A2)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StaleReport:
    """What one run did. `handed_back` counts the attempts that published nothing and do not count; `backlog` what is stale
    after it, messages in their back-off included."""

    claimed: int = 0
    identified: int = 0
    abandoned: int = 0
    published: int = 0
    publish_failed: int = 0
    handed_back: int = 0
    backlog: int = 0
    stood_still: bool = False


def republish_stale(
    database: DatabaseManager,
    publish: Publish,
    *,
    stale_after: timedelta,
    is_throttled: Callable[[], bool],
    batch: int = BATCH,
    attempt_limit: int = ATTEMPT_LIMIT,
) -> StaleReport:
    """Publish one batch of stale messages again and return what was done.

    While the processor is throttled the messages are not stale, Lambda still holds them: publishing again would only
    make its queue longer (facts E13), so nothing is touched.
    """
    if is_throttled():
        return StaleReport(stood_still=True, backlog=database.count_stale(stale_after=stale_after))
    messages: list[PilotMessage] = []
    report = StaleReport()
    with database.lock_stale(stale_after=stale_after, batch=batch) as rows:
        for row in rows:
            message, report = _take(row, report, stale_after=stale_after, attempt_limit=attempt_limit)
            messages += [message] if message else []
    report = _publish_all(messages, publish, database, report)
    return replace(report, backlog=database.count_stale(stale_after=stale_after))


def _take(
    row: StaleRow, report: StaleReport, *, stale_after: timedelta, attempt_limit: int
) -> tuple[PilotMessage | None, StaleReport]:
    """Write to one row what this run makes of it; return the message to publish, if any."""
    submission = row.submission
    report = replace(report, claimed=report.claimed + 1)
    message_id = submission.message_id or _new_identity(submission)
    if submission.message_id is None:
        if not row.identify(message_id):
            row.abandon(f"the same Twilio message is stored as {message_id}")
            return None, replace(report, abandoned=report.abandoned + 1)
        report = replace(report, identified=report.identified + 1)
    if submission.stale_attempts >= attempt_limit:
        row.abandon(
            f"given up after {attempt_limit} tries to publish it again: {submission.last_error or 'no error recorded'}"
        )
        return None, replace(report, abandoned=report.abandoned + 1)
    row.count_attempt(back_off=back_off(submission.stale_attempts, stale_after=stale_after))
    return message_from(submission, message_id), report


def back_off(attempts: int, *, stale_after: timedelta) -> timedelta:
    """Return how long to leave a message alone after its republication number `attempts` + 1."""
    return min(stale_after * (1 << attempts), LONGEST_BACK_OFF)


def message_from(submission: UserSubmission, message_id: str) -> PilotMessage:
    """Return the message that a row was made from; a row of the old system has only its columns to tell."""
    return PilotMessage(
        message_id=message_id,
        source=Source.STALE,
        received_at=submission.received_at or submission.created_at,
        params=submission.params if submission.params is not None else _params_from_columns(submission),
        test=submission.test,
        priority=Priority(submission.priority or "normal"),
    )


def _params_from_columns(submission: UserSubmission) -> dict[str, str]:
    params = {
        "MessageSid": submission.message_sid,
        "From": submission.from_number,
        "To": submission.to_number,
        "Body": submission.body,
        "NumMedia": str(submission.num_media),
    }
    return {name: value for name, value in params.items() if value is not None}


def _new_identity(submission: UserSubmission) -> str:
    return message_id_for(submission.message_sid) if submission.message_sid else new_message_id()


def _publish_all(
    messages: Sequence[PilotMessage], publish: Publish, database: DatabaseManager, report: StaleReport
) -> StaleReport:
    """Publish until the topic takes no more: the next message would meet the same. One that is too large is alone with that."""
    for count, message in enumerate(messages, 1):
        try:
            accepted = publish(message)
        except PilotError as exc:
            _log_not_published(message, exc)
            report = replace(report, publish_failed=report.publish_failed + 1)
            if not isinstance(exc, MessageTooLarge):
                return _hand_back(message, messages[count:], exc, database, report)
        else:
            _log_published(message, accepted)
            report = replace(report, published=report.published + 1)
    return report


def _hand_back(
    failed: PilotMessage,
    untried: Sequence[PilotMessage],
    error: PilotError,
    database: DatabaseManager,
    report: StaleReport,
) -> StaleReport:
    """Uncount what was certainly not published: nobody is to be given up for what was never tried."""
    is_unknown = isinstance(error, AwsError) and error.is_unknown
    refused = [] if is_unknown else [failed.message_id]
    handed_back = database.hand_back_stale_attempts(
        refused=refused, untried=[message.message_id for message in untried]
    )
    return replace(report, handed_back=handed_back)


def _log_not_published(message: PilotMessage, error: PilotError) -> None:
    logger.warning(
        "Stale message not published",
        extra={"event": "publish_failed", "message_id": message.message_id, "error": str(error)},
    )


def _log_published(message: PilotMessage, accepted: object) -> None:
    logger.info(
        "Stale message published",
        extra={"event": "republished", "message_id": message.message_id, "sns_message_id": accepted},
    )


def log_report(report: StaleReport) -> None:
    """Write the run's one line, which the metric filters read."""
    logger.info("Stale run finished", extra={"event": "stale_run", **asdict(report)})
