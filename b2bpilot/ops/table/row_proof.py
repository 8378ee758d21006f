"""The row proof: what the rows say of messages that were sent, until each is decided or the time is over."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import assert_never

from b2bpilot.errors import DatabaseUnreachable
from b2bpilot.ops.table.asked import Table
from b2bpilot.ops.table.database_proof import DatabaseProof
from b2bpilot.ops.table.row_state import Asked, rows_of
from b2bpilot.pipeline.models import Progress, SubmissionStatus
from b2bpilot.pipeline.waiting import wait_until

ATTEMPTS = 3
"""As template.yaml has it: one, and two retries."""
FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 0.02, 1.0


class RowOutcome(StrEnum):
    """What became of a message, by its row."""

    COMPLETED = "completed"
    FAILED = "failed again"
    ABANDONED = "abandoned"
    DISCARDED = "discarded"
    """A person discarded it: the processor skips it, and nothing is stored."""
    OPEN = "unknown"
    """Not decided within the time: no row of its own yet, or a run still works on it."""
    UNPROVEN = "unproven"
    """Nobody was asked: the database is not proven to be the processor's."""
    NO_ROW = "no row of ours"
    """There is nothing to ask: it is another subscriber's message."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Proven:
    """What a message's row said last. `row` is None when there was none, or none of its own."""

    message: Asked
    outcome: RowOutcome
    row: Progress | None = None

    @property
    def message_id(self) -> str:
        return self.message.message_id

    @property
    def is_completed(self) -> bool:
        return self.outcome is RowOutcome.COMPLETED

    @property
    def error(self) -> str | None:
        """Why the run failed, or stored nothing, by the row."""
        if self.outcome is RowOutcome.DISCARDED and self.row:
            return f"a person discarded the message in run {self.row.discarded_by}"
        is_failure = self.outcome in (RowOutcome.FAILED, RowOutcome.ABANDONED)
        return (self.row.last_error if self.row else None) or "no error recorded" if is_failure else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """The outcomes of all messages, in the order in which they were asked for."""

    messages: Mapping[Asked, Proven] = field(repr=False)

    def outcome(self, message: Asked) -> RowOutcome:
        found = self.messages.get(message)
        return found.outcome if found else RowOutcome.OPEN

    def error(self, message: Asked) -> str | None:
        found = self.messages.get(message)
        return found.error if found else None

    def count(self, outcome: RowOutcome) -> int:
        return sum(one.outcome is outcome for one in self.messages.values())


FailureCounts = Callable[[Progress], bool]
"""Whether a failure that stands in a row is the end: Lambda tries again."""


def failed_since(moment: datetime) -> FailureCounts:
    """A failure counts when the row was written after `moment`, by the database's clock: before it, it is the old failure
    that a redrive answers."""
    return lambda row: row.updated_at >= moment


def failed_for_good(row: Progress) -> bool:
    """A failed attempt is not the end before Lambda's last one; nor is it one after which the row was abandoned."""
    return row.status is SubmissionStatus.ABANDONED or row.attempts >= ATTEMPTS


@dataclass(frozen=True, slots=True, kw_only=True)
class ProofWatcher:
    """What is told while rows are looked at: how many are decided of how many, and each row as it is read."""

    observe: Callable[[int, int], None] = lambda _decided, _all: None
    rows: Callable[[Collection[Proven]], None] = lambda _: None
    is_enough: Callable[[Mapping[Asked, Proven]], bool] = lambda _: False
    """May end the looking before all are decided."""


QUIET = ProofWatcher()


class RowProof:
    """Looks at rows, less and less often, until all are decided. A database that goes away meanwhile is asked again until
    the time is over; then DatabaseUnreachable is raised."""

    def __init__(
        self,
        table: Table,
        *,
        failure_counts: FailureCounts = failed_for_good,
    ) -> None:
        self._table, self._failure_counts = table, failure_counts

    def prove(self, messages: Iterable[Asked], *, timeout: timedelta, watched: ProofWatcher = QUIET) -> Proof:
        found = {one: Proven(message=one, outcome=RowOutcome.OPEN) for one in messages}
        if not found or not self._table.proof.is_proven:
            return _not_asked(found, self._table.proof) if found else Proof(messages={})
        gone: DatabaseUnreachable | None = None

        def is_enough() -> bool:
            nonlocal gone
            gone, read = None, []
            try:
                read = self._read(one.message for one in found.values() if one.outcome is RowOutcome.OPEN)
            except DatabaseUnreachable as exc:
                gone = exc
            found.update({one.message: one for one in read})
            watched.rows(read)
            decided = sum(one.outcome is not RowOutcome.OPEN for one in found.values())
            watched.observe(decided, len(found))
            return decided == len(found) or watched.is_enough(found)

        enough = wait_until(
            is_enough,
            seconds=timeout.total_seconds(),
            pause_seconds=FIRST_PAUSE_SECONDS,
            longest_pause_seconds=LONGEST_PAUSE_SECONDS,
        )
        if gone and not enough:
            raise gone
        return Proof(messages=found)

    def _read(self, messages: Iterable[Asked]) -> list[Proven]:
        rows = rows_of(self._table, messages)
        return [Proven(message=one, outcome=self._outcome(row), row=row) for one, row in rows.items()]

    def _outcome(self, row: Progress) -> RowOutcome:
        if row.discarded_by and not row.is_completed:
            return RowOutcome.DISCARDED
        match row.status:
            case SubmissionStatus.COMPLETED:
                return RowOutcome.COMPLETED
            case SubmissionStatus.FAILED:
                return RowOutcome.FAILED if self._failure_counts(row) else RowOutcome.OPEN
            case SubmissionStatus.ABANDONED:
                return RowOutcome.ABANDONED if self._failure_counts(row) else RowOutcome.OPEN
            case SubmissionStatus.PENDING | SubmissionStatus.PROCESSING | str():
                return RowOutcome.OPEN
            case _:
                assert_never(row.status)


def has_arrived(row: Progress, *, since: datetime) -> bool:
    """Whether the processor got the message after `since`, or needs it no more. A row is abandoned by the stale processor,
    because nobody works on it, or by a person; what a person discarded is skipped."""
    if row.status is SubmissionStatus.ABANDONED or (row.discarded_by and not row.is_completed):
        return False
    return row.status is SubmissionStatus.COMPLETED or row.updated_at >= since


def _not_asked(messages: Iterable[Asked], proof: DatabaseProof) -> Proof:
    outcome = RowOutcome.UNPROVEN if proof.is_asked else RowOutcome.NO_ROW
    return Proof(messages={one: Proven(message=one, outcome=outcome) for one in messages})
