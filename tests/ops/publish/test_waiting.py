"""Waiting for a row, by a clock that the test moves."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest

from b2bpilot.errors import PublishFailed, TimedOut, UsageError
from b2bpilot.ops.publish import (
    Verdict,
    Waited,
    compose,
    publish_and_wait,
    require_stored,
    wait_until_stored,
)
from b2bpilot.pipeline.message import Encoded, PilotMessage, decode
from b2bpilot.pipeline.models import SubmissionStatus, UserSubmission

NOW = datetime(2026, 10, 1, tzinfo=UTC)
MESSAGE_ID = "6a2a4cf4-5b3e-4f0e-9d62-6e9f2c4d7a10"


def row(status: SubmissionStatus, *, attempts: int = 1, error: str | None = None) -> UserSubmission:
    return UserSubmission(
        id=1,
        message_id=MESSAGE_ID,
        message_sid=None,
        from_number=None,
        to_number=None,
        body=None,
        num_media=0,
        status=status,
        source="cli",
        message_type="test",
        priority="normal",
        test=True,
        params=None,
        attempts=attempts,
        lease_expires_at=None,
        last_error=error,
        reply_state=None,
        reply_sid=None,
        stale_attempts=0,
        received_at=NOW,
        created_at=NOW,
        updated_at=NOW,
        completed_at=NOW + timedelta(milliseconds=12) if status is SubmissionStatus.COMPLETED else None,
    )


@dataclass
class Table:
    """A table whose row changes as time passes: (second, row), in order."""

    history: list[tuple[float, UserSubmission]] = field(default_factory=list)
    time: float = 0
    looks: int = 0

    def get_submission_by_message_id(self, message_id: str) -> UserSubmission | None:
        assert message_id == MESSAGE_ID
        self.looks += 1
        return next((row for since, row in reversed(self.history) if since <= self.time), None)

    def monotonic(self) -> float:
        return self.time

    def sleep(self, seconds: float) -> None:
        self.time += seconds


def waited(table: Table, *, seconds: float = 30, said: list[str] | None = None) -> Waited:
    said = [] if said is None else said
    timeout = timedelta(seconds=seconds)
    return wait_until_stored(
        MESSAGE_ID, table, timeout=timeout, observe=said.append, monotonic=table.monotonic, sleep=table.sleep
    )


def test_a_completed_row_ends_the_wait_soon_after_it_appears() -> None:
    table = Table([(0.05, row(SubmissionStatus.COMPLETED))])
    result = waited(table)
    assert (result.verdict, result.latency) == (Verdict.STORED, timedelta(milliseconds=12))
    assert table.time < 0.1


def test_an_abandoned_row_ends_the_wait() -> None:
    table = Table([(1, row(SubmissionStatus.ABANDONED))])
    assert waited(table).verdict is Verdict.ABANDONED
    assert table.time < 2


def test_a_failed_attempt_is_told_once_and_the_next_one_waited_for() -> None:
    history = [
        (1.0, row(SubmissionStatus.FAILED, attempts=1, error="no CRM")),
        (5.0, row(SubmissionStatus.FAILED, attempts=2, error="still no CRM")),
        (9.0, row(SubmissionStatus.COMPLETED, attempts=3)),
    ]
    said: list[str] = []
    assert waited(Table(history), said=said).verdict is Verdict.STORED
    assert said == [
        "Attempt 1 failed: no CRM; waiting for Lambda's next one",
        "Attempt 2 failed: still no CRM; waiting for Lambda's next one",
    ]


@pytest.mark.parametrize(
    ("history", "verdict"),
    [
        ([], Verdict.NOT_STORED),
        ([(0, row(SubmissionStatus.PROCESSING))], Verdict.NOT_STORED),
        ([(0, row(SubmissionStatus.FAILED))], Verdict.FAILED),
    ],
)
def test_the_time_is_kept(history: list[tuple[float, UserSubmission]], verdict: Verdict) -> None:
    table = Table(history)
    assert waited(table).verdict is verdict
    assert table.time == pytest.approx(30)


def test_the_database_is_not_asked_more_than_twice_a_second_for_long() -> None:
    table = Table()
    waited(table, seconds=60)
    assert table.looks < 140


@pytest.mark.parametrize(
    ("verdict", "found", "said"),
    [
        (Verdict.NOT_STORED, None, "it has no row"),
        (Verdict.NOT_STORED, row(SubmissionStatus.PROCESSING), "a run still works on it"),
        (
            Verdict.FAILED,
            row(SubmissionStatus.FAILED, attempts=2, error="no CRM"),
            "attempt 2 failed: no CRM",
        ),
        (Verdict.ABANDONED, row(SubmissionStatus.ABANDONED, error="no CRM"), "it was abandoned: no CRM"),
    ],
)
def test_what_is_not_stored_is_an_error(verdict: Verdict, found: UserSubmission | None, said: str) -> None:
    with pytest.raises(TimedOut, match=f"not stored within 30 s: {said}"):
        require_stored(MESSAGE_ID, Waited(verdict=verdict, submission=found), timeout=timedelta(seconds=30))


class Topic:
    """Keeps what it is given, or refuses it."""

    def __init__(self, error: Exception | None = None) -> None:
        self.error = error
        self.sent: list[Encoded] = []

    def publish(self, message: Encoded) -> str:
        if self.error:
            raise self.error
        self.sent.append(message)
        return "sns id"


def message() -> PilotMessage:
    return compose({}, message_id=MESSAGE_ID, real=False, now=NOW - timedelta(seconds=1))


def publish_to(topic: Topic, table: Table, published: list[str]) -> Waited:
    return publish_and_wait(
        message(),
        topic,
        table,
        timeout=timedelta(seconds=1),
        clock=lambda: NOW,
        published=published.append,
        observe=lambda _: None,
    )


def test_a_message_counts_as_received_when_it_is_published() -> None:
    topic = Topic()
    publish_to(topic, Table([(0, row(SubmissionStatus.COMPLETED))]), [])
    assert decode(topic.sent[0].body).received_at == NOW


def test_a_row_completed_before_is_not_taken_for_a_new_success() -> None:
    published: list[str] = []
    result = publish_to(Topic(), Table([(0, row(SubmissionStatus.COMPLETED))]), published)
    assert (result.verdict, result.latency, published) == (Verdict.STORED_BEFORE, None, ["sns id"])


def test_a_refused_message_is_not_told_to_be_published() -> None:
    published: list[str] = []
    with pytest.raises(PublishFailed):
        publish_to(Topic(PublishFailed("no")), Table(), published)
    assert published == []


def test_a_real_message_is_not_filled_up_with_test_numbers() -> None:
    with pytest.raises(UsageError, match="needs its own To"):
        compose({"From": "+1", "Body": "x"}, message_id=None, real=True, now=NOW)
