"""Is this message stored? The one answer that all commands go by: a row speaks only for a message of its own kind, and
only in a database that is proven to be the processor's."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from itertools import islice
from typing import assert_never

from b2bpilot.ops.table.asked import Table, WholeTable
from b2bpilot.pipeline.arrivals import stored_without_message_id
from b2bpilot.pipeline.message import PilotMessage
from b2bpilot.pipeline.models import Progress, SubmissionStatus, UserSubmission

PAGE = 1_000


class RowState(StrEnum):
    """A message's row, as far as it matters to a redrive."""

    NOT_STORED = "not stored"
    FAILED = "failed"
    COMPLETED = "completed"
    IN_PROGRESS = "in progress"
    """A lease holds: a run is at work on it, or died a moment ago."""
    STUCK = "stuck"
    """Nobody works on it: its lease is over, or it was never claimed."""
    ABANDONED = "abandoned"
    DISCARDED = "discarded"
    """A person discarded the message: no delivery of it is stored, until the run that did it is restored."""
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
    return rows_and_taken(table, messages)[0]


def rows_and_taken(table: Table, messages: Iterable[Asked]) -> tuple[dict[Asked, Progress], frozenset[Asked]]:
    """Return the rows that are these messages' own, and the messages whose id a row of the other kind has: the processor
    refuses them. Neither where the database is not proven. Raises DatabaseError."""
    found: dict[Asked, Progress] = {}
    if not table.proof.is_proven:
        return found, frozenset()
    for page in pages(messages):
        rows = table.progress_of(ids_of(page))
        found |= {one: row for one in page if (row := rows.get(one.message_id))}
    taken = frozenset(one for one, row in found.items() if row.test is not one.test)
    return {one: row for one, row in found.items() if one not in taken}, taken


def submission_of(table: WholeTable, message: Asked) -> tuple[RowState, UserSubmission | None]:
    """Return the state of one message, and its own row with all columns. Raises DatabaseError."""
    state = row_states(table, [message])[message]
    if state in (RowState.UNKNOWN, RowState.OTHER_KIND, RowState.NOT_STORED):
        return state, None
    return state, table.get_submission_by_message_id(message.message_id)


def discarded_in(table: Table, messages: Iterable[Asked]) -> dict[str, list[str]]:
    """Return the message_ids of those that a person discarded, by the run that did it. Raises DatabaseError."""
    found: dict[str, list[str]] = {}
    for one, row in rows_of(table, dict.fromkeys(messages)).items():
        if row.discarded_by and not row.is_completed:
            found.setdefault(row.discarded_by, []).append(one.message_id)
    return found


def old_rows_of(table: WholeTable, message_sids: Sequence[str]) -> set[str]:
    """Return which of Twilio's messages have a row from before rows had a message_id. Raises DatabaseError."""
    return stored_without_message_id(table.database, message_sids) if table.proof.is_proven else set()


def row_state(row: Progress | None, asked: Asked, *, now: datetime) -> RowState:
    """Return what a row in a proven database says of the message."""
    if row is None:
        return RowState.NOT_STORED
    return _state(row, now=now) if row.test is asked.test else RowState.OTHER_KIND


def _state(row: Progress, *, now: datetime) -> RowState:
    if row.discarded_by and not row.is_completed:
        return RowState.DISCARDED
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


def ids_of(messages: Iterable[Asked]) -> list[str]:
    return list(dict.fromkeys(one.message_id for one in messages))


def pages(messages: Iterable[Asked]) -> Iterator[list[Asked]]:
    remaining = iter(messages)
    while page := list(islice(remaining, PAGE)):
        yield page
