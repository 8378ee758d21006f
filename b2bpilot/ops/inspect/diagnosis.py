"""What became of the message, why nothing happened if nothing did, and what to do next."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import assert_never

from b2bpilot.advice import Words, our_command
from b2bpilot.ops.inspect import at_twilio, codes
from b2bpilot.ops.inspect.evidence import MessageEvidence
from b2bpilot.ops.inspect.outlook import Outlook, Retry, outlook
from b2bpilot.pipeline.models import ReplyState, SubmissionStatus, UserSubmission
from b2bpilot.plural import many

IN_THE_QUEUE = "its dead letter is in the queue, so Lambda does not run it again"
GRACE = timedelta(seconds=30)
"""A line reaches CloudWatch some seconds late: before that nothing is missing."""
STALE_AFTER = timedelta(minutes=15)
"""As template.yaml has it."""
LONGEST_RUN = timedelta(minutes=5)
"""The processor's timeout, as template.yaml has it."""


class MessageOutcome(StrEnum):
    """What became of the message."""

    STORED = "stored"
    IN_PROGRESS = "in progress"
    RETRYING = "waiting for a retry"
    """Its last run failed, and Lambda's next one is due."""
    FAILED = "failed"
    DEAD_LETTER = "dead letter"
    STUCK = "stuck"
    ABANDONED = "abandoned"
    DISCARDED = "discarded"
    ON_ITS_WAY = "on its way"
    FILTERED = "filtered out"
    NEVER_SEEN = "never seen by the processor"
    NOT_PUBLISHED = "not published"
    REJECTED = "rejected"
    LOST = "lost before SNS"
    AT_TWILIO = "known to Twilio"
    UNCLEAR = "unclear"


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageDiagnosis:
    outcome: MessageOutcome
    explanation: str
    gaps: Sequence[str]
    """What should have happened and did not, or cannot be seen."""
    next_steps: Sequence[Words]


def diagnose(evidence: MessageEvidence) -> MessageDiagnosis:
    """Name what happened, and what to do next."""
    outcome, explanation = _outcome_of(evidence)
    return MessageDiagnosis(
        outcome=outcome,
        explanation=explanation,
        gaps=list(_gaps(evidence, outcome)),
        next_steps=list(_next(evidence, outcome)),
    )


def _outcome_of(evidence: MessageEvidence) -> tuple[MessageOutcome, str]:
    if evidence.row is not None:
        return _of_row(evidence, evidence.row)
    if evidence.dead_letters:
        kind = evidence.dead_letters[-1].failure.kind
        stored = "nobody could ask whether it is stored" if evidence.row_problem else "it is not stored"
        return MessageOutcome.DEAD_LETTER, f"{stored}; the last failure was: {kind}"
    if "stored" in evidence.events():
        return MessageOutcome.UNCLEAR, "the processor says that it stored it"
    if evidence.attempts:
        return MessageOutcome.UNCLEAR, "the processor worked on it and nothing says how that ended"
    if evidence.other_row is not None and not any(one.answer.moments for one in evidence.asked):
        return MessageOutcome.UNCLEAR, f"only a row knows it, which is {evidence.other_row_is}"
    return _before_the_processor(evidence)


def _before_the_processor(evidence: MessageEvidence) -> tuple[MessageOutcome, str]:
    published = [*evidence.lines("webhook", "published"), *evidence.lines("stale", "republished")]
    if evidence.rejections:
        first = evidence.rejections[0]
        return MessageOutcome.FILTERED if first.is_filter else MessageOutcome.NEVER_SEEN, first.reason
    if published and evidence.now - published[-1].at < GRACE:
        return MessageOutcome.ON_ITS_WAY, "it was accepted by SNS a moment ago"
    if published:
        return MessageOutcome.NEVER_SEEN, "it was accepted by SNS, and no line of the processor names it"
    if evidence.lines("webhook", "publish_failed"):
        return (
            MessageOutcome.NOT_PUBLISHED,
            "the webhook could not publish it and answered 503: Twilio may try again",
        )
    if rejected := evidence.lines("webhook", "rejected"):
        reason = f"the webhook refused it: {rejected[-1].value('reason')}"
        return MessageOutcome.REJECTED, f"{reason}. {at_twilio.in_words(evidence)}".rstrip(". ")
    return _before_the_webhook(evidence)


def _before_the_webhook(evidence: MessageEvidence) -> tuple[MessageOutcome, str]:
    found = evidence.at_twilio
    if found is None or found.is_absent:
        return MessageOutcome.UNCLEAR, "something knows it, but nothing says what became of it"
    if found.received_at is None:
        return MessageOutcome.AT_TWILIO, "it was sent, not received: a reply, or somebody else's"
    said = at_twilio.in_words(evidence)
    if not evidence.was_asked("webhook log"):
        return MessageOutcome.UNCLEAR, f"{said}, and nothing of ours says what came of it"
    if evidence.webhook_failures:
        return MessageOutcome.LOST, said
    if evidence.now - found.received_at < GRACE:
        return MessageOutcome.ON_ITS_WAY, said
    return MessageOutcome.LOST, f"{said}, and the webhook's log does not name it"


def _of_row(evidence: MessageEvidence, row: UserSubmission) -> tuple[MessageOutcome, str]:
    if row.discarded_by and row.status is not SubmissionStatus.COMPLETED:
        return (
            MessageOutcome.DISCARDED,
            f"a person discarded it in run {row.discarded_by}: no delivery stores it any more",
        )
    match row.status:
        case SubmissionStatus.COMPLETED:
            found = MessageOutcome.STORED, _stored(evidence, row)
        case SubmissionStatus.ABANDONED:
            found = MessageOutcome.ABANDONED, _abandoned(row)
        case SubmissionStatus.FAILED:
            found = _failed(evidence, row)
        case SubmissionStatus.PENDING:
            found = _unfinished(evidence, "it was recorded, and no run has taken it up")
        case SubmissionStatus.PROCESSING if row.is_leased(now=evidence.now):
            what = "a run holds the lease until %s, also if it died: a delivery before that is left alone"
            found = MessageOutcome.IN_PROGRESS, what % f"{row.lease_expires_at:%H:%M:%S} UTC"
        case SubmissionStatus.PROCESSING:
            found = _unfinished(evidence, _without_lease(evidence, row))
        case str():
            found = MessageOutcome.STUCK, f"its status {row.status!r} is another version's"
        case _:
            assert_never(row.status)
    return found


def _without_lease(evidence: MessageEvidence, row: UserSubmission) -> str:
    """A run may outlive its lease, but not its function's timeout."""
    if evidence.now - row.updated_at < LONGEST_RUN:
        return "its lease is over: the run that claimed it died, or takes longer than a lease"
    return "the run that claimed it died, and its lease is over"


def _abandoned(row: UserSubmission) -> str:
    return f"nothing tries it again by itself; last error: {row.last_error or 'no error recorded'}"


def _unfinished(evidence: MessageEvidence, what: str) -> tuple[MessageOutcome, str]:
    """A run that died leaves the row as it was; Lambda writes the dead letter all the same."""
    if evidence.dead_letters:
        return MessageOutcome.DEAD_LETTER, f"{IN_THE_QUEUE}; {what}"
    return MessageOutcome.STUCK, what


def _failed(evidence: MessageEvidence, row: UserSubmission) -> tuple[MessageOutcome, str]:
    if evidence.dead_letters:
        return MessageOutcome.DEAD_LETTER, f"{IN_THE_QUEUE}; its last run failed: {row.last_error}"
    found = outlook(evidence, row)
    told = f"{row.last_error or 'no error recorded'}"
    if row.republished_at is not None:
        told += f"; it was published again at {row.republished_at:%Y-%m-%d %H:%M:%S} UTC, and the stale processor does that no second time"
    outcome = MessageOutcome.RETRYING if found.retry is Retry.DUE else MessageOutcome.FAILED
    return outcome, f"{told}; {found.why}"


def _stored(evidence: MessageEvidence, row: UserSubmission) -> str:
    parts = []
    if row.completed_at and row.received_at:
        milliseconds = (row.completed_at - row.received_at) / timedelta(milliseconds=1)
        parts.append(f"completed {milliseconds:,.0f} ms after it was received")
    if row.attempts > 1:
        parts.append(f"with attempt {row.attempts}")
    duplicates = sum("duplicate" in run.events for run in evidence.attempts)
    if duplicates:
        parts.append(
            f"{duplicates} later {'delivery' if duplicates == 1 else 'deliveries'} skipped as a duplicate"
        )
    return ", ".join(parts) or "completed"


def _gaps(evidence: MessageEvidence, outcome: MessageOutcome) -> Iterator[str]:
    row = evidence.row
    if evidence.row is not None and evidence.database and not evidence.database.is_proven:
        yield f"so says the row of a {evidence.database.told()}"
    if evidence.other_row is not None:
        yield f"the row with this id ({evidence.other_row.status}) proves nothing of it: it is {evidence.other_row_is}"
    yield from _undelivered(evidence)
    for dead_letter in evidence.other_dead_letters:
        yield f"dead letter {dead_letter.queue_message_id} says nothing of it here: its owner is {dead_letter.owner}"
    yield from at_twilio.gaps(evidence, is_lost=outcome is MessageOutcome.LOST)
    claims = sum(run.has_claimed for run in evidence.attempts)
    if row and evidence.knows_all_runs and claims < row.attempts:
        yield f"the row counts {many(row.attempts, 'attempt')}, the log shows {claims}: the others are older than the log, or were killed"
    if row is None and not (evidence.row_problem or evidence.other_row) and "stored" in evidence.events():
        yield "the processor stored it and there is no row: it was deleted, or this is another database"
    if (
        outcome is MessageOutcome.FAILED
        and evidence.was_asked("dead-letter queue")
        and _outlook(evidence).had_all_runs
    ):
        yield f"every run failed and there is no dead letter: look at {codes.DEAD_LETTER_MISSING}"
    if row and outcome in (MessageOutcome.STUCK, MessageOutcome.FAILED) and _is_left(row, now=evidence.now):
        yield f"the stale processor has not published it again, which it does StaleAfterMinutes after the last change: look at {codes.STALE_RUNS}"
    if (
        row
        and row.reply_state in (ReplyState.UNKNOWN, ReplyState.SENDING)
        and outcome is not MessageOutcome.IN_PROGRESS
    ):
        yield "nobody knows whether the reply was sent"


def _is_left(row: UserSubmission, *, now: datetime) -> bool:
    """Whether the stale processor should have published it, as the template sets it up, and has not tried."""
    return not row.stale_attempts and row.republished_at is None and now - row.updated_at >= STALE_AFTER


def _undelivered(evidence: MessageEvidence) -> Iterator[str]:
    """What SNS accepted and the processor's log does not know. A dead letter says itself what became of it."""
    if not evidence.knows_all_runs or evidence.dead_letters:
        return
    seen = {sns for run in evidence.attempts for sns in run.ids("sns_message_id")}
    lost = f"{codes.NEVER_DELIVERED}, {codes.SNS_LOST} and {codes.LAMBDA_LOST}"
    code = evidence.rejections[0].code if evidence.rejections else lost
    for line in [*evidence.lines("webhook", "published"), *evidence.lines("stale", "republished")]:
        sns = line.value("sns_message_id")
        is_late = evidence.now - line.at >= GRACE or bool(evidence.rejections)
        if sns and sns not in seen and is_late:
            at = line.at.isoformat(timespec="milliseconds")[11:23]
            yield f"accepted by SNS {at} as {sns}, never seen by the processor: look at {code}"


def _outlook(evidence: MessageEvidence) -> Outlook:
    assert evidence.row  # noqa: S101  # nosec B101  # the outcome is of a row
    return outlook(evidence, evidence.row)


def _fix(evidence: MessageEvidence, outcome: MessageOutcome) -> Words:
    if outcome is MessageOutcome.FAILED and evidence.row and evidence.row.republished_at:
        return "fix the cause, then: " + our_command("submissions", "republish", evidence.message_id)
    return our_command("verify")


def _bring_back(evidence: MessageEvidence, outcome: MessageOutcome) -> Iterator[Words]:
    """What a person does with a dead letter, or with a row that waits for one."""
    message_id, row = evidence.message_id, evidence.row
    redrive = our_command("dlq", "redrive", "--message-id", message_id)
    match outcome:
        case MessageOutcome.STORED if evidence.dead_letters:
            yield redrive + "   (removes the dead letter: it is completed)"
        case MessageOutcome.DEAD_LETTER | MessageOutcome.ABANDONED if evidence.dead_letters:
            yield "fix the cause, then: " + redrive
        case MessageOutcome.ABANDONED:
            yield "fix the cause, then: " + our_command("submissions", "republish", message_id)
        case MessageOutcome.DISCARDED if row and row.discarded_by:
            yield our_command("dlq", "restore", row.discarded_by) + "   (takes that run's discards back)"
            yield (
                our_command("submissions", "republish", "--discarded", message_id)
                + "   (takes this one's back, and stores it)"
            )
            if evidence.dead_letters:
                yield (
                    our_command("dlq", "discard", "--message-id", message_id)
                    + "   (takes its dead letter out, too)"
                )
        case _:
            pass


def _next(evidence: MessageEvidence, outcome: MessageOutcome) -> Iterator[Words]:
    row = evidence.row
    yield from _bring_back(evidence, outcome)
    if outcome is MessageOutcome.FAILED and (tells := _outlook(evidence).tells):
        yield tells
    match outcome:
        case MessageOutcome.FAILED | MessageOutcome.STUCK:
            yield _fix(evidence, outcome)
        case MessageOutcome.NOT_PUBLISHED:
            yield our_command("verify") + f"   ({codes.WEBHOOK_ROLE}: the role that publishes)"
            yield from at_twilio.recovery(evidence)
        case MessageOutcome.FILTERED | MessageOutcome.NEVER_SEEN:
            yield our_command("subscribers")
            yield from at_twilio.recovery(evidence)
        case MessageOutcome.REJECTED:
            yield (
                our_command("verify", "--with-twilio")
                + f"   ({codes.SIGNATURE} and {codes.CREDENTIALS}: the URL and the token that Twilio signs with)"
            )
            yield from at_twilio.recovery(evidence)
        case MessageOutcome.LOST:
            yield (
                our_command("verify", "--with-twilio")
                + f"   ({codes.WEBHOOK_ANSWERS} and {codes.ROUTE}: the webhook, and where Twilio delivers)"
            )
            yield from at_twilio.recovery(evidence)
        case MessageOutcome.ON_ITS_WAY | MessageOutcome.IN_PROGRESS | MessageOutcome.RETRYING:
            yield "wait a moment, then ask again"
        case _:
            pass
    if row and row.reply_state is ReplyState.UNKNOWN:
        yield "look in Twilio's message log whether the reply went out; it is not sent again by itself"
