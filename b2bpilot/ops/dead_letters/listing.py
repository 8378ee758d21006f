"""What is in the queue, by cause, and what the database says about it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from b2bpilot.errors import PilotError
from b2bpilot.ops.dead_letters.causes import Group, grouped
from b2bpilot.ops.dead_letters.filters import Selection
from b2bpilot.ops.dead_letters.peek import Counts, Peek, every, peek
from b2bpilot.ops.ports import VisibilityQueue
from b2bpilot.ops.table.asked import Table
from b2bpilot.ops.table.database_proof import DatabaseProof
from b2bpilot.ops.table.row_state import Asked, RowState, discarded_in, row_states

OpenTable = Callable[[], AbstractContextManager[Table]]
"""Gives the table when it is needed; a reading of the queue does without when it cannot."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetterListing:
    """A look with its groups. `database` is what was asked, if anything had to be; `database_error` says why it was not."""

    look: Peek
    groups: Sequence[Group]
    database: DatabaseProof | None
    database_error: str | None
    discarded: Mapping[str, int] = field(default_factory=dict)
    """How many of the messages a person discarded, by run."""


def list_dead_letters(
    queue: VisibilityQueue,
    *,
    selection: Selection,
    counts: Counts = every,
    retention: timedelta,
    table: OpenTable,
    now: datetime,
    observe: Callable[[int, int], None],
) -> DeadLetterListing:
    """Peek at the queue and ask the database about what was found. Raises what `look` raises."""
    seen = peek(queue, now=now, selection=selection, counts=counts, observe=observe)
    found, proof, error, discarded = _states(seen, table)
    groups = grouped(seen.found, seen.names, retention=retention, states=found)
    return DeadLetterListing(
        look=seen, groups=groups, database=proof, database_error=error, discarded=discarded
    )


def _states(
    seen: Peek, open_table: OpenTable
) -> tuple[dict[Asked, RowState] | None, DatabaseProof | None, str | None, Mapping[str, int]]:
    messages = [dead_letter.asked for dead_letter in seen.found if dead_letter.asked]
    if not messages:
        return {}, None, None, {}
    try:
        with open_table() as table:
            states = row_states(table, messages)
            marked = [one for one, state in states.items() if state is RowState.DISCARDED]
            return states, table.proof, None, Counter(discarded_in(table, marked).values())
    except PilotError as exc:
        return None, None, str(exc), {}
