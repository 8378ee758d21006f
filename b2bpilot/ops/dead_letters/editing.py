"""An edit in an environment: which row, which archive, and how an interrupted one goes on."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from b2bpilot.advice import our_command
from b2bpilot.errors import PartlyFailed
from b2bpilot.ops.dead_letters.archive import (
    Archived,
    Origin,
    archive_path,
    archived,
    open_archive,
    read_archive,
)
from b2bpilot.ops.dead_letters.asked import asked_of
from b2bpilot.ops.dead_letters.discard import is_to_be_marked
from b2bpilot.ops.dead_letters.edit import Edit, Replace, archived_pair, is_in_queue, replacement, was_sent
from b2bpilot.ops.dead_letters.marks import Doomed, Mark, Marker
from b2bpilot.ops.dead_letters.taking import patience_after
from b2bpilot.ops.environment import SEND_ONCE, Environment
from b2bpilot.ops.ports import VisibilityQueue
from b2bpilot.ops.runs.journal import Journal
from b2bpilot.ops.runs.record import MessageState, RunRecord, Stage
from b2bpilot.ops.table.asked import Table, WholeTable
from b2bpilot.ops.table.row_state import RowState, row_states
from b2bpilot.pipeline.dead_letter import DeadLetter

REPLACED = {"replaced": 1}


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
