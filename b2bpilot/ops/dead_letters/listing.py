"""What is in the queue, by cause or one by one, and what the database says about it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Literal, assert_never

from b2bpilot.advice import our_command
from b2bpilot.aws.logs import LogLine
from b2bpilot.errors import MessageUnreadable, NotFound, PilotError
from b2bpilot.ops.dead_letters.causes import Group, cause_of, grouped
from b2bpilot.ops.dead_letters.decision import Decision, decide, has_row
from b2bpilot.ops.dead_letters.filters import Selection
from b2bpilot.ops.dead_letters.peek import Counts, Peek, every, peek
from b2bpilot.ops.dead_letters.sweep import THE_OTHERS
from b2bpilot.ops.ports import RequestLog, VisibilityQueue
from b2bpilot.ops.table.asked import Table, WholeTable
from b2bpilot.ops.table.database_proof import DatabaseProof
from b2bpilot.ops.table.row_state import Asked, RowState, discarded_in, row_states, rows_of, submission_of
from b2bpilot.pipeline.dead_letter import DeadLetter
from b2bpilot.pipeline.message import parse_time
from b2bpilot.pipeline.models import UserSubmission
from b2bpilot.pipeline.notification import backfill_in
from b2bpilot.plural import many

OpenTable = Callable[[], AbstractContextManager[Table]]
"""Gives the table when it is needed; a reading of the queue does without when it cannot."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetterListing:
    """A look with its groups. `database` is what was asked, if anything had to be; `database_error` says why it was not."""

    look: Peek
    groups: Sequence[Group]
    database: DatabaseProof | None
    database_error: str | None
    discarded: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """Which of the messages a person discarded, by run."""


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
    states, row_errors, proof, error, discarded = _states(seen, table)
    groups = grouped(seen.found, seen.names, retention=retention, states=states, row_errors=row_errors)
    return DeadLetterListing(
        look=seen, groups=groups, database=proof, database_error=error, discarded=discarded
    )


def _states(
    seen: Peek, open_table: OpenTable
) -> tuple[
    dict[Asked, RowState] | None,
    Mapping[Asked, str],
    DatabaseProof | None,
    str | None,
    Mapping[str, Sequence[str]],
]:
    messages = [dead_letter.asked for dead_letter in seen.found if dead_letter.asked]
    if not messages:
        return {}, {}, None, None, {}
    try:
        with open_table() as table:
            states = row_states(table, messages)
            marked = [one for one, state in states.items() if state is RowState.DISCARDED]
            failed = [one for one, state in states.items() if state is RowState.FAILED]
            errors = {one: row.last_error for one, row in rows_of(table, failed).items() if row.last_error}
            return states, errors, table.proof, None, discarded_in(table, marked)
    except PilotError as exc:
        return None, {}, None, str(exc), {}


LOG_LINES = 100
LONGEST_RETRIES = timedelta(hours=6)
"""Lambda keeps an event so long by default (docs/aws-facts.md#event-age)."""
MARGIN = timedelta(minutes=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class TimelineEntry:
    at: datetime
    what: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownRow:
    """The message's row. `error` says why the database was not asked; then nothing else is known."""

    row: UserSubmission | None = None
    state: RowState | None = None
    database: DatabaseProof | None = None
    error: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownLog:
    """The lines of the run that failed, or of the message. `missing` says why there are none."""

    lines: Sequence[LogLine] = ()
    missing: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """A dead letter, and what else is known of it."""

    dead_letter: DeadLetter
    others: int
    """How many more dead letters of the same message there are; this is the newest."""
    group: str
    expires_at: datetime | None
    timeline: Sequence[TimelineEntry]
    row: ShownRow
    log: ShownLog
    decision: Decision
    redrive: str
    """What a redrive would do, in words."""


def show_dead_letter(
    queue: VisibilityQueue,
    dead_letter_id: str,
    *,
    retention: timedelta,
    table: Callable[[], AbstractContextManager[WholeTable]],
    log: Callable[[], RequestLog],
    failed_before: Mapping[str, int],
    now: datetime,
    observe: Callable[[int, int], None],
) -> Shown:
    """Find the dead letter by its message's id or its own id in the queue. Raises NotFound, and what `look` raises.

    `failed_before` is how often runs from here sent it and failed, by its id in the queue. The database and the log are asked; a dead letter is shown without them, too.
    """
    found: list[DeadLetter] = []
    seen = peek(
        queue,
        now=now,
        selection=Selection(message_ids=frozenset({dead_letter_id})),
        visit=found.append,
        observe=observe,
    )
    if not found:
        raise _not_found(dead_letter_id, seen)
    dead_letter = max(found, key=lambda each: (each.sent_at or now, each.queue_message_id))
    row = _row(dead_letter, table)
    failures = max(dead_letter.redrives, failed_before.get(dead_letter.queue_message_id, 0))
    decision = decide(dead_letter, row.state, failures=failures)
    return Shown(
        dead_letter=dead_letter,
        others=len(found) - 1,
        group=seen.names[cause_of(dead_letter)],
        expires_at=dead_letter.sent_at + retention if dead_letter.sent_at else None,
        timeline=timeline_of(dead_letter, row.row),
        row=row,
        log=_log(dead_letter, log, now=now),
        decision=decision,
        redrive=_explained(decision, dead_letter, row, failures=failures),
    )


def _not_found(dead_letter_id: str, seen: Peek) -> NotFound:
    return NotFound(
        f"no dead letter of {dead_letter_id} was found (saw {seen.saw:,} of about {seen.about:,})"
        f"{'' if seen.is_complete else f': {THE_OTHERS}'}",
        hint=our_command("inspect", dead_letter_id) + " shows the message's row",
    )


def _row(dead_letter: DeadLetter, open_table: Callable[[], AbstractContextManager[WholeTable]]) -> ShownRow:
    if dead_letter.message is None or not has_row(dead_letter):
        return ShownRow()
    try:
        with open_table() as table:
            state, row = submission_of(table, Asked.of(dead_letter.message))
            return ShownRow(row=row, state=state, database=table.proof)
    except PilotError as exc:
        return ShownRow(error=str(exc))


def _log(dead_letter: DeadLetter, log: Callable[[], RequestLog], *, now: datetime) -> ShownLog:
    """By the run's request id, else by the message's: SQS names no run, and dates what it moved by its way into the first queue,
    before the runs. What comes out of the queue is looked at before it is
    put into a filter."""
    request_id, message_id = dead_letter.failure.request_id, dead_letter.message_id
    wanted, what = (request_id, "request") if request_id else (message_id, "message")
    if not wanted or not wanted.replace("-", "").isalnum():
        return ShownLog(missing="the dead letter names no request id, and no message")
    if dead_letter.sent_at is None:
        return ShownLog(missing="nobody knows when the dead letter was written")
    try:
        lines = log().lines_with(
            wanted,
            since=dead_letter.sent_at - LONGEST_RETRIES - MARGIN,
            until=(dead_letter.sent_at if request_id else now) + MARGIN,
            limit=LOG_LINES,
        )
    except PilotError as exc:
        return ShownLog(missing=str(exc))
    return ShownLog(lines=lines) if lines else ShownLog(missing=f"no line names {what} {wanted}")


def _explained(decision: Decision, dead_letter: DeadLetter, row: ShownRow, *, failures: int) -> str:
    match decision:
        case Decision.SEND | Decision.SECOND:
            return f"send it again, for the {_ordinal(failures + 1)} time"
        case Decision.REMOVE:
            return "only remove it from the queue: the message is completed"
        case Decision.POISON:
            return f"set it aside: it was sent {failures} times and failed (--include-poison sends it)"
        case _:
            return f"leave it: {_why_left(decision, dead_letter, row)}"


def _why_left(
    decision: Literal[
        Decision.BUSY,
        Decision.DISCARDED,
        Decision.UNREADABLE,
        Decision.OTHER,
        Decision.GONE,
        Decision.UNOWNED,
    ],
    dead_letter: DeadLetter,
    row: ShownRow,
) -> str:
    match decision:
        case Decision.BUSY:
            return "a run is working on the message"
        case Decision.DISCARDED:
            run_id = row.row.discarded_by if row.row else None
            return (
                f"a person discarded its message in run {run_id} (`dlq discard --message-id ID` takes it out, too; "
                "a `dlq restore` of that run takes that back)"
            )
        case Decision.UNREADABLE:
            return str(dead_letter.unreadable)
        case Decision.OTHER | Decision.GONE | Decision.UNOWNED:
            taken = f" (--adopt takes it for {dead_letter.owner.adopter})"
            adopt = taken if decision is Decision.GONE else ""
            return f"it is {dead_letter.owner.not_ours}{adopt}"
        case _:
            assert_never(decision)


def _ordinal(number: int) -> str:
    return {1: "first", 2: "second", 3: "third"}.get(number, f"{number}th")


def timeline_of(dead_letter: DeadLetter, row: UserSubmission | None) -> list[TimelineEntry]:
    """Return what is known to have happened, in its order."""
    known = [*_in_the_pipeline(dead_letter), *_in_the_queue(dead_letter), *_in_the_table(row)]
    return sorted(known, key=lambda each: each.at)


def _in_the_pipeline(dead_letter: DeadLetter) -> Iterator[TimelineEntry]:
    """SNS's clock is another one; still nothing is published before it is received."""
    if dead_letter.message:
        yield TimelineEntry(
            at=dead_letter.message.received_at, what=f"received ({dead_letter.message.source})"
        )
    if (
        dead_letter.message
        and (published_at := _published_at(dead_letter.event))
        and not backfill_in(dead_letter.event)
    ):
        yield TimelineEntry(
            at=max(published_at, dead_letter.message.received_at), what="published to the topic"
        )


def _in_the_queue(dead_letter: DeadLetter) -> Iterator[TimelineEntry]:
    if dead_letter.sent_at:
        again = f", after {many(dead_letter.redrives, 'redrive')}" if dead_letter.redrives else ""
        by = f" (the last one by run {dead_letter.redriven_by})" if dead_letter.redriven_by else ""
        sent = f", sent by backfill {run}" if (run := backfill_in(dead_letter.event)) else ""
        yield TimelineEntry(at=dead_letter.sent_at, what=f"dead-lettered{sent}{again}{by}")
    if dead_letter.first_received_at:
        times = "once" if dead_letter.receive_count == 1 else f"{dead_letter.receive_count} times"
        yield TimelineEntry(at=dead_letter.first_received_at, what=f"first seen; received {times} so far")


def _in_the_table(row: UserSubmission | None) -> Iterator[TimelineEntry]:
    if row is None:
        return
    yield TimelineEntry(at=row.created_at, what="row created")
    if row.completed_at:
        yield TimelineEntry(at=row.completed_at, what="completed")
    elif row.updated_at != row.created_at:
        yield TimelineEntry(at=row.updated_at, what=f"row last changed: {row.status}")


def _published_at(event: Mapping[str, Any] | None) -> datetime | None:
    if event is None:
        return None
    try:
        return parse_time(event["Records"][0]["Sns"]["Timestamp"])
    except (KeyError, MessageUnreadable):
        return None
