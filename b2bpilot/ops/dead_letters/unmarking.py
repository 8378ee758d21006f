"""Taking back the marks of the run whose archive is restored, and no other's: its messages are worked on again."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from b2bpilot.errors import PartlyFailed, PilotError
from b2bpilot.ops.dead_letters.marks import Mark
from b2bpilot.ops.dead_letters.restore import RestorePlan
from b2bpilot.ops.ports import JournalWriter
from b2bpilot.ops.runs.record import RunRecord
from b2bpilot.ops.table.asked import WholeTable
from b2bpilot.ops.table.row_state import rows_of
from b2bpilot.pipeline.discards import SeenRow, take_back_marks
from b2bpilot.pipeline.models import SubmissionStatus


@dataclass(frozen=True, slots=True, kw_only=True)
class Marks:
    """What the table says of the messages that a restore is about."""

    run_id: str | None
    own: Mapping[str, SeenRow] = field(default_factory=dict)
    """The rows with the mark of the run, with the status that they get back, by the dead letter's id in the archive."""
    others: Mapping[str, int] = field(default_factory=dict)
    """How many messages other runs discarded, by run: they stay discarded."""
    error: str | None = None
    """Why the table was not asked."""
    is_known_marked: bool = False
    """Whether the journal says that the run marked rows."""

    @property
    def acts(self) -> bool:
        return bool(self.own) or (self.error is not None and self.is_known_marked)


def marks_of(plan: RestorePlan, record: RunRecord | None, table: WholeTable) -> Marks:
    """Ask which messages of an archive are discarded, and by which run. Raises nothing of the database's."""
    run_id = record.run_id if record else None
    is_known_marked = record is not None and any(
        state.mark == Mark.MARKED or state.former_status for state in record.messages.values()
    )
    try:
        is_proven = table.proof.is_proven
        rows = rows_of(table, plan.asked.values())
        error = None if is_proven else table.proof.told()
    except PilotError as exc:
        return Marks(run_id=run_id, error=str(exc), is_known_marked=is_known_marked)
    former = _former(record)
    marked = {one: row.discarded_by for one, row in rows.items() if row.discarded_by is not None}
    return Marks(
        run_id=run_id,
        own={
            id_: SeenRow(
                message_id=one.message_id,
                test=one.test,
                status=former.get(one.message_id, SubmissionStatus.FAILED.value),
            )
            for id_, one in plan.asked.items()
            if run_id is not None and marked.get(one) == run_id
        },
        others=Counter(run for run in marked.values() if run != run_id),
        error=error,
        is_known_marked=is_known_marked,
    )


def take_back(
    marks: Marks, table: WholeTable, journal: JournalWriter, *, not_in_queue: Collection[str]
) -> tuple[int, str | None]:
    """Give the rows of dead letters that are in the queue again their former status.

    Returns how many have it, and why not all of them. What a killed restore left, its resume does.
    """
    chosen = {id_: row for id_, row in marks.own.items() if id_ not in not_in_queue}
    if not chosen or marks.run_id is None:
        return 0, marks.error
    try:
        back = take_back_marks(table.database, list(set(chosen.values())), run_id=marks.run_id)
    except PilotError as exc:
        return 0, str(exc)
    journal.write(*(_unmarked(id_, row) for id_, row in chosen.items() if row.message_id in back))
    return len(back), None


def require_all_taken_back(marks: Marks, error: str | None) -> None:
    """Raises PartlyFailed."""
    if error is not None and marks.is_known_marked:
        raise PartlyFailed(
            f"the messages stay discarded, and no delivery of them is stored: {error}",
            hint="restore again once the processor's database can be asked: nothing is put back twice",
        )


def _former(record: RunRecord | None) -> dict[str, str]:
    """Return what rows were before the run, by message_id: of several dead letters of a message only one knows."""
    states = record.messages.values() if record else ()
    return {
        state.message_id: state.former_status for state in states if state.message_id and state.former_status
    }


def _unmarked(id_: str, row: SeenRow) -> Mapping[str, object]:
    return {"event": "unmarked", "queue_message_id": id_, "message_id": row.message_id, "status": row.status}
