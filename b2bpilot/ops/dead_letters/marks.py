"""What a discard writes beside its deletions: a mark on each row, so that nobody publishes or stores the message again."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from b2bpilot.advice import Words
from b2bpilot.errors import PilotError
from b2bpilot.ops.ports import JournalWriter
from b2bpilot.ops.table.asked import WholeTable
from b2bpilot.ops.table.row_state import Asked, rows_of
from b2bpilot.pipeline.dead_letter import DeadLetter
from b2bpilot.pipeline.discards import SeenRow, mark_discarded, replace_seen
from b2bpilot.pipeline.message import PilotMessage
from b2bpilot.pipeline.models import Progress, SubmissionStatus

TRIES = 3
"""So often a row is looked at again that changed between the look and the mark."""
ASK_AGAIN_SECONDS = 30
BUSY = "a lease on the message holds, or its row keeps changing: a run is at work on it, or died a moment ago"
NOT_MARKED = "row not marked: the stale processor may publish it again"


class Mark(StrEnum):
    """What a run did with the row of a dead letter's message."""

    MARKED = "marked"
    NO_ROW = "no row"
    """The message has no row of its own: nobody publishes it again by itself, and nothing is written (decision 15)."""
    COMPLETED = "completed"
    EARLIER = "marked by another run"
    BUSY = "in progress"
    """A lease on it holds. Its dead letter stays, for what this run will have done is not known."""
    NOT_MARKED = "not marked"
    """The table could not be asked, or is not proven to be the processor's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Doomed:
    """A dead letter whose row is to be marked."""

    queue_message_id: str
    asked: Asked | None
    """None when it holds no message."""

    @classmethod
    def of(cls, dead_letter: DeadLetter) -> Doomed:
        asked = Asked.of(dead_letter.message) if dead_letter.message else None
        return cls(queue_message_id=dead_letter.queue_message_id, asked=asked)


@dataclass(frozen=True, slots=True, kw_only=True)
class Marking:
    """What became of one row, and why if it is not what was wanted."""

    mark: Mark
    why: str = ""
    hint: Words = ""
    """What lets the table be asked again, as far as its own error says."""


@dataclass(slots=True)
class _Outage:
    """A table that does not answer is not asked again for a while: the dead letters of a whole queue would wait for it."""

    until: float = 0
    marking: Marking = field(default_factory=lambda: Marking(mark=Mark.NOT_MARKED))


@dataclass(frozen=True, slots=True, kw_only=True)
class Marker:
    """Marks rows for one run. What a row's status was, the journal says before it is written over.

    With a `replacement` an edited dead letter of the message takes this one's place: then the row is abandoned without a
    mark, so that the edited one can be stored, and says what it says, so that whoever publishes the row publishes that.
    """

    table: WholeTable
    run_id: str
    replacement: PilotMessage | None = None
    monotonic: Callable[[], float] = time.monotonic
    _outage: _Outage = field(default_factory=_Outage)

    def mark(self, journal: JournalWriter, doomed: Sequence[Doomed]) -> dict[str, Marking]:
        """Return what became of each row, by the dead letter's id in the queue. Raises nothing of the database's."""
        found = {one.queue_message_id: Marking(mark=Mark.NO_ROW) for one in doomed if one.asked is None}
        asked = {one: one.asked for one in doomed if one.asked is not None}
        marks = self._marks(journal, list(asked))
        found |= {one.queue_message_id: marks[each] for one, each in asked.items()}
        journal.write(*(_marked(one, found[one.queue_message_id]) for one in doomed))
        return found

    def _marks(self, journal: JournalWriter, doomed: Sequence[Doomed]) -> dict[Asked, Marking]:
        wanted = dict.fromkeys(one.asked for one in doomed if one.asked)
        if self.monotonic() < self._outage.until:
            return dict.fromkeys(wanted, self._outage.marking)
        try:
            if wanted and not self.table.proof.is_proven:
                why = f"{NOT_MARKED}; {self.table.proof.told()}"
                return dict.fromkeys(wanted, Marking(mark=Mark.NOT_MARKED, why=why))
            return self._marks_of_rows(journal, doomed, list(wanted))
        except PilotError as exc:
            why, hint = f"{NOT_MARKED}; {exc}", exc.hint or ""
            self._outage.marking = Marking(mark=Mark.NOT_MARKED, why=why, hint=hint)
            self._outage.until = self.monotonic() + ASK_AGAIN_SECONDS
            return dict.fromkeys(wanted, self._outage.marking)

    def _marks_of_rows(
        self, journal: JournalWriter, doomed: Sequence[Doomed], wanted: Sequence[Asked]
    ) -> dict[Asked, Marking]:
        marks: dict[Asked, Marking] = {}
        for _ in range(TRIES):
            rows = rows_of(self.table, [one for one in wanted if one not in marks])
            marks |= {
                one: decided
                for one in wanted
                if one not in marks and (decided := self._decided(rows.get(one))) is not None
            }
            seen = {one: row for one, row in rows.items() if one not in marks}
            if not seen:
                return marks
            journal.write(*(_marking(one, seen[one.asked]) for one in doomed if one.asked in seen))
            done = self._change([seen_row(row) for row in seen.values()])
            marks |= {one: Marking(mark=Mark.MARKED) for one in seen if one.message_id in done}
        busy = Marking(mark=Mark.BUSY, why=f"{BUSY}; it is still in the queue")
        return {one: marks.get(one, busy) for one in wanted}

    def _change(self, rows: Sequence[SeenRow]) -> set[str]:
        if self.replacement is not None:
            return set().union(*(replace_seen(self.table.database, row, self.replacement) for row in rows))
        return mark_discarded(self.table.database, rows, run_id=self.run_id)

    def _decided(self, row: Progress | None) -> Marking | None:
        """Return what is known without a change; None for a row that is to be marked."""
        if row is None:
            return Marking(mark=Mark.NO_ROW)
        if row.status is SubmissionStatus.COMPLETED:
            return Marking(mark=Mark.COMPLETED)
        if row.discarded_by is None:
            return None
        if row.discarded_by == self.run_id:
            return Marking(mark=Mark.MARKED)
        return Marking(mark=Mark.EARLIER, why=f"discarded in run {row.discarded_by}")


def seen_row(row: Progress) -> SeenRow:
    return SeenRow(message_id=row.message_id, test=row.test, status=str(row.status))


def _marking(one: Doomed, row: Progress) -> Mapping[str, object]:
    return {
        "event": "marking",
        "queue_message_id": one.queue_message_id,
        "message_id": row.message_id,
        "test": row.test,
        "former_status": str(row.status),
    }


def _marked(one: Doomed, marking: Marking) -> Mapping[str, object]:
    return {
        "event": "marked" if marking.mark is Mark.MARKED else "mark",
        "queue_message_id": one.queue_message_id,
        "message_id": one.asked.message_id if one.asked else None,
        "test": one.asked.test if one.asked else None,
        "mark": marking.mark.value,
        **({"why": marking.why} if marking.why else {}),
    }
