"""What `publish --wait` says of its messages: the row proof, and what was stored before."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import assert_never

from b2bpilot.advice import our_command
from b2bpilot.errors import PartlyFailed, Refused, TimedOut
from b2bpilot.ops.table.asked import Table, WholeTable
from b2bpilot.ops.table.clocks import compare
from b2bpilot.ops.table.row_proof import ATTEMPTS, Proven, RowOutcome, RowProof, Watched
from b2bpilot.ops.table.row_state import Asked, RowState, row_states, submission_of
from b2bpilot.pipeline.models import SubmissionStatus, UserSubmission
from b2bpilot.plural import many


class Verdict(StrEnum):
    """What the row says when the waiting ends, in the words of `publish`."""

    STORED = "stored"
    STORED_BEFORE = "stored_before"
    """The message was completed before it was published now; the processor skips it as a duplicate."""
    FAILED = "failed"
    ABANDONED = "abandoned"
    DISCARDED = "discarded"
    NOT_STORED = "not_stored"
    """No row, or one that a run still works on."""
    UNKNOWN = "unknown"
    """The database is not proven to be the processor's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """One published message. `was_before`: it was completed before it was published."""

    proven: Proven
    was_before: bool = False

    @property
    def message_id(self) -> str:
        return self.proven.message_id

    @property
    def verdict(self) -> Verdict:
        match self.proven.outcome:
            case RowOutcome.COMPLETED:
                return Verdict.STORED_BEFORE if self.was_before else Verdict.STORED
            case RowOutcome.FAILED:
                return Verdict.FAILED
            case RowOutcome.ABANDONED:
                return Verdict.ABANDONED
            case RowOutcome.DISCARDED:
                return Verdict.DISCARDED
            case RowOutcome.UNPROVEN:
                return Verdict.UNKNOWN
            case RowOutcome.OPEN:
                return Verdict.FAILED if self._has_failed_attempt else Verdict.NOT_STORED
            case _:
                assert_never(self.proven.outcome)

    @property
    def is_stored(self) -> bool:
        return self.proven.is_completed

    @property
    def why(self) -> str | None:
        """Why it is not stored, in one phrase."""
        row = self.proven.row
        match self.verdict:
            case Verdict.STORED | Verdict.STORED_BEFORE:
                return None
            case Verdict.FAILED if row:
                return f"attempt {row.attempts} failed: {row.last_error}"
            case Verdict.ABANDONED if row:
                return f"it was abandoned: {row.last_error}"
            case Verdict.DISCARDED:
                return self.proven.error
            case Verdict.UNKNOWN:
                return "the database is not proven to be the processor's"
        return "its row is not completed" if row else "it has no row"

    @property
    def _has_failed_attempt(self) -> bool:
        return self.proven.row is not None and self.proven.row.status is SubmissionStatus.FAILED


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """The verdicts of all messages, in the order in which they were asked for."""

    messages: Sequence[Judged] = field(repr=False)

    @property
    def stored(self) -> int:
        return sum(one.is_stored for one in self.messages)

    @property
    def not_stored(self) -> Sequence[Judged]:
        return [one for one in self.messages if not one.is_stored]

    def counts(self) -> dict[str, int]:
        counts = {verdict.value: self._count(verdict) for verdict in Verdict}
        return {name: count for name, count in counts.items() if count}

    def _count(self, verdict: Verdict) -> int:
        return sum(one.verdict is verdict for one in self.messages)


def completed_before(table: Table, messages: Iterable[Asked]) -> frozenset[Asked]:
    """Return which of the messages are completed already: what is sent now is no new success for them.

    Raises Refused when one has the id of a real message and is a test, or the reverse: it would become a dead letter.
    """
    states = row_states(table, messages)
    for message, state in states.items():
        if state is RowState.OTHER_KIND:
            raise _other_kind(message)
    return frozenset(message for message, state in states.items() if state is RowState.COMPLETED)


def prove_stored(
    row_proof: RowProof,
    messages: Iterable[Asked],
    *,
    timeout: timedelta,
    before: Collection[Asked] = (),
    observe: Callable[[int, int], None] = lambda _decided, _all: None,
    attempt: Callable[[str], None] = lambda _: None,
) -> Stored:
    """Wait for the rows. `attempt` is told of each failed attempt that is not Lambda's last."""
    told: set[tuple[Asked, int]] = set()

    def tell(read: Collection[Proven]) -> None:
        for one in read:
            row = one.row
            is_failure = one.outcome is RowOutcome.OPEN and row and row.status is SubmissionStatus.FAILED
            if row and is_failure and (one.message, row.attempts) not in told:
                told.add((one.message, row.attempts))
                attempt(f"Attempt {row.attempts} failed: {row.last_error}; waiting for Lambda's next one")

    proof = row_proof.prove(messages, timeout=timeout, watched=Watched(observe=observe, rows=tell))
    return Stored(
        messages=[Judged(proven=one, was_before=one.message in before) for one in proof.messages.values()]
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """When a message was sent, and the clock that says so, which must run steadily: the row is dated by another one."""

    sent_at: datetime
    clock: Callable[[], datetime]

    def until(self, completed_at: datetime, table: WholeTable) -> timedelta:
        """Return how long it took, measured by the sender's clock. Raises DatabaseError."""
        offset = compare(table.database.now, clock=self.clock)
        return max(offset.ours(completed_at) - self.sent_at, timedelta())


@dataclass(frozen=True, slots=True, kw_only=True)
class Waited:
    """What became of the only message, and its own row. `latency` is from its sending to its completion, of a new success
    only; None where nobody timed it."""

    judged: Judged
    submission: UserSubmission | None = None
    latency: timedelta | None = None

    @property
    def verdict(self) -> Verdict:
        return self.judged.verdict


def wait_for_one(
    table: WholeTable,
    message: Asked,
    *,
    timeout: timedelta,
    before: Collection[Asked] = (),
    attempt: Callable[[str], None] = lambda _: None,
    timing: Timing | None = None,
) -> Waited:
    """Wait for the row of one message. Raises DatabaseError."""
    stored = prove_stored(RowProof(table), [message], timeout=timeout, before=before, attempt=attempt)
    (judged,) = stored.messages
    row = submission_of(table, message)[1]
    completed_at = row.completed_at if row and judged.verdict is Verdict.STORED else None
    latency = timing.until(completed_at, table) if timing and completed_at else None
    return Waited(judged=judged, submission=row, latency=latency)


def require_one_stored(waited: Waited, *, timeout: timedelta) -> None:
    """Raise TimedOut unless the message is stored, and say what its row says instead; PartlyFailed when nobody can tell."""
    judged, row = waited.judged, waited.judged.proven.row
    message_id = judged.message_id
    if judged.is_stored:
        return
    if judged.verdict is Verdict.UNKNOWN:
        raise _unknown(f"message {message_id} was published; whether it is stored is unknown")
    if judged.verdict is Verdict.FAILED and row and row.attempts >= ATTEMPTS:
        raise TimedOut(
            f"message {message_id} was published and failed {many(row.attempts, 'time')}: {row.last_error}",
            hint="Lambda makes it a dead letter: " + our_command("dlq", "show", message_id),
        )
    raise TimedOut(
        f"message {message_id} was published, but not stored within {timeout.total_seconds():g} s: {judged.why}",
        hint="look again with " + our_command("inspect", message_id),
    )


def require_all_stored(stored: Stored, *, timeout: timedelta) -> None:
    """Raises TimedOut when no row is there, PartlyFailed when some are missing or nobody can tell."""
    left = stored.not_stored
    if not left:
        return
    if all(one.verdict is Verdict.UNKNOWN for one in left):
        raise _unknown(f"whether {many(len(left), 'message is', 'messages are')} stored is unknown")
    kind = PartlyFailed if stored.stored else TimedOut
    raise kind(
        f"{len(left):,} of {many(len(stored.messages), 'message is', 'messages are')} not stored after {timeout.total_seconds():g} s",
        hint="look at one with " + our_command("inspect", left[0].message_id),
    )


def _unknown(what: str) -> PartlyFailed:
    return PartlyFailed(
        f"{what}: the database is not proven to be the processor's",
        hint="leave --database-url out, so that the one of the stack's secret is asked",
    )


def _other_kind(message: Asked) -> Refused:
    kind, other = ("test", "real") if message.test else ("real", "test")
    return Refused(
        f"{message.message_id} is the id of a {other} message: a {kind} message cannot have it",
        hint="leave the id out, or look at that one: " + our_command("inspect", message.message_id),
    )
