"""What `publish --wait` says of the row proof."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, cast

import pytest

from b2bpilot.errors import PartlyFailed, Refused, TimedOut, UsageError
from b2bpilot.ops.publish import compose
from b2bpilot.ops.publish.echo import sentence
from b2bpilot.ops.publish.proof import (
    PublishedRows,
    Timing,
    Waited,
    completed_before,
    prove_stored,
    require_all_stored,
    require_one_stored,
)
from b2bpilot.ops.table.asked import WholeTable
from b2bpilot.ops.table.row_proof import RowProof
from b2bpilot.ops.table.row_state import Asked
from b2bpilot.pipeline.models import Progress, SubmissionStatus
from b2bpilot.pipeline.waiting import going_by
from tests.ops.table.databases import UNPROVEN
from tests.ops.table.rows import NOW, ChangingTable, progress

A, B = Asked("a"), Asked("b")
HALF_MINUTE = timedelta(seconds=30)


def stored(
    table: ChangingTable, *messages: Asked, seconds: float = 30, said: list[str] | None = None
) -> PublishedRows:
    before = completed_before(table, messages) if said is None else frozenset()
    with going_by(table.clock):
        return prove_stored(
            RowProof(table),
            messages,
            timeout=timedelta(seconds=seconds),
            before=before,
            attempt=[].append if said is None else said.append,
        )


def test_a_failed_attempt_is_told_once_and_the_next_one_waited_for() -> None:
    history = [
        (1.0, progress("a", SubmissionStatus.FAILED, attempts=1, error="no CRM")),
        (5.0, progress("a", SubmissionStatus.FAILED, attempts=2, error="still no CRM")),
        (9.0, progress("a", SubmissionStatus.COMPLETED, attempts=3)),
    ]
    said: list[str] = []

    (published,) = stored(ChangingTable(history), A, said=said).messages

    assert published.word == "stored"
    assert said == [
        "Attempt 1 failed: no CRM; waiting for Lambda's next one",
        "Attempt 2 failed: still no CRM; waiting for Lambda's next one",
    ]


def test_what_was_completed_before_is_no_new_success() -> None:
    table = ChangingTable([(0, progress("a", SubmissionStatus.COMPLETED))])

    assert stored(table, A).counts() == {"stored_before": 1}


def test_an_id_that_a_test_has_is_refused_for_a_real_message_and_the_reverse() -> None:
    completed = SubmissionStatus.COMPLETED
    table = ChangingTable([(0, progress("a", completed, test=True)), (0, progress("b", completed))])

    with pytest.raises(Refused, match="a is the id of a test message: a real message cannot have it"):
        completed_before(table, [A])
    with pytest.raises(Refused, match="b is the id of a real message: a test message cannot have it"):
        completed_before(table, [Asked("b", test=True)])


@pytest.mark.parametrize(
    ("row", "said", "of_many"),
    [
        (None, "not stored within 30 s: it has no row", "1 not decided within 30 s"),
        (
            progress("a", SubmissionStatus.PROCESSING),
            "not stored within 30 s: its row is not completed",
            "1 not decided within 30 s",
        ),
        (
            progress("a", SubmissionStatus.FAILED, attempts=2, error="no CRM"),
            "not stored within 30 s: attempt 2 failed: no CRM",
            "1 not decided within 30 s",
        ),
        (
            progress("a", SubmissionStatus.FAILED, attempts=3, error="no CRM"),
            "was published and failed 3 times: no CRM",
            "1 failed 3 times",
        ),
        (
            progress("a", SubmissionStatus.ABANDONED, error="no CRM"),
            "is not stored: it was abandoned: no CRM",
            "1 abandoned",
        ),
        (
            progress("a", SubmissionStatus.FAILED, discarded_by="R"),
            "is not stored: a person discarded the message in run R",
            "1 discarded by a person",
        ),
    ],
)
def test_what_is_not_stored_is_an_error_that_says_what_the_row_says(
    row: Progress | None, said: str, of_many: str
) -> None:
    table = ChangingTable([(0, row)] if row else [])
    found = stored(table, A, seconds=30)

    assert table.time == pytest.approx(30) or row is not None
    with pytest.raises(TimedOut, match=said):
        require_one_stored(Waited(published=found.messages[0]), timeout=HALF_MINUTE)
    with pytest.raises(TimedOut, match=f"1 of 1 message is not stored: {of_many}$"):
        require_all_stored(found, timeout=HALF_MINUTE)


def test_some_that_are_not_stored_are_a_part() -> None:
    table = ChangingTable([(0, progress("a", SubmissionStatus.COMPLETED))])

    with pytest.raises(PartlyFailed, match="1 of 2 messages"):
        require_all_stored(stored(table, A, B), timeout=HALF_MINUTE)


def test_a_database_that_is_not_proven_tells_of_nothing() -> None:
    table = ChangingTable([(0, progress("a", SubmissionStatus.COMPLETED))], proof=UNPROVEN)
    found = stored(table, A)

    assert (found.stored, found.counts()) == (0, {"unknown": 1})
    with pytest.raises(PartlyFailed, match="whether it is stored is unknown"):
        require_one_stored(Waited(published=found.messages[0]), timeout=HALF_MINUTE)
    with pytest.raises(PartlyFailed, match="whether 1 message is stored is unknown"):
        require_all_stored(found, timeout=HALF_MINUTE)


@dataclass
class ADatabase:
    """Its clock is ahead of the sender's."""

    ahead: timedelta

    @property
    def database(self) -> Any:
        return self

    def now(self) -> datetime:
        return NOW + self.ahead


@pytest.mark.parametrize("ahead", [timedelta(), timedelta(minutes=4), timedelta(days=-3)], ids=str)
def test_how_long_it_took_does_not_depend_on_whose_clock_is_ahead(ahead: timedelta) -> None:
    table = cast("WholeTable", ADatabase(ahead))
    timing = Timing(sent_at=NOW, clock=lambda: NOW)

    assert timing.until(NOW + ahead + timedelta(milliseconds=12), table) == timedelta(milliseconds=12)
    assert timing.until(NOW + ahead - timedelta(milliseconds=1), table) == timedelta()


def test_deliveries_are_told_in_one_phrase() -> None:
    events = {"stored": 1, "duplicate": 2, "in_progress": 1}
    assert sentence(events, 5) == (
        "1 stored, 2 skipped as a duplicate, 1 left alone, because a lease on it held, 1 not in the log yet"
    )


def test_a_real_message_is_not_filled_up_with_test_numbers() -> None:
    with pytest.raises(UsageError, match="needs its own To"):
        compose({"From": "+1", "Body": "x"}, message_id=None, real=True, now=NOW)
