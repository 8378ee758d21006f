"""The proof, row by row: what the database says of messages that were sent, until each is decided or the time is over."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Protocol

from b2bpilot.errors import DatabaseUnreachable, Refused
from b2bpilot.ops.publish.waiting import ATTEMPTS, Verdict
from b2bpilot.pipeline.models import Progress, SubmissionStatus

CHUNK = 1_000
FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 0.05, 1.0


class Rows(Protocol):
    """The part of DatabaseManager that the proof uses."""

    def progress_of(self, message_ids: Sequence[str]) -> dict[str, Progress]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Proven:
    """What a message's row said last. `row` is None when there was none."""

    message_id: str
    verdict: Verdict
    row: Progress | None = None

    @property
    def is_stored(self) -> bool:
        return self.verdict in (Verdict.STORED, Verdict.STORED_BEFORE)

    @property
    def why(self) -> str | None:
        """Why it is not stored, in one phrase."""
        row = self.row
        match self.verdict:
            case Verdict.STORED | Verdict.STORED_BEFORE:
                return None
            case Verdict.FAILED if row:
                return f"attempt {row.attempts} failed: {row.last_error}"
            case Verdict.ABANDONED if row:
                return f"abandoned: {row.last_error}"
        return "a run still works on it" if row else "it has no row"


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """The verdicts of all messages, in the order in which they were asked for."""

    messages: Sequence[Proven] = field(repr=False)

    def count(self, *verdicts: Verdict) -> int:
        return sum(one.verdict in verdicts for one in self.messages)

    @property
    def stored(self) -> int:
        return self.count(Verdict.STORED, Verdict.STORED_BEFORE)

    @property
    def not_stored(self) -> Sequence[Proven]:
        return [one for one in self.messages if not one.is_stored]

    def counts(self) -> dict[str, int]:
        return {verdict.value: self.count(verdict) for verdict in Verdict if self.count(verdict)}


def completed_before(rows: Rows, message_ids: Iterable[str]) -> frozenset[str]:
    """Return which of the messages are completed already: what is sent now is no new success for them."""
    return frozenset(
        row.message_id
        for page in _pages(list(message_ids))
        for row in rows.progress_of(page).values()
        if row.status is SubmissionStatus.COMPLETED
    )


def require_same_kind(rows: Rows, message_ids: Iterable[str], *, test: bool) -> None:
    """Raise Refused when a message has the id of a real one and is a test, or the reverse: it would become a dead letter."""
    for page in _pages(list(message_ids)):
        for row in rows.progress_of(page).values():
            if row.test is not test:
                kind, other = ("test", "real") if test else ("real", "test")
                raise Refused(
                    f"{row.message_id} is the id of a {other} message: a {kind} message cannot have it. Nothing was published",
                    hint=f"leave the id out, or look at that one: `b2bpilot inspect {row.message_id}`",
                )


def prove(
    rows: Rows,
    message_ids: Sequence[str],
    *,
    timeout: timedelta,
    before: frozenset[str] = frozenset(),
    observe: Callable[[int, int], None] = lambda _decided, _all: None,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> Proof:
    """Look at the rows, less and less often, until all are decided. A failed attempt is not the end before the last one.

    A database that goes away meanwhile is asked again until the time is over; then DatabaseUnreachable is raised.
    """
    decided: dict[str, Proven] = {}
    last: Mapping[str, Progress] = {}
    deadline = clock() + timeout.total_seconds()
    pause = FIRST_PAUSE_SECONDS
    while True:
        open_ = [message_id for message_id in message_ids if message_id not in decided]
        try:
            last = _look(rows, open_)
        except DatabaseUnreachable:
            if clock() >= deadline:
                raise
        decided |= {id_: _proven(id_, row, before) for id_, row in last.items() if _is_decided(row)}
        observe(len(decided), len(message_ids))
        remaining = deadline - clock()
        if len(decided) == len(message_ids) or remaining <= 0:
            break
        sleep(min(pause, remaining))
        pause = min(pause * 1.5, LONGEST_PAUSE_SECONDS)
    return Proof(messages=[decided.get(id_) or _proven(id_, last.get(id_), before) for id_ in message_ids])


def _look(rows: Rows, message_ids: Sequence[str]) -> dict[str, Progress]:
    found: dict[str, Progress] = {}
    for page in _pages(message_ids):
        found |= rows.progress_of(page)
    return found


def _pages(message_ids: Sequence[str]) -> Iterator[Sequence[str]]:
    for start in range(0, len(message_ids), CHUNK):
        yield message_ids[start : start + CHUNK]


def _is_decided(row: Progress) -> bool:
    match row.status:
        case SubmissionStatus.COMPLETED | SubmissionStatus.ABANDONED:
            return True
        case SubmissionStatus.FAILED:
            return row.attempts >= ATTEMPTS
    return False


VERDICTS: Mapping[str, Verdict] = {
    SubmissionStatus.COMPLETED: Verdict.STORED,
    SubmissionStatus.ABANDONED: Verdict.ABANDONED,
    SubmissionStatus.FAILED: Verdict.FAILED,
}
"""By status; any other has not come to an end."""


def _proven(message_id: str, row: Progress | None, before: frozenset[str]) -> Proven:
    verdict = Verdict.NOT_STORED
    if row is not None:
        verdict = VERDICTS.get(row.status, Verdict.NOT_STORED)
    if verdict is Verdict.STORED and message_id in before:
        verdict = Verdict.STORED_BEFORE
    return Proven(message_id=message_id, verdict=verdict, row=row)
