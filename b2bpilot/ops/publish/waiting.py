"""Waiting until the pipeline has stored a message, by what its row says."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Protocol, assert_never

from b2bpilot.errors import TimedOut
from b2bpilot.ops.publish.compose import Publisher, publish
from b2bpilot.pipeline.message import PilotMessage
from b2bpilot.pipeline.models import SubmissionStatus, UserSubmission

ATTEMPTS = 3
"""As template.yaml has it: one, and two retries."""
FIRST_LOOK_AFTER_SECONDS, LONGEST_PAUSE_SECONDS = 0.01, 0.5


class Submissions(Protocol):
    def get_submission_by_message_id(self, message_id: str) -> UserSubmission | None: ...


class Verdict(StrEnum):
    """What the row says when the waiting ends."""

    STORED = "stored"
    STORED_BEFORE = "stored_before"
    """The message was completed before it was published now; the processor skips it as a duplicate."""
    FAILED = "failed"
    ABANDONED = "abandoned"
    NOT_STORED = "not_stored"
    """No row, or one that a run still works on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Waited:
    """What became of a message. `latency` is from received to completed, by the row's clock."""

    verdict: Verdict
    submission: UserSubmission | None = None

    @property
    def latency(self) -> timedelta | None:
        row = self.submission
        if self.verdict is not Verdict.STORED or not (row and row.received_at and row.completed_at):
            return None
        return row.completed_at - row.received_at


def publish_and_wait(
    message: PilotMessage,
    publisher: Publisher,
    submissions: Submissions,
    *,
    timeout: timedelta,
    clock: Callable[[], datetime],
    published: Callable[[str], None],
    observe: Callable[[str], None],
) -> Waited:
    """Publish, tell SNS's id to `published`, and wait. The database is asked first, so that nothing is published when
    it cannot be reached, and so that an old row is not taken for a new success. Raises what `publish` raises."""
    before = submissions.get_submission_by_message_id(message.message_id)
    published(publish(message, publisher, clock=clock))
    if before is not None and before.status is SubmissionStatus.COMPLETED:
        return Waited(verdict=Verdict.STORED_BEFORE, submission=before)
    return wait_until_stored(message.message_id, submissions, timeout=timeout, observe=observe)


def require_stored(message_id: str, waited: Waited, *, timeout: timedelta) -> None:
    """Raise TimedOut unless the row is there, and say what the row says instead."""
    row = waited.submission
    last_error = row.last_error if row else None
    match waited.verdict:
        case Verdict.STORED | Verdict.STORED_BEFORE:
            return
        case Verdict.FAILED if row and row.attempts >= ATTEMPTS:
            raise TimedOut(
                f"message {message_id} was published and failed {row.attempts} times: {last_error}",
                hint=f"Lambda makes it a dead letter: `b2bpilot dlq show {message_id}`",
            )
        case Verdict.FAILED:
            found = f"attempt {row.attempts if row else 0} failed: {last_error}"
        case Verdict.ABANDONED:
            found = f"it was abandoned: {last_error}"
        case Verdict.NOT_STORED:
            found = "a run still works on it" if row else "it has no row"
        case _:
            assert_never(waited.verdict)
    raise TimedOut(
        f"message {message_id} was published, but not stored within {timeout.total_seconds():g} s: {found}",
        hint=f"look again with `b2bpilot inspect {message_id}`",
    )


def wait_until_stored(
    message_id: str,
    submissions: Submissions,
    *,
    timeout: timedelta,
    observe: Callable[[str], None],
    monotonic: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> Waited:
    """Look at the row until it is completed or abandoned, or the time is up. A failed attempt is not the end before the
    last one: Lambda tries again, and then writes a dead letter."""
    deadline = monotonic() + timeout.total_seconds()
    pause = FIRST_LOOK_AFTER_SECONDS
    told = 0
    while True:
        row = submissions.get_submission_by_message_id(message_id)
        if row is not None and row.status in (SubmissionStatus.COMPLETED, SubmissionStatus.ABANDONED):
            return Waited(verdict=_verdict(row), submission=row)
        if row is not None and row.status is SubmissionStatus.FAILED and row.attempts > told:
            told = row.attempts
            if row.attempts >= ATTEMPTS:
                return Waited(verdict=Verdict.FAILED, submission=row)
            observe(f"Attempt {row.attempts} failed: {row.last_error}; waiting for Lambda's next one")
        remaining = deadline - monotonic()
        if remaining <= 0:
            return Waited(verdict=_verdict(row), submission=row)
        sleep(min(pause, remaining))
        pause = min(pause * 1.5, LONGEST_PAUSE_SECONDS)


def _verdict(row: UserSubmission | None) -> Verdict:
    verdicts: dict[str, Verdict] = {
        SubmissionStatus.COMPLETED: Verdict.STORED,
        SubmissionStatus.ABANDONED: Verdict.ABANDONED,
        SubmissionStatus.FAILED: Verdict.FAILED,
    }
    return verdicts.get(row.status, Verdict.NOT_STORED) if row else Verdict.NOT_STORED
