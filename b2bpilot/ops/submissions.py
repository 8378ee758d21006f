"""Reading the table page by page: all of it, or what a person may have to look at."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import assert_never

from b2bpilot.advice import Words, our_command
from b2bpilot.ops.ports import StuckListing, SubmissionListing
from b2bpilot.ops.retries import RetryFacts
from b2bpilot.pipeline.lease import RETRY_PAUSES
from b2bpilot.pipeline.models import ReplyState, SubmissionStatus, UserSubmission

PAGE = 1_000
SLACK = timedelta(seconds=30)
"""Lambda begins a run about when it is due."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """Which rows, newest first, and how many at most; all of them when `limit` is None."""

    status: SubmissionStatus | None = None
    since: datetime | None = None
    until: datetime | None = None
    from_number: str | None = None
    test: bool | None = None
    limit: int | None = 20


class AttentionReason(StrEnum):
    """Why a row needs somebody, or soon may."""

    DEAD_LETTER = "dead letter"
    """One of it was seen in the queue: Lambda is done with it."""
    DISCARDED = "discarded, not marked"
    """A run of this machine deleted its dead letter, and the row does not say so."""
    RETRY_POSSIBLE = "retry possible"
    """Lambda runs it again if the run that failed was asynchronous. A row does not say whether it was."""
    FAILED = "failed"
    """No run of it is due, as far as that is known."""
    ABANDONED = "abandoned"
    STUCK = "stuck"
    """Claimed, or recorded, and no run holds a lease on it."""
    REPLY_UNKNOWN = "reply unknown"
    REPLY_UNFINISHED = "reply unfinished"
    UNREADABLE = "unreadable"
    """Another version wrote a status that this one does not know."""


ADVICE: Mapping[AttentionReason, Words] = {
    AttentionReason.DEAD_LETTER: "a dead letter of it is in the queue, so Lambda does not run it again: fix the cause, then "
    + our_command("dlq", "redrive"),
    AttentionReason.DISCARDED: "a person discarded its dead letter and the row could not be marked: the stale processor may publish it again; "
    + our_command("inspect", "MESSAGE_ID")
    + " names the run, and "
    + our_command("runs", "resume", "RUN")
    + " of that run marks the row",
    AttentionReason.RETRY_POSSIBLE: "if the run that failed was asynchronous, Lambda runs it again within minutes; a synchronous one (a redrive, an invoke) is not repeated. No row says which it was: "
    + our_command("inspect", "MESSAGE_ID")
    + " tells what is known",
    AttentionReason.FAILED: "fix the cause, then redrive its dead letter if it has one; without one the stale processor publishes it once more at most, and then it waits for "
    + our_command("submissions", "republish", "MESSAGE_ID"),
    AttentionReason.ABANDONED: "nobody tries again: fix the cause, then redrive its dead letter, or publish the row with "
    + our_command("submissions", "republish", "MESSAGE_ID"),
    AttentionReason.STUCK: "no run holds a lease on it: its run died, or takes long; the stale processor takes it over, unless a retry of Lambda's comes first",
    AttentionReason.REPLY_UNKNOWN: "look in Twilio's message log whether the reply went out; it is never sent again by itself",
    AttentionReason.UNREADABLE: "its status is another version's: deploy that one again, or publish the row with "
    + our_command("submissions", "republish", "MESSAGE_ID"),
    AttentionReason.REPLY_UNFINISHED: "its run died while Twilio was asked: the next run marks the reply unknown",
}


def select(table: SubmissionListing, query: Query) -> Iterator[UserSubmission]:
    """Return the rows, one page in memory at a time."""

    def page(limit: int, before_id: int | None) -> list[UserSubmission]:
        return table.list_submissions(
            status=query.status,
            since=query.since,
            until=query.until,
            from_number=query.from_number,
            test=query.test,
            limit=limit,
            before_id=before_id,
        )

    return _pages(page, query.limit)


def stuck(table: StuckListing, *, since: datetime | None, limit: int | None) -> Iterator[UserSubmission]:
    """Return the rows that `problem_of` has a name for, one page in memory at a time."""

    def page(limit: int, before_id: int | None) -> list[UserSubmission]:
        return table.list_stuck(since=since, limit=limit, before_id=before_id)

    return _pages(page, limit)


def problem_of(row: UserSubmission, *, now: datetime, facts: RetryFacts) -> AttentionReason:
    """Name what is wrong with a row that `stuck` found. `now` is the table's clock."""
    match row.status:
        case SubmissionStatus.ABANDONED:
            return AttentionReason.ABANDONED
        case SubmissionStatus.FAILED:
            return _failed(row, now=now, facts=facts)
        case SubmissionStatus.PENDING | SubmissionStatus.PROCESSING | SubmissionStatus.COMPLETED:
            if row.reply_state is ReplyState.UNKNOWN:
                return AttentionReason.REPLY_UNKNOWN
            if row.reply_state is ReplyState.SENDING:
                return AttentionReason.REPLY_UNFINISHED
            return AttentionReason.DEAD_LETTER if facts.has_dead_letter(row) else AttentionReason.STUCK
        case str():
            return AttentionReason.UNREADABLE
        case _:
            assert_never(row.status)


def _failed(row: UserSubmission, *, now: datetime, facts: RetryFacts) -> AttentionReason:
    if facts.has_dead_letter(row):
        return AttentionReason.DEAD_LETTER
    if facts.discarded_in(row):
        return AttentionReason.DISCARDED
    due = possible_run(row, facts)
    return AttentionReason.RETRY_POSSIBLE if due is not None and now < due + SLACK else AttentionReason.FAILED


def possible_run(row: UserSubmission, facts: RetryFacts) -> datetime | None:
    """Return when Lambda runs a failed message again, by its attempts and if its last run was asynchronous; None where it
    does not. One that was published again has Lambda's tries once more, and the row does not say how many are left."""
    if row.republished_at is not None and row.attempts < 2 * facts.retries.at_most:
        return row.updated_at + max(RETRY_PAUSES)
    return None if row.stale_attempts else facts.next_run(row)


def _pages(
    page: Callable[[int, int | None], list[UserSubmission]], limit: int | None
) -> Iterator[UserSubmission]:
    before_id: int | None = None
    remaining = limit
    while remaining is None or remaining > 0:
        wanted = PAGE if remaining is None else min(remaining, PAGE)
        rows = page(wanted, before_id)
        yield from rows
        if len(rows) < wanted:
            return
        remaining = None if remaining is None else remaining - len(rows)
        before_id = rows[-1].id
