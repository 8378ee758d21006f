"""What a backfill would send, counted: the rows are read once for it, and once more when they are sent."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, date

from b2bpilot.aws.subscriptions import Subscription
from b2bpilot.ops.backfill.options import BackfillOptions
from b2bpilot.ops.backfill.rebuild import DecidedRow, RowFate, decided
from b2bpilot.ops.runs.record import MessageState, is_sent
from b2bpilot.pipeline.database import DatabaseManager
from b2bpilot.pipeline.history import PAGE, Stretch, oldest_first
from b2bpilot.pipeline.models import UserSubmission

Known = Mapping[str, MessageState]
"""What an earlier attempt of the run did, by message_id."""


@dataclass(slots=True, kw_only=True)
class BackfillPlan:
    """Rows by what becomes of them. `rows` are those that it is about: with a limit they end with the last that is sent."""

    rows: Stretch
    fates: Counter[RowFate] = field(default_factory=Counter)
    days: Counter[date] = field(default_factory=Counter)
    """Messages that are sent, by the day (UTC) on which their rows were created."""
    tests: int = 0
    perhaps_before: int = 0
    """Of those that are sent, what an earlier attempt perhaps sent."""
    is_limited: bool = False
    """The limit was reached: later rows were not looked at."""

    @property
    def looked_at(self) -> int:
        return sum(self.fates.values())

    @property
    def to_send(self) -> int:
        return self.fates[RowFate.SEND]


def plan(
    database: DatabaseManager,
    rows: Stretch,
    subscription: Subscription,
    options: BackfillOptions,
    *,
    known: Known | None = None,
    observe: Callable[[int], None] = lambda _: None,
) -> BackfillPlan:
    """Look at each row. `observe` gets how many were. Raises DatabaseError, and UsageError for an expression."""
    found = BackfillPlan(rows=rows)
    for row, one in rows_decided(database, rows, subscription, options, known=known or {}):
        found.fates[one.fate] += 1
        if one.message is not None:
            found.days[row.created_at.astimezone(UTC).date()] += 1
            found.tests += one.message.test
            state = (known or {}).get(one.message.message_id)
            found.perhaps_before += state is not None and state.perhaps_sent
        if found.looked_at % PAGE == 0:
            observe(found.looked_at)
        if found.to_send + found.fates[RowFate.BEFORE] == options.limit:
            found.is_limited = row.id < rows.last_id
            found.rows = replace(rows, last_id=row.id)
            break
    if options.where is not None:
        options.where.require_fields()
    return found


def rows_decided(
    database: DatabaseManager,
    rows: Stretch,
    subscription: Subscription,
    options: BackfillOptions,
    *,
    known: Known,
) -> Iterator[tuple[UserSubmission, DecidedRow]]:
    """Yield each row with what becomes of it, oldest first."""
    for row in oldest_first(database, rows):
        one = decided(row, subscription, options.where)
        if one.message is not None:
            state = known.get(one.message.message_id)
            if is_sent(state):
                one = DecidedRow(fate=RowFate.BEFORE)
            elif state is None and options.is_by_plan:
                one = DecidedRow(fate=RowFate.NOT_SELECTED)
        yield row, one
