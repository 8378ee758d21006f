"""The proof of many messages, by a table and a clock that the test moves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest

from b2bpilot.errors import DatabaseUnreachable
from b2bpilot.ops.publish.echo import sentence
from b2bpilot.ops.publish.proof import Proof, completed_before, prove
from b2bpilot.ops.publish.waiting import Verdict
from b2bpilot.pipeline.models import Progress, SubmissionStatus

NOW = datetime(2026, 10, 1, tzinfo=UTC)


def row(
    message_id: str, status: SubmissionStatus, *, attempts: int = 1, error: str | None = None
) -> Progress:
    return Progress(
        message_id=message_id,
        status=status,
        attempts=attempts,
        lease_expires_at=None,
        last_error=error,
        completed_at=None,
        updated_at=NOW,
    )


@dataclass
class Rows:
    """(second, row), in order; unreachable until `down_until`."""

    history: Sequence[tuple[float, Progress]] = ()
    down_until: float = -1
    time: float = 0
    asked: list[int] = field(default_factory=list)

    def progress_of(self, message_ids: Sequence[str]) -> dict[str, Progress]:
        self.asked.append(len(message_ids))
        if self.time < self.down_until:
            raise DatabaseUnreachable("gone")
        return {
            row.message_id: row
            for since, row in self.history
            if since <= self.time and row.message_id in message_ids
        }

    def sleep(self, seconds: float) -> None:
        self.time += seconds


def proof_of(
    rows: Rows, *message_ids: str, seconds: float = 30, before: frozenset[str] = frozenset()
) -> Proof:
    return prove(
        rows,
        message_ids,
        timeout=timedelta(seconds=seconds),
        before=before,
        clock=lambda: rows.time,
        sleep=rows.sleep,
    )


def test_it_ends_when_all_are_decided_and_asks_only_about_the_rest() -> None:
    rows = Rows([(0, row("a", SubmissionStatus.COMPLETED)), (3, row("b", SubmissionStatus.COMPLETED))])
    assert proof_of(rows, "a", "b").stored == 2
    assert rows.time < 6
    assert rows.asked[1:] == [1] * (len(rows.asked) - 1)


def test_a_failed_attempt_is_waited_for_and_the_last_one_is_not() -> None:
    history = [
        (0, row("a", SubmissionStatus.FAILED, attempts=1, error="no CRM")),
        (2, row("a", SubmissionStatus.COMPLETED, attempts=2)),
        (0, row("b", SubmissionStatus.FAILED, attempts=3, error="no CRM")),
    ]
    stored, failed = proof_of(Rows(history), "a", "b").messages
    assert stored.verdict is Verdict.STORED
    assert (failed.verdict, failed.why) == (Verdict.FAILED, "attempt 3 failed: no CRM")


def test_what_is_not_decided_in_time_is_not_stored() -> None:
    rows = Rows([(0, row("a", SubmissionStatus.PROCESSING))])
    proof = proof_of(rows, "a", "b", seconds=5)
    assert [one.why for one in proof.not_stored] == ["a run still works on it", "it has no row"]
    assert rows.time == pytest.approx(5)


def test_what_was_completed_before_is_no_new_success() -> None:
    rows = Rows([(0, row("a", SubmissionStatus.COMPLETED))])
    before = completed_before(rows, ["a", "b"])
    assert proof_of(rows, "a", before=before).counts() == {"stored_before": 1}


def test_a_database_that_comes_back_in_time_is_asked_again() -> None:
    rows = Rows([(0, row("a", SubmissionStatus.COMPLETED))], down_until=4)
    assert proof_of(rows, "a").stored == 1


def test_a_database_that_stays_away_is_an_error() -> None:
    with pytest.raises(DatabaseUnreachable):
        proof_of(Rows(down_until=100), "a", seconds=5)


def test_deliveries_are_told_in_one_phrase() -> None:
    events = {"stored": 1, "duplicate": 2, "in_progress": 1}
    assert sentence(events, 5) == (
        "1 stored, 2 skipped as a duplicate, 1 left alone, because a lease on it held, 1 not in the log yet"
    )
