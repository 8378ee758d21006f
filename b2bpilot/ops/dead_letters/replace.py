"""One run of an edit: the edited dead letter is put into the queue before the original is deleted; and how an interrupted one
goes on."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from b2bpilot.advice import our_command
from b2bpilot.errors import (
    AwsDenied,
    AwsError,
    CredentialsMissing,
    NotFound,
    PartlyFailed,
    Refused,
)
from b2bpilot.ops.dead_letters.archive import (
    REPLACEMENT,
    Archived,
    Origin,
    archive_path,
    archived,
    digest,
    line,
    open_archive,
    read_archive,
)
from b2bpilot.ops.dead_letters.decision import asked_of
from b2bpilot.ops.dead_letters.discard import is_to_be_marked
from b2bpilot.ops.dead_letters.edit import Edit, replacement
from b2bpilot.ops.dead_letters.holding import Holding
from b2bpilot.ops.dead_letters.marks import Doomed, Mark, Marker
from b2bpilot.ops.dead_letters.peek import peek
from b2bpilot.ops.dead_letters.sweep import patience_after, take_named
from b2bpilot.ops.environment import SEND_ONCE, Environment
from b2bpilot.ops.ports import DeadLetterSender, DeletingQueue, JournalWriter, VisibilityQueue
from b2bpilot.ops.runs.durable import DurableFile
from b2bpilot.ops.runs.journal import Journal, entry
from b2bpilot.ops.runs.record import MessageState, RunRecord, Stage
from b2bpilot.ops.table.asked import Table, WholeTable
from b2bpilot.ops.table.row_state import RowState, row_states
from b2bpilot.pipeline.dead_letter import DeadLetter

REPLACED = {"replaced": 1}


@dataclass(frozen=True, slots=True, kw_only=True)
class Replace:
    """One run: archive both dead letters, journal, send the new one, check, delete the old one."""

    queue: DeletingQueue
    sender: DeadLetterSender
    journal: JournalWriter
    archive: DurableFile
    marker: Marker
    known: MessageState | None = field(default=None)
    patience_seconds: float = 0
    """How long to wait for what the killed process of a resumed run still hides."""
    monotonic: Callable[[], float] = time.monotonic

    def run(self, original: Archived, new: Archived, *, is_sent: bool = False) -> str | None:
        """Return why the row does not say what the edited dead letter says, if it has to: then somebody may publish the original.

        Raises NotFound when the original is gone, Refused and AwsError when nothing was sent, and PartlyFailed when both
        are in the queue now or nobody can tell.
        """
        missing = {original.queue_message_id}
        with Holding(self.queue) as held:
            received: list[DeadLetter] = []
            take_named(
                held, missing, received.extend, patience_seconds=self.patience_seconds, clock=self.monotonic
            )
            if not received:
                self._gone(original, is_sent=is_sent, others=held.others())
                return None
            if not is_sent:
                self._archive(received[0], original, new)
            not_replaced = self._replace_row(received[0], is_sent=is_sent)
            if not is_sent:
                self._send(received[0], new)
            self._delete(held, received[0])
            return not_replaced

    def _archive(self, dead_letter: DeadLetter, original: Archived, new: Archived) -> None:
        if self.known is None or not self.known.was_archived:
            self.archive.append([line(original), line(new)])
            self.journal.write(entry("archived", dead_letter))

    def _replace_row(self, dead_letter: DeadLetter, *, is_sent: bool) -> str | None:
        """Let the row say what the edited dead letter will: who publishes the row would publish what the original says. What the
        run did before it sent is not done again: since then the edited dead letter may have been stored, or edited."""
        if is_sent and self.known is not None and self.known.mark == Mark.MARKED:
            return None
        marking = self.marker.mark(self.journal, [Doomed.of(dead_letter)])[dead_letter.queue_message_id]
        if marking.mark in (Mark.BUSY, Mark.COMPLETED, Mark.EARLIER) and not is_sent:
            why = marking.why or "the message is completed"
            self.journal.write(entry("failed", dead_letter, error=why))
            raise Refused(f"the dead letter cannot be replaced now: {why}", outcome="Nothing was sent")
        return marking.why if marking.mark is Mark.NOT_MARKED else None

    def _send(self, dead_letter: DeadLetter, new: Archived) -> None:
        self.journal.write(entry("sending", dead_letter, digest=digest(new.outgoing)))
        unsent = self.sender.send([new.outgoing])
        if not unsent:
            self.journal.write(entry("accepted", dead_letter))
            return
        error = unsent[0].error
        if not error.is_unknown:
            self.journal.write(entry("failed", dead_letter, error=str(error)))
            raise error
        self.journal.write(entry("unknown", dead_letter, error=str(error)))
        raise PartlyFailed(
            f"it is not known whether the edited dead letter is in the queue; the original is: {error}",
            hint=our_command("runs", "resume", self.marker.run_id) + " looks for it and goes on",
        )

    def _delete(self, held: Holding, dead_letter: DeadLetter) -> None:
        hint = our_command("runs", "resume", self.marker.run_id) + " deletes the original"
        sent = "the edited dead letter is in the queue"
        try:
            refused = bool(held.delete([dead_letter]))
        except (AwsDenied, CredentialsMissing):
            raise
        except AwsError as exc:
            if exc.is_unknown:
                raise PartlyFailed(
                    f"{sent}; it is not known whether the original is, too: {exc}", hint=hint
                ) from exc
            raise PartlyFailed(f"{sent}, and the original too: {exc}", hint=hint) from exc
        if refused:
            raise PartlyFailed(f"{sent}, and the original too: SQS did not delete it", hint=hint)
        self.journal.write(entry("deleted", dead_letter))

    def _gone(self, original: Archived, *, is_sent: bool, others: int) -> None:
        """After the edited dead letter was sent, an original that no long poll brings was deleted by us, if the queue has no
        other dead letter that could be it; before, by somebody else."""
        message = original.dead_letter.message
        fields = {
            "queue_message_id": original.queue_message_id,
            "message_id": message.message_id if message else None,
        }
        if is_sent and others:
            raise PartlyFailed(
                "the edited dead letter is in the queue; it is not known whether the original is, too: about "
                f"{others:,} could not be received",
                hint=our_command("runs", "resume", self.marker.run_id) + " looks again",
            )
        if is_sent:
            self.journal.write({"event": "deleted", **fields, "found": "gone"})
            return
        self.journal.write(
            {"event": "failed", **fields, "error": "the original is not in the queue any more"}
        )
        raise NotFound(
            "the dead letter is not in the queue any more, or somebody else has it; no edited one was sent",
            hint="see " + our_command("dlq", "list"),
        )


def was_sent(queue: VisibilityQueue, new: Archived, state: MessageState, *, now: datetime) -> bool:
    """Tell whether an interrupted run's edited dead letter reached the queue: by the journal, else by its contents there."""
    if state.was_accepted:
        return True
    if not state.is_unknown:
        return False
    return is_in_queue(queue, new, now=now)


def is_in_queue(queue: VisibilityQueue, new: Archived, *, now: datetime) -> bool:
    """Tell whether a dead letter with these contents was seen."""
    contents: list[str] = []

    def visit(dead_letter: DeadLetter) -> None:
        contents.append(digest(archived(dead_letter, new.origin).outgoing))

    peek(queue, now=now, visit=visit)
    return digest(new.outgoing) in contents


def archived_pair(entries: Sequence[Archived]) -> tuple[Archived, Archived]:
    """Return the original and the edited dead letter of a run's archive. Raises NotFound when it did not get that far."""
    by_kind: Mapping[str, Archived] = {each.kind: each for each in entries}
    if len(by_kind) < 2:  # noqa: PLR2004  # both of them
        raise NotFound("the run ended before it changed anything", hint="edit the dead letter again")
    return by_kind["letter"], by_kind[REPLACEMENT]


def row_state_of(dead_letter: DeadLetter, table: Table) -> RowState:
    """Return what the database says of the dead letter's message."""
    message = asked_of(dead_letter)
    return row_states(table, [message])[message]


def replace_dead_letter(
    environment: Environment, journal: Journal, edit: Edit, *, table: WholeTable, home: Path
) -> None:
    """Put the edited dead letter in the original's place. Raises what Replace.run raises, and PartlyFailed when the row
    still says what the original said."""
    origin = Origin.of(environment)
    new = replacement(edit, origin)
    with open_archive(home, journal.run_id) as archive:
        not_replaced = Replace(
            queue=environment.queue(),
            sender=environment.queue(SEND_ONCE),
            journal=journal,
            archive=archive,
            marker=Marker(table=table, run_id=journal.run_id, replacement=new.dead_letter.message),
        ).run(archived(edit.dead_letter, origin), new)
    journal.finish(REPLACED)
    _require_replaced(not_replaced, run_id=journal.run_id)


def _require_replaced(not_replaced: str | None, *, run_id: str) -> None:
    if not_replaced is not None:
        raise PartlyFailed(
            "the dead letter is replaced, but the row still says what the original said: whoever publishes the row, the "
            "stale processor or a person, publishes the original, and the edited dead letter is "
            f"removed as completed after that: {not_replaced}",
            hint=our_command("runs", "resume", run_id)
            + " writes the row once the processor's database can be asked; until then do "
            "not publish the row again",
        )


def is_done(record: RunRecord) -> bool:
    """Whether the dead letter is replaced, and its row as far as it has one."""
    return any(
        state.stage is Stage.DELETED and not is_to_be_marked(state) for state in record.messages.values()
    )


def _write_row(
    marker: Marker, journal: Journal, queue: VisibilityQueue, new: Archived, now: datetime
) -> None:
    """Write what an edit could not that ended without the database. Once the edited dead letter is no longer seen, it may
    be stored, or edited again: then the row is left as it is. Raises PartlyFailed."""
    if not is_in_queue(queue, new, now=now):
        raise PartlyFailed(
            "the edited dead letter was not seen in the queue: it may be stored, edited again or held by somebody. The row is "
            "left as it is",
            hint="compare it with the run's archive before you publish it again",
        )
    doomed = Doomed.of(new.dead_letter)
    marking = marker.mark(journal, [doomed])[doomed.queue_message_id]
    match marking.mark:
        case Mark.MARKED | Mark.NO_ROW:
            journal.finish(REPLACED)
        case Mark.NOT_MARKED:
            _require_replaced(marking.why, run_id=marker.run_id)
        case _:
            why = marking.why or "the message was completed meanwhile: its row says with which text"
            raise PartlyFailed(
                f"the row could not be written: {why}", hint="see " + our_command("dlq", "list")
            )


def resume_edit(
    environment: Environment,
    journal: Journal,
    record: RunRecord,
    *,
    table: WholeTable,
    home: Path,
    now: datetime,
) -> None:
    """Go on where an edit ended. Raises NotFound when it had changed nothing, and what Replace.run raises."""
    path = archive_path(home, record.run_id)
    original, new = archived_pair(list(read_archive(path)) if path.exists() else [])
    state = record.messages.get(original.queue_message_id) or MessageState(
        queue_message_id=original.queue_message_id
    )
    queue = environment.queue()
    if state.stage is Stage.DELETED:
        marker = Marker(table=table, run_id=record.run_id, replacement=new.dead_letter.message)
        _write_row(marker, journal, queue, new, now)
        return
    is_sent = was_sent(queue, new, state, now=now)
    with open_archive(home, record.run_id) as archive:
        not_replaced = Replace(
            queue=queue,
            sender=environment.queue(SEND_ONCE),
            journal=journal,
            archive=archive,
            marker=Marker(table=table, run_id=record.run_id, replacement=new.dead_letter.message),
            known=state,
            patience_seconds=patience_after(record.last_at, now=now),
        ).run(original, new, is_sent=is_sent)
    journal.finish(REPLACED)
    _require_replaced(not_replaced, run_id=record.run_id)
