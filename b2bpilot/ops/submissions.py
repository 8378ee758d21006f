"""Reading the table page by page."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from b2bpilot.pipeline.models import SubmissionStatus, UserSubmission

PAGE = 500


class Listing(Protocol):
    def list_submissions(
        self,
        *,
        status: SubmissionStatus | None = None,
        since: datetime | None = None,
        limit: int = 20,
        before_id: int | None = None,
    ) -> list[UserSubmission]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """Which rows, newest first, and how many at most."""

    status: SubmissionStatus | None = None
    since: datetime | None = None
    limit: int = 20


def select(table: Listing, query: Query) -> Iterator[UserSubmission]:
    """Return the rows, one page in memory at a time."""
    before_id: int | None = None
    remaining = query.limit
    while remaining > 0:
        wanted = min(remaining, PAGE)
        page = table.list_submissions(
            status=query.status, since=query.since, limit=wanted, before_id=before_id
        )
        yield from page
        if len(page) < wanted:
            return
        remaining -= len(page)
        before_id = page[-1].id
