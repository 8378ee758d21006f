"""What is in the queue, by cause, and what the database says about it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from b2bpilot.aws.queue import DeadLetterQueue
from b2bpilot.errors import PilotError
from b2bpilot.ops.dead_letters import states
from b2bpilot.ops.dead_letters.groups import Group, grouped
from b2bpilot.ops.dead_letters.look import Look, Queue, look
from b2bpilot.ops.dead_letters.selection import Selection
from b2bpilot.ops.dead_letters.states import RowState, row_states
from b2bpilot.ops.environment import Environment


class Table(states.Table, Protocol):
    """The part of DatabaseManager that is asked."""

    def now(self) -> datetime: ...


Database = Callable[[], AbstractContextManager[Table]]
"""Opens the database when it is needed; a reading of the queue does without when it cannot."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Survey:
    """A look with its groups. `database_error` says why the database was not asked."""

    look: Look
    groups: Sequence[Group]
    database_error: str | None


def queue_of(environment: Environment) -> DeadLetterQueue:
    """Return the environment's dead-letter queue. It tells of each dead letter whose it is."""
    environment.subscribers.begin()
    return DeadLetterQueue.connect(
        environment.stack.dead_letter_queue_url,
        access=environment.access,
        judge=environment.subscribers.judge,
    )


def survey(
    queue: Queue,
    *,
    selection: Selection,
    retention: timedelta,
    database: Database,
    now: datetime,
    observe: Callable[[int, int], None],
) -> Survey:
    """Look at the queue and ask the database about what was found. Raises what `look` raises."""
    seen = look(queue, now=now, selection=selection, observe=observe)
    found, error = _states(seen, database)
    groups = grouped(seen.found, seen.names, retention=retention, states=found)
    return Survey(look=seen, groups=groups, database_error=error)


def _states(seen: Look, database: Database) -> tuple[dict[str, RowState] | None, str | None]:
    ours = [letter for letter in seen.found if letter.owner.rows_count]
    message_ids = dict.fromkeys(letter.message_id for letter in ours if letter.message_id)
    if not message_ids:
        return {}, None
    try:
        with database() as table:
            return row_states(table, message_ids, now=table.now()), None
    except PilotError as exc:
        return None, str(exc)
