"""Taking dead letters out of the queue: archived first, then marked in the table, deleted last, by SQS's own word."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

from b2bpilot.advice import Words, our_command
from b2bpilot.errors import AwsDenied, AwsError, CredentialsMissing, PartlyFailed, Refused
from b2bpilot.ops.dead_letters.archive import Origin, lines, open_archive
from b2bpilot.ops.dead_letters.causes import Cause
from b2bpilot.ops.dead_letters.filters import Selection, for_journal
from b2bpilot.ops.dead_letters.holding import Holding
from b2bpilot.ops.dead_letters.marks import NOT_MARKED, Doomed, Mark, Marker, Marking
from b2bpilot.ops.dead_letters.sweep import take_named
from b2bpilot.ops.ports import DeletingQueue, JournalWriter
from b2bpilot.ops.runs.durable import DurableFile
from b2bpilot.ops.runs.journal import Journal, entry
from b2bpilot.ops.runs.record import MessageState, RunRecord, Stage
from b2bpilot.ops.table.asked import WholeTable
from b2bpilot.ops.table.row_state import Asked
from b2bpilot.pipeline.dead_letter import DeadLetter
from b2bpilot.plural import many

PAGE = 1_000
FATAL = (AwsDenied, CredentialsMissing)
NOT_FOUND = "not in the queue any more, or hidden by somebody else"
REFUSED = "SQS did not confirm that it deleted it"


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """A dead letter with which the plan was not done, and why."""

    queue_message_id: str
    message_id: str | None
    reason: str
    is_in_queue: bool = False
    """Whether it is known that the dead letter is in the queue still."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Discarded:
    """What a discard did. `problems` are the dead letters that it did not delete, or does not know it did."""

    deleted: int
    problems: Sequence[Problem] = ()
    unmarked: Sequence[Problem] = ()
    """Dead letters whose message may be published again, as its row could not be marked."""
    mark_hint: Words = ""
    """What comes before those can be marked."""
    marked: int = 0
    """Rows of messages that are not stored any more."""

    @property
    def counts(self) -> Mapping[str, int]:
        return {
            "deleted": self.deleted,
            "not deleted": len(self.problems),
            "rows marked": self.marked,
            "rows not marked": len(self.unmarked),
        }


def require_all_done(discarded: Discarded, *, run_id: str) -> None:
    """Raises PartlyFailed."""
    if discarded.problems:
        kept = sum(problem.is_in_queue for problem in discarded.problems)
        unknown = len(discarded.problems) - kept
        parts = [f"still in the queue: {many(kept, 'dead letter')}"] * bool(kept)
        parts += [f"not known to be deleted: {many(unknown, 'dead letter')}"] * bool(unknown)
        raise PartlyFailed(
            "; ".join(parts),
            hint="see "
            + our_command("dlq", "list")
            + ", and discard again, or "
            + our_command("runs", "resume", run_id),
        )
    if discarded.unmarked:
        then = our_command("runs", "resume", run_id) + " marks them"
        first = discarded.mark_hint
        raise PartlyFailed(
            f"of {len(discarded.unmarked):,} of the messages: {NOT_MARKED}",
            hint=first + " first; then " + then
            if first
            else then + " once the processor's database can be asked",
        )


def needs_name(environment: str, *, is_everything: bool) -> bool:
    """Tell whether the environment's name must be typed: for the whole queue, and in production for anything."""
    return is_everything or environment.lower().startswith("prod")


def write_plan(journal: JournalWriter, dead_letters: Mapping[str, str | None]) -> None:
    """Journal the dead letters that a run is about: their ids in the queue, and their message_ids."""
    for page in _pages(dead_letters.items()):
        journal.write(
            *(
                {"event": "planned", "queue_message_id": queue_message_id, "message_id": message_id}
                for queue_message_id, message_id in page
            )
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Discard:
    """One run. `known` is what an earlier attempt of it journalled, so that nothing is archived twice."""

    queue: DeletingQueue
    journal: JournalWriter
    archive: DurableFile
    origin: Origin
    marker: Marker
    known: Mapping[str, MessageState] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def run(
        self,
        dead_letters: Mapping[str, str | None],
        *,
        patience_seconds: float = 0,
        observe: Callable[[int], None] = lambda _: None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> Discarded:
        """Discard these dead letters of the queue and no others. Raises AwsDenied and the like, which stop all of it."""
        marks = self._mark_deleted()
        missing = set(dead_letters)
        problems: list[Problem] = []
        with Holding(self.queue) as held:

            def discard(batch: Sequence[DeadLetter]) -> None:
                refused, marked = self._discard(held, batch)
                with self._lock:
                    problems.extend(refused)
                    marks.update(marked)
                    observe(len(dead_letters) - len(missing))

            take_named(held, missing, discard, patience_seconds=patience_seconds, clock=monotonic)
            if missing:
                problems += self._settle({id_: dead_letters[id_] for id_ in missing}, others=held.others())
        return self._discarded(dead_letters, problems, marks)

    def _discarded(
        self,
        dead_letters: Mapping[str, str | None],
        problems: Sequence[Problem],
        marks: Mapping[str, Marking],
    ) -> Discarded:
        kept = {problem.queue_message_id for problem in problems}
        message_ids = {**{id_: state.message_id for id_, state in self.known.items()}, **dead_letters}
        return Discarded(
            deleted=len(dead_letters) - len(problems),
            problems=tuple(problems),
            unmarked=tuple(
                Problem(queue_message_id=id_, message_id=message_ids.get(id_), reason=marking.why)
                for id_, marking in marks.items()
                if marking.mark is Mark.NOT_MARKED and id_ not in kept
            ),
            mark_hint=next((marking.hint for marking in marks.values() if marking.hint), ""),
            marked=sum(marking.mark is Mark.MARKED for marking in marks.values()),
        )

    def _discard(
        self, held: Holding, batch: Sequence[DeadLetter]
    ) -> tuple[list[Problem], dict[str, Marking]]:
        """What is not ours is left alone."""
        others = [one for one in batch if not one.owner.is_ours]
        ours = [one for one in batch if one.owner.is_ours]
        if others:
            self.journal.write(*(entry("failed", one, error=_others(one)) for one in others))
        problems, marks = self._discard_ours(held, ours) if ours else ([], {})
        kept = [_problem(one, _others(one), is_in_queue=True) for one in others]
        return kept + problems, marks

    def _discard_ours(
        self, held: Holding, batch: Sequence[DeadLetter]
    ) -> tuple[list[Problem], dict[str, Marking]]:
        """Archive, mark, delete. What an earlier attempt archived is not archived again."""
        new = [dead_letter for dead_letter in batch if not self._is_archived(dead_letter.queue_message_id)]
        self.archive.append(lines(new, self.origin))
        self.journal.write(*(entry("archived", dead_letter) for dead_letter in batch))
        marks = self._mark([Doomed.of(dead_letter) for dead_letter in batch])
        busy = [dead_letter for dead_letter in batch if marks[dead_letter.queue_message_id].mark is Mark.BUSY]
        kept = [
            _problem(dead_letter, marks[dead_letter.queue_message_id].why, is_in_queue=True)
            for dead_letter in busy
        ]
        if busy:
            self.journal.write(
                *(
                    entry("failed", dead_letter, error=marks[dead_letter.queue_message_id].why)
                    for dead_letter in busy
                )
            )
        return kept + self._delete(
            held, [dead_letter for dead_letter in batch if dead_letter not in busy]
        ), marks

    def _mark(self, doomed: Sequence[Doomed]) -> dict[str, Marking]:
        """A connection is for one thread at a time."""
        with self._lock:
            return self.marker.mark(self.journal, doomed)

    def _mark_deleted(self) -> dict[str, Marking]:
        """Mark what an earlier attempt could not; of its last dead letters nobody knows yet whether it deleted them."""
        unmarked = (state for state in self.known.values() if state.mark == Mark.NOT_MARKED)
        doomed = [doomed_by(state) for state in unmarked if state.message_id]
        marks: dict[str, Marking] = {}
        for start in range(0, len(doomed), PAGE):
            marks |= self._mark(doomed[start : start + PAGE])
        return marks

    def _delete(self, held: Holding, batch: Sequence[DeadLetter]) -> list[Problem]:
        if not batch:
            return []
        try:
            refused = {dead_letter.queue_message_id for dead_letter in held.delete(batch)}
        except FATAL:
            raise
        except AwsError as exc:
            self.journal.write(*(entry("unknown", dead_letter, error=str(exc)) for dead_letter in batch))
            return [_problem(dead_letter, f"perhaps deleted: {exc}") for dead_letter in batch]
        self.journal.write(*(_deleted(dead_letter, refused) for dead_letter in batch))
        return [
            _problem(dead_letter, REFUSED) for dead_letter in batch if dead_letter.queue_message_id in refused
        ]

    def _settle(self, missing: Mapping[str, str | None], *, others: int) -> list[Problem]:
        """Decide about dead letters that no long poll brought. What an earlier attempt archived, that attempt deleted, if
        the queue has no other dead letter either: one could be it, hidden by somebody."""
        gone = {id_ for id_ in missing if others == 0 and self._is_archived(id_)}
        for page in _pages(missing.items()):
            self.journal.write(*(_settled(id_, message_id, gone) for id_, message_id in page))
        return [
            Problem(queue_message_id=id_, message_id=message_id, reason=NOT_FOUND)
            for id_, message_id in missing.items()
            if id_ not in gone
        ]

    def _is_archived(self, queue_message_id: str) -> bool:
        known = self.known.get(queue_message_id)
        return known is not None and known.was_archived


def require_whole_plan(record: RunRecord) -> None:
    """Raises Refused for a run that ended while it wrote its plan: it had not begun."""
    planned, dead_letters = len(record.messages), record.parameters.get("letters", 0)
    if planned < dead_letters:
        raise Refused(
            f"run {record.run_id} ended when {planned:,} of its {many(dead_letters, 'dead letter')} were planned",
            hint=f"{record.command} again",
        )


def remaining(messages: Mapping[str, MessageState]) -> dict[str, str | None]:
    """Return what an interrupted discard has not deleted yet."""
    return {id_: state.message_id for id_, state in messages.items() if state.stage is not Stage.DELETED}


def is_to_be_marked(state: MessageState) -> bool:
    """Tell whether a dead letter was deleted, and the row of its message not marked."""
    return state.stage is Stage.DELETED and state.mark == Mark.NOT_MARKED and state.message_id is not None


def doomed_by(state: MessageState) -> Doomed:
    """Return what a journal knows of a dead letter."""
    asked = Asked(state.message_id, state.test) if state.message_id else None
    return Doomed(queue_message_id=state.queue_message_id, asked=asked)


def _deleted(dead_letter: DeadLetter, refused: set[str]) -> Mapping[str, object]:
    if dead_letter.queue_message_id in refused:
        return entry("failed", dead_letter, error=REFUSED)
    return entry("deleted", dead_letter)


def _settled(queue_message_id: str, message_id: str | None, gone: set[str]) -> Mapping[str, object]:
    ids = {"queue_message_id": queue_message_id, "message_id": message_id}
    if queue_message_id in gone:
        return {"event": "deleted", **ids, "found": "gone"}
    return {"event": "failed", **ids, "error": NOT_FOUND}


def _others(dead_letter: DeadLetter) -> str:
    return f"still in the queue, as it is {dead_letter.owner.not_ours}"


def _problem(dead_letter: DeadLetter, reason: str, *, is_in_queue: bool = False) -> Problem:
    return Problem(
        queue_message_id=dead_letter.queue_message_id,
        message_id=dead_letter.message_id,
        reason=reason,
        is_in_queue=is_in_queue,
    )


def _pages(items: Iterable[tuple[str, str | None]]) -> Iterator[list[tuple[str, str | None]]]:
    unpaged = iter(items)
    while page := list(islice(unpaged, PAGE)):
        yield page


def run_discard(
    queue: DeletingQueue,
    journal: Journal,
    dead_letters: Mapping[str, str | None],
    *,
    home: Path,
    origin: Origin,
    table: WholeTable,
    known: Mapping[str, MessageState],
    patience_seconds: float = 0,
    observe: Callable[[int], None] = lambda _: None,
    monotonic: Callable[[], float] = time.monotonic,
) -> Discarded:
    """Discard dead letters within a run, and write its end. `known` is not empty when the run is resumed; then it must wait
    with `patience_seconds` for what its killed process still hides."""
    with open_archive(home, journal.run_id) as archive:
        marker = Marker(table=table, run_id=journal.run_id)
        run = Discard(
            queue=queue, journal=journal, archive=archive, origin=origin, marker=marker, known=known
        )
        discarded = run.run(
            dead_letters, patience_seconds=patience_seconds, observe=observe, monotonic=monotonic
        )
    journal.finish(discarded.counts)
    return discarded


def parameters_of(
    selection: Selection, *, dead_letters: int, by_name: bool, names: Mapping[Cause, str]
) -> Mapping[str, object]:
    """Return what the journal says of how the dead letters were chosen."""
    return {
        "letters": dead_letters,
        "selection": for_journal(selection, names) or "everything",
        "by_name": by_name,
    }
