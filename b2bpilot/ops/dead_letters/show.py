"""One dead letter in full: the failure, its way here, the row, the log, and what a redrive would do."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal, Protocol, assert_never

from b2bpilot.advice import our_command
from b2bpilot.aws.logs import LogLine
from b2bpilot.errors import NotFound, PilotError
from b2bpilot.ops.dead_letters import timeline
from b2bpilot.ops.dead_letters.asked import has_row
from b2bpilot.ops.dead_letters.causes import cause_of
from b2bpilot.ops.dead_letters.decision import Decision, decide
from b2bpilot.ops.dead_letters.selection import Selection
from b2bpilot.ops.dead_letters.sweep import Look, Queue, look
from b2bpilot.ops.dead_letters.timeline import Moment
from b2bpilot.ops.dead_letters.unseen import THE_OTHERS
from b2bpilot.ops.table.asked import WholeTable
from b2bpilot.ops.table.database_proof import DatabaseProof
from b2bpilot.ops.table.row_state import Asked, RowState, submission_of
from b2bpilot.pipeline.dead_letter import DeadLetter
from b2bpilot.pipeline.models import UserSubmission

LOG_LINES = 100
LONGEST_RETRIES = timedelta(hours=6)
"""Lambda keeps an event so long by default (docs/aws-facts.md#event-age)."""
MARGIN = timedelta(minutes=1)


class Log(Protocol):
    def lines_with(self, text: str, *, since: datetime, until: datetime, limit: int) -> list[LogLine]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class RowFound:
    """The message's row. `error` says why the database was not asked; then nothing else is known."""

    row: UserSubmission | None = None
    state: RowState | None = None
    database: DatabaseProof | None = None
    error: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LogFound:
    """The lines of the run that failed. `missing` says why there are none."""

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
    timeline: Sequence[Moment]
    row: RowFound
    log: LogFound
    decision: Decision
    redrive: str
    """What a redrive would do, in words."""


def show(
    queue: Queue,
    wanted: str,
    *,
    retention: timedelta,
    table: Callable[[], AbstractContextManager[WholeTable]],
    log: Callable[[], Log],
    failed_before: Mapping[str, int],
    now: datetime,
    observe: Callable[[int, int], None],
) -> Shown:
    """Find the dead letter by its message's id or its own id in the queue. Raises NotFound, and what `look` raises.

    `failed_before` is how often runs from here sent it and failed, by its id in the queue. The database and the log are asked; a dead letter is shown without them, too.
    """
    found: list[DeadLetter] = []
    seen = look(
        queue,
        now=now,
        selection=Selection(message_ids=frozenset({wanted})),
        visit=found.append,
        observe=observe,
    )
    if not found:
        raise _not_found(wanted, seen)
    dead_letter = max(found, key=lambda each: (each.sent_at or now, each.queue_message_id))
    row = _row(dead_letter, table)
    failures = max(dead_letter.redrives, failed_before.get(dead_letter.queue_message_id, 0))
    decision = decide(dead_letter, row.state, failures=failures)
    return Shown(
        dead_letter=dead_letter,
        others=len(found) - 1,
        group=seen.names[cause_of(dead_letter)],
        expires_at=dead_letter.sent_at + retention if dead_letter.sent_at else None,
        timeline=timeline.of(dead_letter, row.row),
        row=row,
        log=_log(dead_letter, log),
        decision=decision,
        redrive=_explained(decision, dead_letter, row, failures=failures),
    )


def _not_found(wanted: str, seen: Look) -> NotFound:
    return NotFound(
        f"no dead letter of {wanted} was found (saw {seen.saw:,} of about {seen.about:,})"
        f"{'' if seen.is_complete else f': {THE_OTHERS}'}",
        hint=our_command("inspect", wanted) + " shows the message's row",
    )


def _row(dead_letter: DeadLetter, open_table: Callable[[], AbstractContextManager[WholeTable]]) -> RowFound:
    if dead_letter.message is None or not has_row(dead_letter):
        return RowFound()
    try:
        with open_table() as table:
            state, row = submission_of(table, Asked.of(dead_letter.message))
            return RowFound(row=row, state=state, database=table.proof)
    except PilotError as exc:
        return RowFound(error=str(exc))


def _log(dead_letter: DeadLetter, log: Callable[[], Log]) -> LogFound:
    """The request id comes out of the queue, so it is looked at before it is put into a filter."""
    request_id = dead_letter.failure.request_id
    if not request_id or not request_id.replace("-", "").isalnum():
        return LogFound(missing="the dead letter names no request id")
    if dead_letter.sent_at is None:
        return LogFound(missing="nobody knows when the dead letter was written")
    try:
        lines = log().lines_with(
            request_id,
            since=dead_letter.sent_at - LONGEST_RETRIES - MARGIN,
            until=dead_letter.sent_at + MARGIN,
            limit=LOG_LINES,
        )
    except PilotError as exc:
        return LogFound(missing=str(exc))
    return LogFound(lines=lines) if lines else LogFound(missing=f"no line names request {request_id}")


def _explained(decision: Decision, dead_letter: DeadLetter, found: RowFound, *, failures: int) -> str:
    match decision:
        case Decision.SEND:
            return f"send it again, for the {_ordinal(failures + 1)} time"
        case Decision.REMOVE:
            return "only remove it from the queue: the message is completed"
        case Decision.POISON:
            return f"set it aside: it was sent {failures} times and failed (--include-poison sends it)"
        case _:
            return f"leave it: {_why_left(decision, dead_letter, found)}"


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
    found: RowFound,
) -> str:
    match decision:
        case Decision.BUSY:
            return "a run is working on the message"
        case Decision.DISCARDED:
            run_id = found.row.discarded_by if found.row else None
            return (
                f"a person discarded its message in run {run_id} (`dlq discard` takes it out, too; "
                "a `dlq restore` of that run takes that back)"
            )
        case Decision.UNREADABLE:
            return str(dead_letter.unreadable)
        case Decision.OTHER | Decision.GONE | Decision.UNOWNED:
            adopt = " (--adopt sends it to the processor)" if decision is Decision.GONE else ""
            return f"it is {dead_letter.owner.not_ours}{adopt}"
        case _:
            assert_never(decision)


def _ordinal(number: int) -> str:
    return {1: "first", 2: "second", 3: "third"}.get(number, f"{number}th")
