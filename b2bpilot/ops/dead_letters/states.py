"""What the database says about the messages in dead letters."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from itertools import islice
from typing import Protocol, assert_never

from b2bpilot.pipeline.dead_letter import DeadLetter
from b2bpilot.pipeline.models import Progress, SubmissionStatus

PAGE = 1_000


class Table(Protocol):
    """The part of DatabaseManager that is asked."""

    def progress_of(self, message_ids: Sequence[str]) -> Mapping[str, Progress]: ...


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
    """The status is another version's."""


class OwnRows:
    """The rows of letters' messages, without those in which another message of the same id is stored: a test message never
    stands for a real one, nor the reverse. Where there are letters of both, a row stands for neither."""

    def __init__(self, table: Table) -> None:
        self._table = table
        self._tests: set[str] = set()
        self._real: set[str] = set()

    def know(self, letters: Iterable[DeadLetter]) -> None:
        for message in (one.message for one in letters if one.message and one.owner.is_ours):
            (self._tests if message.test else self._real).add(message.message_id)

    def progress_of(self, message_ids: Sequence[str]) -> dict[str, Progress]:
        rows = self._table.progress_of(message_ids)
        return {id_: row for id_, row in rows.items() if id_ not in (self._real if row.test else self._tests)}


def row_states(table: Table, message_ids: Iterable[str], *, now: datetime) -> dict[str, RowState]:
    """Return the state of every message, asked a thousand at a time. Raises DatabaseError."""
    states: dict[str, RowState] = {}
    for page in _pages(message_ids):
        rows = table.progress_of(page)
        states |= {message_id: row_state(rows.get(message_id), now=now) for message_id in page}
    return states


def row_state(row: Progress | None, *, now: datetime) -> RowState:
    if row is None:
        return RowState.NOT_STORED
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


def _pages(message_ids: Iterable[str]) -> Iterator[list[str]]:
    remaining = iter(message_ids)
    while page := list(islice(remaining, PAGE)):
        yield page
