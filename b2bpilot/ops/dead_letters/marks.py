"""What a discard writes beside its deletions: a mark on each row, so that nobody publishes or stores the message again. A restore
takes back the marks of the run whose archive it puts back, and no other's. Where the database did not answer, the journals of
this machine say what was discarded."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

from b2bpilot.advice import Words
from b2bpilot.errors import PartlyFailed, PilotError
from b2bpilot.ops.ports import JournalWriter
from b2bpilot.ops.runs.durable import JournalFailed
from b2bpilot.ops.runs.record import RunRecord, entries
from b2bpilot.ops.runs.runs import journals
from b2bpilot.ops.table.asked import WholeTable
from b2bpilot.ops.table.row_state import Asked, rows_of
from b2bpilot.pipeline.dead_letter import DeadLetter
from b2bpilot.pipeline.discards import SeenRow, mark_discarded, replace_seen, take_back_marks
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
    """None when it holds no message, or another subscriber's: no row of ours is about that."""

    @classmethod
    def of(cls, dead_letter: DeadLetter) -> Doomed:
        asked = (
            Asked.of(dead_letter.message)
            if dead_letter.message and not dead_letter.owner.subscriber
            else None
        )
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
        self, journal: JournalWriter, doomed: Sequence[Doomed], asked: Sequence[Asked]
    ) -> dict[Asked, Marking]:
        marks: dict[Asked, Marking] = {}
        for _ in range(TRIES):
            rows = rows_of(self.table, [one for one in asked if one not in marks])
            marks |= {
                one: decided
                for one in asked
                if one not in marks and (decided := self._decided(rows.get(one))) is not None
            }
            seen = {one: row for one, row in rows.items() if one not in marks}
            if not seen:
                return marks
            journal.write(*(_marking(one, seen[one.asked]) for one in doomed if one.asked in seen))
            done = self._change([seen_row(row) for row in seen.values()])
            marks |= {one: Marking(mark=Mark.MARKED) for one in seen if one.message_id in done}
        busy = Marking(mark=Mark.BUSY, why=f"{BUSY}; it is still in the queue")
        return {one: marks.get(one, busy) for one in asked}

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


@dataclass(frozen=True, slots=True, kw_only=True)
class MarksOfRun:
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


def marks_of(asked: Mapping[str, Asked], record: RunRecord | None, table: WholeTable) -> MarksOfRun:
    """Ask which messages of an archive are discarded, and by which run. Raises nothing of the database's."""
    run_id = record.run_id if record else None
    is_known_marked = record is not None and any(
        state.mark == Mark.MARKED or state.former_status for state in record.messages.values()
    )
    try:
        is_proven = table.proof.is_proven
        rows = rows_of(table, asked.values())
        error = None if is_proven or not table.proof.is_asked else table.proof.told()
    except PilotError as exc:
        return MarksOfRun(run_id=run_id, error=str(exc), is_known_marked=is_known_marked)
    former = _former(record)
    marked = {one: row.discarded_by for one, row in rows.items() if row.discarded_by is not None}
    return MarksOfRun(
        run_id=run_id,
        own={
            id_: SeenRow(
                message_id=one.message_id,
                test=one.test,
                status=former.get(one.message_id, SubmissionStatus.FAILED.value),
            )
            for id_, one in asked.items()
            if run_id is not None and marked.get(one) == run_id
        },
        others=Counter(run for run in marked.values() if run != run_id),
        error=error,
        is_known_marked=is_known_marked,
    )


def take_back(
    marks: MarksOfRun, table: WholeTable, journal: JournalWriter, *, not_in_queue: Collection[str]
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


def require_all_taken_back(marks: MarksOfRun, error: str | None) -> None:
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


DISCARD, RESTORE = "discard", "restore"
NEWEST = 500
"""So many journals are looked through."""


def discards_of(home: Path, *, environment: str, account_id: str) -> dict[Asked, str]:
    """Return the messages of which a dead letter was discarded, each with the run that did it last. A journal that cannot
    be read says nothing."""
    by_dead_letter: dict[str, tuple[Asked, str]] = {}
    for path in journals(home)[:NEWEST][::-1]:
        lines = _lines(path, environment, account_id)
        started = next(lines, {})
        if started.get("command") == DISCARD:
            by_dead_letter |= {id_: (message, str(started["run_id"])) for id_, message in _deleted(lines)}
        elif started.get("command") == RESTORE:
            for entry in lines:
                if entry.get("event") == "accepted":
                    by_dead_letter.pop(str(entry.get("queue_message_id")), None)
    return dict(by_dead_letter.values())


def _lines(path: Path, environment: str, account_id: str) -> Iterator[Mapping[str, Any]]:
    """Yield the lines of a discard or a restore of this environment, the one that names the run first."""
    if not (f"-{DISCARD}-" in path.name or f"-{RESTORE}-" in path.name):
        return
    try:
        lines = entries(path)
        started = next(lines, {})
        if (started.get("environment"), started.get("account_id")) != (environment, account_id):
            return
        yield started
        yield from lines
    except JournalFailed:
        return


def _deleted(lines: Iterator[Mapping[str, Any]]) -> Iterator[tuple[str, Asked]]:
    """Of one without a word on its row, whether it is a test's is not known: it is taken for a real message's."""
    tests: dict[str, bool] = {}
    for entry in lines:
        id_ = str(entry.get("queue_message_id"))
        if "test" in entry:
            tests[id_] = entry["test"] is True
        if entry.get("event") == "deleted" and (message_id := entry.get("message_id")):
            yield id_, Asked(str(message_id), tests.get(id_, False))
