"""A discard marks the rows before it deletes, also when it is killed anywhere; a restore takes its own marks back."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from b2bpilot.errors import PartlyFailed
from b2bpilot.ops.dead_letters import marks as marking
from b2bpilot.ops.dead_letters.archive import archive_path, dead_letters_in, source_of
from b2bpilot.ops.dead_letters.discard import (
    Discarded,
    is_to_be_marked,
    remaining,
    require_all_done,
    run_discard,
    write_plan,
)
from b2bpilot.ops.dead_letters.expression import Expression
from b2bpilot.ops.dead_letters.filters import Selection
from b2bpilot.ops.dead_letters.marks import MarksOfRun, marks_of, take_back
from b2bpilot.ops.dead_letters.peek import peek
from b2bpilot.ops.dead_letters.restore import Restore, plan_restore
from b2bpilot.ops.runs.journal import Journal
from b2bpilot.ops.runs.record import RunRecord, Stage, read
from b2bpilot.ops.table.asked import WholeTable
from b2bpilot.pipeline.database import DatabaseManager
from b2bpilot.pipeline.dead_letter import DeadLetter
from b2bpilot.pipeline.discards import SeenRow, mark_discarded
from b2bpilot.pipeline.message import PilotMessage
from b2bpilot.pipeline.models import SubmissionStatus, UserSubmission
from b2bpilot.pipeline.owner import OURS, Owner, Ownership
from b2bpilot.pipeline.processing import submission_fields
from tests.events import message, received, sns_event
from tests.fakes.dead_letters import ORIGIN, FaultyJournal, killed_at
from tests.fakes.faults import Faults, Killed
from tests.fakes.sqs import FakeQueue
from tests.ops.dead_letters.asked_table import NoRows, table_of, unreachable

NOW = datetime(2026, 11, 23, 19, 45, 1, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def failed(database: DatabaseManager, of: PilotMessage | None = None) -> PilotMessage:
    one = of or message()
    claim = database.claim(one, lease=MINUTE)
    assert claim is not None
    database.fail(claim, "no customer")
    return one


def dead(of: PilotMessage) -> dict[str, Any]:
    return received(sns_event(of), ErrorMessage=("String", "no customer"))


def row(database: DatabaseManager, of: PilotMessage) -> UserSubmission:
    found = database.get_submission_by_message_id(of.message_id)
    assert found is not None
    return found


def discard(queue: FakeQueue, home: Path, table: WholeTable) -> tuple[str, Discarded]:
    dead_letters: dict[str, str | None] = dict.fromkeys(queue.sqs.messages)
    with FaultyJournal.begun(home, "discard", Faults()) as journal:
        write_plan(journal, dead_letters)
        journal.faults = queue.sqs.faults
        return journal.run_id, run_discard(
            queue, journal, dead_letters, home=home, origin=ORIGIN, table=table, known={}
        )


def record_of(home: Path) -> RunRecord:
    (path,) = (home / "runs").glob("*-discard-*.jsonl")
    return read(path)


def resume(queue: FakeQueue, home: Path, table: WholeTable) -> Discarded:
    record = record_of(home)
    queue.sqs.expire()
    with Journal.reopen(record.path, operator="ana@laptop") as journal:
        return run_discard(
            queue,
            journal,
            remaining(record.messages),
            home=home,
            origin=ORIGIN,
            table=table,
            known=record.messages,
            monotonic=queue.sqs.clock,
        )


def restore(queue: FakeQueue, home: Path, run_id: str, table: WholeTable) -> tuple[MarksOfRun, int]:
    source = source_of(home, run_id)
    plan = plan_restore(source.path, queue, before={}, discarded=source.discarded, now=NOW)
    marks = marks_of(plan.asked, source.record, table)
    with FaultyJournal.begun(home, "restore", Faults()) as journal:
        restored = Restore(sender=queue, journal=journal).run(plan)
        missing = {problem.queue_message_id for problem in restored.problems}
        rows, _ = take_back(marks, table, journal, not_in_queue=missing)
    return marks, rows


def test_the_rows_are_marked_and_come_back_with_their_former_status(
    database: DatabaseManager, database_url: str, tmp_path: Path
) -> None:
    one, other = failed(database), message()
    database.claim(other, lease=timedelta(microseconds=1))
    queue = FakeQueue([dead(one), dead(other)])
    with table_of(database_url) as table:
        run_id, discarded = discard(queue, tmp_path, table)
        assert (discarded.deleted, discarded.marked, queue.sqs.messages) == (2, 2, {})
        for each in (one, other):
            assert (row(database, each).status, row(database, each).discarded_by) == (
                SubmissionStatus.ABANDONED,
                run_id,
            )
            assert database.claim(each, lease=MINUTE) is None

        marks, rows = restore(queue, tmp_path, run_id, table)
    assert (len(marks.own), rows, len(queue.sqs.messages)) == (2, 2, 2)
    assert [row(database, each).status for each in (one, other)] == [
        SubmissionStatus.FAILED,
        SubmissionStatus.PROCESSING,
    ]
    assert all(row(database, each).discarded_by is None for each in (one, other))


def test_of_a_message_without_a_row_none_is_made(
    database: DatabaseManager, database_url: str, tmp_path: Path
) -> None:
    one = message()
    with table_of(database_url) as table:
        _, discarded = discard(FakeQueue([dead(one)]), tmp_path, table)
    assert (discarded.deleted, discarded.marked, discarded.unmarked) == (1, 0, ())
    assert database.get_submission_by_message_id(one.message_id) is None


def test_a_dead_letter_whose_message_is_at_work_stays_in_the_queue(
    database: DatabaseManager, database_url: str, tmp_path: Path
) -> None:
    at_work, other = message(), failed(database)
    database.claim(at_work, lease=MINUTE)
    queue = FakeQueue([dead(at_work), dead(other)])
    with table_of(database_url) as table:
        _, discarded = discard(queue, tmp_path, table)
    assert (discarded.deleted, discarded.marked) == (1, 1)
    assert [problem.reason for problem in discarded.problems] == [f"{marking.BUSY}; it is still in the queue"]
    assert len(queue.sqs.messages) == 1
    assert record_of(tmp_path).stages() == {Stage.FAILED: 1, Stage.DELETED: 1}


def test_the_rest_of_a_completed_message_is_deleted_and_its_row_left(
    database: DatabaseManager, database_url: str, tmp_path: Path
) -> None:
    done = message()
    claim = database.claim(done, lease=MINUTE)
    assert claim is not None
    database.complete(claim, submission_fields(done))
    with table_of(database_url) as table:
        _, discarded = discard(FakeQueue([dead(done)]), tmp_path, table)
    assert (discarded.deleted, discarded.marked, discarded.unmarked) == (1, 0, ())
    assert row(database, done).status is SubmissionStatus.COMPLETED


def test_a_tests_dead_letter_does_not_mark_the_real_message_of_its_id(
    database: DatabaseManager, database_url: str, tmp_path: Path
) -> None:
    real = failed(database)
    with table_of(database_url) as table:
        _, discarded = discard(
            FakeQueue([dead(message(message_id=real.message_id, test=True))]), tmp_path, table
        )
    assert (discarded.deleted, discarded.marked) == (1, 0)
    assert row(database, real).status is SubmissionStatus.FAILED


def test_in_a_database_that_is_not_proven_nothing_is_marked_and_that_is_said(
    database: DatabaseManager, database_url: str, tmp_path: Path
) -> None:
    one = failed(database)
    queue = FakeQueue([dead(one)])
    with table_of(database_url, is_proven=False) as table:
        run_id, discarded = discard(queue, tmp_path, table)
    assert (discarded.deleted, queue.sqs.messages) == (1, {})
    (problem,) = discarded.unmarked
    assert problem.reason.startswith("row not marked: the stale processor may publish it again")
    assert "not proven to be the processor's" in problem.reason
    assert row(database, one).status is SubmissionStatus.FAILED
    assert '"event": "marked"' not in (tmp_path / "runs" / f"{run_id}.jsonl").read_text()
    with pytest.raises(PartlyFailed, match="row not marked: the stale processor may publish it again"):
        require_all_done(discarded, run_id=run_id)


def test_rows_that_could_not_be_marked_are_marked_by_a_resume(
    database: DatabaseManager, database_url: str, tmp_path: Path
) -> None:
    one = failed(database)
    queue = FakeQueue([dead(one)])
    with unreachable() as table:
        run_id, discarded = discard(queue, tmp_path, table)
    assert len(discarded.unmarked) == 1
    assert [is_to_be_marked(state) for state in record_of(tmp_path).messages.values()] == [True]

    with table_of(database_url) as table:
        discarded = resume(queue, tmp_path, table)
    assert (discarded.marked, discarded.unmarked) == (1, ())
    assert row(database, one).discarded_by == run_id
    assert not any(is_to_be_marked(state) for state in record_of(tmp_path).messages.values())


def test_two_dead_letters_of_one_message_know_together_what_its_row_was(
    database: DatabaseManager, database_url: str, tmp_path: Path
) -> None:
    one = failed(database)
    queue = FakeQueue([dead(one), dead(one)])
    with table_of(database_url) as table:
        run_id, discarded = discard(queue, tmp_path, table)
        assert discarded.deleted == 2
        _, rows = restore(queue, tmp_path, run_id, table)
    assert (rows, row(database, one).status) == (1, SubmissionStatus.FAILED)


def test_another_runs_mark_stays_and_is_named(
    database: DatabaseManager, database_url: str, tmp_path: Path
) -> None:
    one = failed(database)
    mark_discarded(
        database, [SeenRow(message_id=one.message_id, test=False, status="failed")], run_id="earlier"
    )
    queue = FakeQueue([dead(one)])
    with table_of(database_url) as table:
        run_id, _ = discard(queue, tmp_path, table)
        marks, rows = restore(queue, tmp_path, run_id, table)
    assert (dict(marks.others), rows) == ({"earlier": 1}, 0)
    assert row(database, one).discarded_by == "earlier"


def test_a_restore_that_cannot_ask_says_that_the_messages_stay_discarded(
    database: DatabaseManager, database_url: str, tmp_path: Path
) -> None:
    queue = FakeQueue([dead(failed(database))])
    with table_of(database_url) as table:
        run_id, _ = discard(queue, tmp_path, table)
    with unreachable() as table:
        marks, rows = restore(queue, tmp_path, run_id, table)
    assert marks.acts
    assert rows == 0
    assert marks.error == "no connection to app at db"


def test_an_archive_of_a_version_without_marks_is_restored_as_before(
    tmp_path: Path, database: DatabaseManager
) -> None:
    queue = FakeQueue([dead(message())])
    run_id, _ = discard(queue, tmp_path, NoRows())
    journal = record_of(tmp_path).path
    old = [line for line in journal.read_text().splitlines(keepends=True) if '"mark' not in line]
    journal.write_text("".join(old))
    with unreachable() as table:
        marks, _ = restore(queue, tmp_path, run_id, table)
    assert not marks.acts
    assert len(queue.sqs.messages) == 1


def test_the_plan_counts_other_dead_letters_of_the_same_messages(database: DatabaseManager) -> None:
    one = message(params={"Body": "spam"})
    edited = message(message_id=one.message_id, params={"Body": "no spam"})
    queue = FakeQueue([dead(one), dead(edited), dead(edited), dead(message(params={"Body": "spam"}))])
    found = peek(queue, now=NOW, selection=Selection(where=Expression.parse("params.Body == 'spam'")))
    assert (len(found.found), found.copies_left) == (2, 2)


@pytest.mark.parametrize("owner", [Ownership.OTHER, Ownership.GONE])
def test_another_subscriber_s_dead_letter_is_no_copy_of_ours(owner: Ownership) -> None:
    """The mark of a discard keeps back what is to be stored in our table, and nothing of theirs."""
    one = message()

    def judge(dead_letter: DeadLetter) -> DeadLetter:
        is_ours = dead_letter.failure.text == "ours"
        return replace(
            dead_letter, owner=OURS if is_ours else Owner(ownership=owner, name="function billing")
        )

    def dead_of(error: str) -> dict[str, Any]:
        return received(sns_event(one), ErrorMessage=("String", error))

    queue = FakeQueue([dead_of("ours"), dead_of("theirs"), dead_of("theirs")], judge=judge)
    for group, size in (("G1", 2), ("G2", 1)):
        found = peek(queue, now=NOW, selection=Selection(group=group))
        assert (len(found.found), found.copies_left) == (size, 0)


class FaultyMarks:
    """The table's change, which can be killed before or after it as the journal and the queue can."""

    def __init__(self, queue: FakeQueue) -> None:
        self._queue = queue

    def __call__(self, database: DatabaseManager, rows: Sequence[SeenRow], *, run_id: str) -> set[str]:
        with self._queue.sqs.faults.around("mark"):
            return mark_discarded(database, rows, run_id=run_id)


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_killed_at_any_step_and_resumed_it_has_archived_marked_and_deleted(
    database: DatabaseManager,
    database_url: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    after: bool,
) -> None:
    """Whatever was deleted was archived and marked before; and a restore gives every row its status back."""
    for step in itertools.count(1):
        home = tmp_path / str(step)
        messages = [failed(database) for _ in range(3)]
        queue = FakeQueue([dead(one) for one in messages], faults=killed_at(step, after=after))
        monkeypatch.setattr(marking, "mark_discarded", FaultyMarks(queue))
        with table_of(database_url) as table:
            try:
                discard(queue, home, table)
            except Killed:
                pass
            else:
                assert step > 5
                return
            run_id = record_of(home).run_id
            if not queue.sqs.messages:
                assert all(row(database, one).discarded_by == run_id for one in messages)
            resume(queue, home, table)
            assert queue.sqs.messages == {}
            assert all(row(database, one).discarded_by == run_id for one in messages)
            assert record_of(home).stages() == {Stage.DELETED: 3}
            archived = {each.queue_message_id for each in dead_letters_in(archive_path(home, run_id))}
            assert archived == set(record_of(home).messages)
            restore(queue, home, run_id, table)
            assert len(queue.sqs.messages) == 3
            assert {row(database, one).status for one in messages} == {SubmissionStatus.FAILED}
