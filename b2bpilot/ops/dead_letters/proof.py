"""The proof: what the rows say after a redrive, until each message is decided or the time is over."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Protocol

from b2bpilot.pipeline.models import Progress, SubmissionStatus

CHUNK = 1_000
FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 0.02, 1.0


class Fate(StrEnum):
    """What became of a message."""

    COMPLETED = "completed"
    FAILED_AGAIN = "failed again"
    UNKNOWN = "unknown"
    """Not decided within the time: no row yet, or a run still works on it."""


class Rows(Protocol):
    """The part of DatabaseManager that the proof uses."""

    def progress_of(self, message_ids: Sequence[str]) -> dict[str, Progress]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """Fates by message_id; `reasons` holds the row's error of those that failed again."""

    fates: Mapping[str, Fate]
    reasons: Mapping[str, str] = field(default_factory=dict)


class Prover:
    """Looks at rows, less and less often, until all are decided."""

    def __init__(
        self,
        rows: Rows,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._rows, self._clock, self._sleep = rows, clock, sleep

    def prove(
        self,
        message_ids: Sequence[str],
        *,
        since: datetime,
        timeout: timedelta,
        observe: Callable[[int, int], None] = lambda _decided, _all: None,
        arrived: Callable[[Collection[str]], None] = lambda _: None,
        is_enough: Callable[[Mapping[str, Fate]], bool] = lambda _: False,
    ) -> Proof:
        """Return each message's fate. A failure counts only when the row was written after `since`, by the database's
        clock: before it, it is the old failure that the redrive answers.

        `arrived` hears of messages whose rows show that the processor got them, perhaps more than once; after it,
        `is_enough` may end the looking before all are decided.
        """
        fates = dict.fromkeys(message_ids, Fate.UNKNOWN)
        reasons: dict[str, str] = {}
        deadline = self._clock() + timeout.total_seconds()
        pause = FIRST_PAUSE_SECONDS
        while open_ := [message_id for message_id, fate in fates.items() if fate is Fate.UNKNOWN]:
            rows = self._look(open_)
            for row in rows:
                fates[row.message_id] = fate_of(row, since=since)
                if fates[row.message_id] is Fate.FAILED_AGAIN:
                    reasons[row.message_id] = row.last_error or "no error recorded"
            arrived([row.message_id for row in rows if has_arrived(row, since=since)])
            observe(sum(fate is not Fate.UNKNOWN for fate in fates.values()), len(fates))
            is_over = self._clock() >= deadline or Fate.UNKNOWN not in fates.values()
            if is_over or is_enough(fates):
                break
            self._sleep(min(pause, max(0.0, deadline - self._clock())))
            pause = min(pause * 1.5, LONGEST_PAUSE_SECONDS)
        return Proof(fates=fates, reasons=reasons)

    def _look(self, message_ids: Sequence[str]) -> list[Progress]:
        found: list[Progress] = []
        for start in range(0, len(message_ids), CHUNK):
            found += self._rows.progress_of(message_ids[start : start + CHUNK]).values()
        return found


def has_arrived(row: Progress, *, since: datetime) -> bool:
    """Whether the processor got the message after `since`, or needs it no more. A row is abandoned by the stale processor,
    because nobody works on it."""
    if row.status is SubmissionStatus.ABANDONED:
        return False
    return row.status is SubmissionStatus.COMPLETED or row.updated_at >= since


def fate_of(row: Progress, *, since: datetime) -> Fate:
    match row.status:
        case SubmissionStatus.COMPLETED:
            return Fate.COMPLETED
        case SubmissionStatus.FAILED | SubmissionStatus.ABANDONED if row.updated_at >= since:
            return Fate.FAILED_AGAIN
    return Fate.UNKNOWN
