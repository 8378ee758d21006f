"""Is this message stored? The one answer that all commands go by: a row speaks only for a message of its own kind, and
only in a database that is proven to be the processor's."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from itertools import islice
from typing import assert_never

from b2bpilot.ops.table.asked import Table
from b2bpilot.pipeline.message import PilotMessage
from b2bpilot.pipeline.models import Progress, SubmissionStatus

PAGE = 1_000


class RowState(StrEnum):
    """A message's row, as far as it matters to a redrive."""

    NOT_STORED = "not stored"
    FAILED = "failed"
    COMPLETED = "completed"
    IN_PROGRESS = "in progress"
    """A run holds the lease."""
    STUCK = "stuck"
    """Nobody works on it: its lease is over, or it was never claimed."""
    ABANDONED = "abandoned"
    UNREADABLE = "unreadable"
    """The row's status is another version's."""
    OTHER_KIND = "id taken"
    """A test has the id of a real message, or the reverse: the row is not this message's, and the processor refuses it."""
    UNKNOWN = "unknown"
    """The database is not proven to be the processor's."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A message as the table is asked about it: its id alone would let a test stand for a real message."""

    message_id: str
    test: bool = False

    @classmethod
    def of(cls, message: PilotMessage) -> Asked:
        return cls(message.message_id, message.test)


def row_states(
    table: Table, messages: Iterable[Asked], *, now: datetime | None = None
) -> dict[Asked, RowState]:
    """Return the state of every message, asked a thousand at a time. `now` is the table's clock. Raises DatabaseError."""
    asked = list(dict.fromkeys(messages))
    if not asked:
        return {}
    if not table.proof.is_proven:
        return dict.fromkeys(asked, RowState.UNKNOWN)
    moment = now or table.now()
    states: dict[Asked, RowState] = {}
    for page in pages(asked):
        rows = table.progress_of(ids_of(page))
        states |= {one: row_state(rows.get(one.message_id), one, now=moment) for one in page}
    return states


def rows_of(table: Table, messages: Iterable[Asked]) -> dict[Asked, Progress]:
    """Return the rows that are these messages' own; none where the database is not proven. Raises DatabaseError."""
    found: dict[Asked, Progress] = {}
    if not table.proof.is_proven:
        return found
    for page in pages(messages):
        rows = table.progress_of(ids_of(page))
        found |= {one: row for one in page if (row := rows.get(one.message_id)) and row.test is one.test}
    return found


def row_state(row: Progress | None, asked: Asked, *, now: datetime) -> RowState:
    """Return what a row in a proven database says of the message."""
    if row is None:
        return RowState.NOT_STORED
    return _state(row, now=now) if row.test is asked.test else RowState.OTHER_KIND


def _state(row: Progress, *, now: datetime) -> RowState:
    match row.status:
        case SubmissionStatus.COMPLETED:
            return RowState.COMPLETED
        case SubmissionStatus.FAILED:
            return RowState.FAILED
        case SubmissionStatus.ABANDONED:
            return RowState.ABANDONED
        case SubmissionStatus.PENDING | SubmissionStatus.PROCESSING:
            return RowState.IN_PROGRESS if row.is_leased(now=now) else RowState.STUCK
        case str():
            return RowState.UNREADABLE
        case _:
            assert_never(row.status)


def by_id(states: Mapping[Asked, RowState]) -> dict[str, RowState]:
    """Return states by message_id, for messages of one kind."""
    return {one.message_id: state for one, state in states.items()}


def ids_of(messages: Iterable[Asked]) -> list[str]:
    return list(dict.fromkeys(one.message_id for one in messages))


def pages(messages: Iterable[Asked]) -> Iterator[list[Asked]]:
    remaining = iter(messages)
    while page := list(islice(remaining, PAGE)):
        yield page
