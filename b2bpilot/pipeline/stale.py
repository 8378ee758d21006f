"""The stale processor: a message that nobody works on any more is published again until SNS has accepted it once. One that
is not completed after that is abandoned, and waits for a person (docs/decisions/0014-stale-messages.md).

Order: lock, write to the rows, commit, publish, write down what SNS accepted. A crash in between leaves the row for a
later run; publishing inside the transaction would be a dual write.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import timedelta

from b2bpilot.errors import MessageTooLarge, MessageUnreadable, PilotError
from b2bpilot.pipeline.database import DatabaseManager
from b2bpilot.pipeline.message import PilotMessage
from b2bpilot.pipeline.reserve import Answered, Reserve
from b2bpilot.pipeline.stale_message import identity_of, message_from
from b2bpilot.pipeline.stale_row import StaleRow

logger = logging.getLogger(__name__)

Publish = Callable[[PilotMessage], object]
"""Publishes one message to the topic and returns SNS's id for it, which is logged. Raises PublishFailed when
SNS may have accepted it all the same, MessageTooLarge, or another PilotError when it certainly did not."""

BATCH = 100
FIRST_REST = timedelta(minutes=1)

IN_LAMBDAS_HANDS = timedelta(hours=6, minutes=10)
"""An event is six hours old at most when its last run begins (the template's MaximumEventAgeInSeconds), and that run lasts five
minutes at most. A row that nobody has touched for longer is in no event of Lambda's any more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StaleReport:
    """What one run did, in rows. `publish_failed` are those of which SNS did not say that it took them; `handed_back` those
    that it was not asked about. `backlog` is what is stale after it, rows in their rest included."""

    claimed: int = 0
    identified: int = 0
    unreadable: int = 0
    abandoned: int = 0
    published: int = 0
    publish_failed: int = 0
    handed_back: int = 0
    backlog: int = 0
    reserve: int = 0
    is_reserve_known: bool = True
    kept_up: bool = True
    """Whether the processor took what was published before more was."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StaleRules:
    """When a message is stale, and how many of them one run takes."""

    stale_after: timedelta
    reserve: Reserve
    batch: int = BATCH
    answers: bool = True
    """Whether the processor sends replies."""

    @property
    def held_for(self) -> timedelta:
        """How long a row must have been left alone: while nobody knows whether the processor is throttled, Lambda may hold
        its message for hours."""
        return timedelta(0) if self.reserve.is_known else IN_LAMBDAS_HANDS


def republish_stale(
    database: DatabaseManager, publish: Publish, rules: StaleRules, *, has_answered: Answered
) -> StaleReport:
    """Publish stale messages again, no more at a time than the reserve takes, and return what was done."""
    report = StaleReport(reserve=rules.reserve.runs, is_reserve_known=rules.reserve.is_known)
    messages: list[PilotMessage] = []
    stale_after = rules.stale_after
    with database.lock_stale(stale_after=stale_after, held_for=rules.held_for, batch=rules.batch) as rows:
        for row in rows:
            message, report = _take(row, report, rules)
            messages += [message] if message else []
    report = _publish_all(messages, publish, database, rules=rules, report=report, has_answered=has_answered)
    return replace(report, backlog=database.count_stale(stale_after=stale_after))


def _take(row: StaleRow, report: StaleReport, rules: StaleRules) -> tuple[PilotMessage | None, StaleReport]:
    """Write to one row what this run makes of it; return the message to publish, if any. A row that cannot be read stops
    no other."""
    submission = row.submission
    report = replace(report, claimed=report.claimed + 1)
    try:
        message_id = identity_of(submission)
        message = message_from(submission, message_id)
    except MessageUnreadable as exc:
        logger.warning(
            "Stale message unreadable",
            extra={"event": "stale_unreadable", "message_id": submission.message_id, "error": str(exc)},
        )
        report = replace(report, unreadable=report.unreadable + 1)
        return _abandon(row, f"it cannot be published again: {exc}", report)
    if submission.message_id != message_id:
        if not row.identify(message_id, answers=rules.answers):
            return _abandon(row, f"the same message, {message_id}, is stored in another row", report)
        report = replace(report, identified=report.identified + 1)
    if submission.republished_at is not None:
        error = submission.last_error or "no error recorded"
        return _abandon(row, f"published again once, and not completed since: {error}", report)
    row.count_attempt(back_off=back_off(submission.stale_attempts, longest=rules.stale_after))
    return message, report


def _abandon(row: StaleRow, error: str, report: StaleReport) -> tuple[None, StaleReport]:
    row.abandon(error)
    return None, replace(report, abandoned=report.abandoned + 1)


def back_off(attempts: int, *, longest: timedelta) -> timedelta:
    """Return how long to leave a message alone after attempt `attempts` + 1 to publish it, if SNS does not accept it. Never
    longer than a message takes to be stale: no outage is followed by a rest that nobody waits for."""
    return min(FIRST_REST * (1 << min(attempts, 10)), longest)


def _publish_all(
    messages: Sequence[PilotMessage],
    publish: Publish,
    database: DatabaseManager,
    *,
    rules: StaleRules,
    report: StaleReport,
    has_answered: Answered,
) -> StaleReport:
    """Publish a wave at a time, until the topic takes no more or the processor does not keep up."""
    waves = list(_waves(messages, rules.reserve.runs))
    for number, wave in enumerate(waves, 1):
        untried = [message for later in waves[number:] for message in later]
        accepted, failed, rest = _publish_wave(wave, publish, database, rules.stale_after)
        report = replace(
            report,
            published=report.published + len(accepted),
            publish_failed=report.publish_failed + failed,
        )
        if rest is not None:
            return _hand_back([*rest, *untried], database, report)
        if untried and not has_answered([message.message_id for message in accepted]):
            return _hand_back(untried, database, replace(report, kept_up=False))
    return report


def _waves(messages: Sequence[PilotMessage], size: int) -> Iterator[Sequence[PilotMessage]]:
    for start in range(0, len(messages), size):
        yield messages[start : start + size]


def _publish_wave(
    wave: Sequence[PilotMessage], publish: Publish, database: DatabaseManager, stale_after: timedelta
) -> tuple[list[PilotMessage], int, Sequence[PilotMessage] | None]:
    """Return which were accepted, how many were not, and, when the topic takes no more, the untried ones: the next would
    meet the same. A message that is too large is alone with that, and never will be accepted."""
    accepted: list[PilotMessage] = []
    failed = 0
    for number, message in enumerate(wave, 1):
        try:
            sns_message_id = publish(message)
        except MessageTooLarge as exc:
            failed += 1
            _log_not_published(message, exc)
            database.abandon(message.message_id, f"it cannot be published again: {exc}")
        except PilotError as exc:
            _log_not_published(message, exc)
            return accepted, failed + 1, wave[number:]
        else:
            _log_published(message, sns_message_id)
            database.note_republished(message.message_id, rest=stale_after)
            accepted.append(message)
    return accepted, failed, None


def _hand_back(
    untried: Sequence[PilotMessage], database: DatabaseManager, report: StaleReport
) -> StaleReport:
    """Uncount what SNS was not asked about: it is due again at once."""
    handed_back = database.hand_back_stale_attempts([message.message_id for message in untried])
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
