"""Reading the table page by page: all of it, or what a person may have to look at."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Protocol, assert_never

from b2bpilot.ops.table.row_proof import ATTEMPTS
from b2bpilot.pipeline.models import ReplyState, SubmissionStatus, UserSubmission

PAGE = 1_000
LAMBDA_RETRIES = timedelta(minutes=5)
"""Lambda tries a failed run again after one minute and after two more (facts A2)."""


class Listing(Protocol):
    def list_submissions(
        self,
        *,
        status: SubmissionStatus | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        from_number: str | None = None,
        test: bool | None = None,
        limit: int = 20,
        before_id: int | None = None,
    ) -> list[UserSubmission]: ...


class StuckListing(Protocol):
    def list_stuck(
        self, *, since: datetime | None = None, limit: int = 20, before_id: int | None = None
    ) -> list[UserSubmission]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """Which rows, newest first, and how many at most; all of them when `limit` is None."""

    status: SubmissionStatus | None = None
    since: datetime | None = None
    until: datetime | None = None
    from_number: str | None = None
    test: bool | None = None
    limit: int | None = 20


class Problem(StrEnum):
    """Why a row needs somebody, or soon may."""

    RECENT = "failed lately"
    """So lately, and so seldom, that Lambda may try it again by itself. A row does not say whether it does."""
    FAILED = "failed"
    ABANDONED = "abandoned"
    STUCK = "stuck"
    """Claimed, or recorded, and no run holds a lease on it."""
    REPLY_UNKNOWN = "reply unknown"
    REPLY_UNFINISHED = "reply unfinished"
    UNREADABLE = "unreadable"
    """Another version wrote a status that this one does not know."""


ADVICE = {
    Problem.RECENT: "failed within the last five minutes: Lambda may try again by itself, unless it is a dead letter already, which no row tells; `b2bpilot inspect` looks",
    Problem.FAILED: "mend the cause, then redrive its dead letter; without one the stale processor takes it up",
    Problem.ABANDONED: "nobody tries again: mend the cause, then redrive its dead letter, or publish the row with `b2bpilot submissions republish`",
    Problem.STUCK: "no run holds a lease on it: its run died, or takes long; Lambda's retry or the stale processor takes it over",
    Problem.REPLY_UNKNOWN: "look in Twilio's message log whether the reply went out; it is never sent again by itself",
    Problem.UNREADABLE: "its status is another version's: deploy that one again, or publish the row with `b2bpilot submissions republish`",
    Problem.REPLY_UNFINISHED: "its run died while Twilio was asked: the next run marks the reply unknown",
}


def select(table: Listing, query: Query) -> Iterator[UserSubmission]:
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


def problem_of(row: UserSubmission, *, now: datetime) -> Problem:
    """Name what is wrong with a row that `stuck` found."""
    match row.status:
        case SubmissionStatus.ABANDONED:
            return Problem.ABANDONED
        case SubmissionStatus.FAILED:
            is_recent = row.updated_at + LAMBDA_RETRIES > now and row.attempts < ATTEMPTS
            return Problem.RECENT if is_recent and not row.stale_attempts else Problem.FAILED
        case SubmissionStatus.PENDING | SubmissionStatus.PROCESSING | SubmissionStatus.COMPLETED:
            if row.reply_state is ReplyState.UNKNOWN:
                return Problem.REPLY_UNKNOWN
            return Problem.REPLY_UNFINISHED if row.reply_state is ReplyState.SENDING else Problem.STUCK
        case str():
            return Problem.UNREADABLE
        case _:
            assert_never(row.status)


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
