"""The row proof, by a table and a clock that the test moves."""

from __future__ import annotations

from collections.abc import Collection
from datetime import timedelta

import pytest

from b2bpilot.errors import DatabaseUnreachable
from b2bpilot.ops.table.row_proof import (
    FailureCounts,
    Proof,
    ProofWatcher,
    Proven,
    RowOutcome,
    RowProof,
    failed_for_good,
    failed_since,
)
from b2bpilot.ops.table.row_state import Asked
from b2bpilot.pipeline.models import SubmissionStatus
from b2bpilot.pipeline.waiting import going_by
from tests.ops.table.databases import UNPROVEN
from tests.ops.table.rows import NOW, ChangingTable, progress

A, B = Asked("a"), Asked("b")
SECOND = timedelta(seconds=1)


def proof_of(
    table: ChangingTable,
    *messages: Asked,
    seconds: float = 30,
    counts: FailureCounts = failed_for_good,
    watched: ProofWatcher | None = None,
) -> Proof:
    with going_by(table.clock):
        row_proof = RowProof(table, failure_counts=counts)
        return row_proof.prove(
            messages, timeout=timedelta(seconds=seconds), watched=watched or ProofWatcher()
        )


def test_it_ends_when_all_are_decided_and_asks_only_about_the_rest() -> None:
    completed = SubmissionStatus.COMPLETED
    table = ChangingTable([(0, progress("a", completed)), (3, progress("b", completed))])

    assert proof_of(table, A, B).count(RowOutcome.COMPLETED) == 2
    assert table.time < 6
    assert table.asked[1:] == [1] * (len(table.asked) - 1)


def test_the_pauses_grow_to_a_second_and_no_further() -> None:
    table = ChangingTable()

    proof_of(table, A, seconds=60)

    assert table.time == pytest.approx(60)
    assert 60 < len(table.asked) < 75


def test_a_failed_attempt_is_waited_for_and_the_last_one_is_not() -> None:
    history = [
        (0, progress("a", SubmissionStatus.FAILED, attempts=1, error="no CRM")),
        (2, progress("a", SubmissionStatus.COMPLETED, attempts=2)),
        (0, progress("b", SubmissionStatus.FAILED, attempts=3, error="no CRM")),
    ]
    proof = proof_of(ChangingTable(history), A, B)

    assert proof.outcome(A) is RowOutcome.COMPLETED
    assert (proof.outcome(B), proof.error(B)) == (RowOutcome.FAILED, "no CRM")


def test_a_failure_of_before_is_what_a_redrive_answers_and_one_after_it_is_the_end() -> None:
    history = [
        (0, progress("a", SubmissionStatus.FAILED, updated_at=NOW - SECOND)),
        (0, progress("b", SubmissionStatus.ABANDONED, updated_at=NOW + SECOND)),
    ]
    proof = proof_of(ChangingTable(history), A, B, seconds=1, counts=failed_since(NOW))

    assert (proof.outcome(A), proof.outcome(B)) == (RowOutcome.OPEN, RowOutcome.ABANDONED)


def test_a_row_of_the_other_kind_decides_nothing() -> None:
    """A test that took a real message's id, or the reverse."""
    completed = SubmissionStatus.COMPLETED
    table = ChangingTable([(0, progress("a", completed, test=True)), (0, progress("b", completed))])
    test = Asked("b", test=True)

    proof = proof_of(table, A, test, seconds=1)

    assert [proof.outcome(one) for one in (A, test)] == [RowOutcome.OPEN] * 2
    assert proof.messages[A].row is None


def test_a_database_that_is_not_proven_is_not_asked_and_decides_nothing() -> None:
    table = ChangingTable([(0, progress("a", SubmissionStatus.COMPLETED))], proof=UNPROVEN)

    assert proof_of(table, A).outcome(A) is RowOutcome.UNPROVEN
    assert (table.asked, table.time) == ([], 0)


def test_each_row_is_told_as_it_is_read() -> None:
    seen: list[Collection[Proven]] = []
    table = ChangingTable([(0, progress("a", SubmissionStatus.COMPLETED))])

    proof_of(table, A, watched=ProofWatcher(rows=seen.append))

    assert [one.outcome for read in seen for one in read] == [RowOutcome.COMPLETED]


def test_a_database_that_comes_back_in_time_is_asked_again() -> None:
    table = ChangingTable([(0, progress("a", SubmissionStatus.COMPLETED))], down_until=4)

    assert proof_of(table, A).outcome(A) is RowOutcome.COMPLETED


def test_a_database_that_stays_away_is_an_error() -> None:
    with pytest.raises(DatabaseUnreachable):
        proof_of(ChangingTable(down_until=100), A, seconds=5)
