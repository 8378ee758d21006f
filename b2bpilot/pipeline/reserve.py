"""How much the processor can take beside the messages that come in by themselves, and whether it took it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from b2bpilot.pipeline.models import Progress, SubmissionStatus
from b2bpilot.pipeline.waiting import monotonic, wait_until

Answered = Callable[[Sequence[str]], bool]
"""Tells whether the processor has had a run for each of these messages."""

PAUSE_SECONDS = 0.1
PATIENCE_SECONDS = 5.0
"""A message is stored within milliseconds. One that is not within seconds waits, and so would the next."""
RUN_SECONDS = 25.0
"""Half of the function's own time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reserve:
    """How many of the processor's executions one run may fill at a time; at least one, whatever the load is. It is not
    known where CloudWatch did not say how the processor does."""

    runs: int
    is_known: bool = True

    @classmethod
    def of(cls, concurrency: int, throttled: float | None) -> Reserve:
        """Back off by the share of executions that were throttled lately; None where nobody could say it."""
        free = concurrency if throttled is None else int(concurrency * (1 - throttled))
        return cls(runs=max(1, free), is_known=throttled is not None)


class ProgressRows(Protocol):
    def now(self) -> datetime: ...

    def progress_of(self, message_ids: Sequence[str]) -> Mapping[str, Progress]: ...


class ReserveWatch:
    """Waits until the processor has answered for what was published, within the run's own time."""

    def __init__(self, rows: ProgressRows) -> None:
        self._rows = rows
        self._began_at = rows.now()
        self._ends_at = monotonic() + RUN_SECONDS

    def has_answered(self, message_ids: Sequence[str]) -> bool:
        """Return whether each has had its run, completed or not; False when that takes long."""
        is_answered = wait_until(
            lambda: all(map(self._is_answered, self._progress(message_ids))),
            seconds=min(PATIENCE_SECONDS, self._ends_at - monotonic()),
            pause_seconds=PAUSE_SECONDS,
        )
        return is_answered and monotonic() < self._ends_at

    def _progress(self, message_ids: Sequence[str]) -> list[Progress]:
        return list(self._rows.progress_of(message_ids).values())

    def _is_answered(self, row: Progress) -> bool:
        """A run that failed has answered, too: it holds no execution any more."""
        if row.status in (SubmissionStatus.COMPLETED, SubmissionStatus.ABANDONED):
            return True
        return row.status is not SubmissionStatus.PROCESSING and row.updated_at > self._began_at
