"""What `publish --wait` says of its messages: the row proof, and what was stored before."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from b2bpilot.advice import our_command
from b2bpilot.errors import PartlyFailed, Refused, TimedOut
from b2bpilot.ops.table.asked import Table, WholeTable
from b2bpilot.ops.table.clocks import compare
from b2bpilot.ops.table.row_proof import ATTEMPTS, ProofWatcher, Proven, RowOutcome, RowProof
from b2bpilot.ops.table.row_state import Asked, RowState, row_states, submission_of
from b2bpilot.pipeline.models import SubmissionStatus, UserSubmission
from b2bpilot.plural import many

WORDS = {
    RowOutcome.COMPLETED: "stored",
    RowOutcome.FAILED: "failed",
    RowOutcome.ABANDONED: "abandoned",
    RowOutcome.DISCARDED: "discarded",
    RowOutcome.OPEN: "not_stored",
    RowOutcome.UNPROVEN: "unknown",
}
"""The documents' words for what the row says when the waiting ends."""
DECIDED = frozenset({RowOutcome.FAILED, RowOutcome.ABANDONED, RowOutcome.DISCARDED})
STORED_BEFORE = "stored_before"
ORDER = ("stored", STORED_BEFORE, "failed", "abandoned", "discarded", "not_stored", "unknown")


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedRow:
    """One published message. `was_before`: it was completed before it was published, so the processor skips it as a duplicate."""

    proven: Proven
    was_before: bool = False

    @property
    def message_id(self) -> str:
        return self.proven.message_id

    @property
    def outcome(self) -> RowOutcome:
        """A failed attempt counts when the time is over, also when Lambda would have made another one."""
        if self.proven.outcome is RowOutcome.OPEN and self._has_failed_attempt:
            return RowOutcome.FAILED
        return self.proven.outcome

    @property
    def word(self) -> str:
        return STORED_BEFORE if self.is_stored and self.was_before else WORDS[self.outcome]

    @property
    def is_stored(self) -> bool:
        return self.proven.is_completed

    @property
    def is_new(self) -> bool:
        """Whether it was stored since it was published."""
        return self.is_stored and not self.was_before

    @property
    def why(self) -> str | None:
        """Why it is not stored, in one phrase."""
        row = self.proven.row
        match self.outcome:
            case RowOutcome.COMPLETED:
                return None
            case RowOutcome.FAILED if row:
                return f"attempt {row.attempts} failed: {row.last_error}"
            case RowOutcome.ABANDONED if row:
                return f"it was abandoned: {row.last_error}"
            case RowOutcome.DISCARDED:
                return self.proven.error
            case RowOutcome.UNPROVEN:
                return "the database is not proven to be the processor's"
        return "its row is not completed" if row else "it has no row"

    @property
    def is_decided(self) -> bool:
        """Whether the row said the end before the time was over."""
        return self.proven.outcome in DECIDED

    @property
    def _has_failed_attempt(self) -> bool:
        return self.proven.row is not None and self.proven.row.status is SubmissionStatus.FAILED


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedRows:
    """What the rows of all messages say, in the order in which they were asked for."""

    messages: Sequence[PublishedRow] = field(repr=False)

    @property
    def stored(self) -> int:
        return sum(one.is_stored for one in self.messages)

    @property
    def not_stored(self) -> Sequence[PublishedRow]:
        return [one for one in self.messages if not one.is_stored]

    def counts(self) -> dict[str, int]:
        counts = Counter(one.word for one in self.messages)
        return {word: counts[word] for word in ORDER if counts[word]}


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
) -> PublishedRows:
    """Wait for the rows. `attempt` is told of each failed attempt that is not Lambda's last."""
    told: set[tuple[Asked, int]] = set()

    def tell(read: Collection[Proven]) -> None:
        for one in read:
            row = one.row
            is_failure = one.outcome is RowOutcome.OPEN and row and row.status is SubmissionStatus.FAILED
            if row and is_failure and (one.message, row.attempts) not in told:
                told.add((one.message, row.attempts))
                attempt(f"Attempt {row.attempts} failed: {row.last_error}; waiting for Lambda's next one")

    proof = row_proof.prove(messages, timeout=timeout, watched=ProofWatcher(observe=observe, rows=tell))
    return PublishedRows(
        messages=[
            PublishedRow(proven=one, was_before=one.message in before) for one in proof.messages.values()
        ]
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

    published: PublishedRow
    submission: UserSubmission | None = None
    latency: timedelta | None = None


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
    (published,) = stored.messages
    row = submission_of(table, message)[1]
    completed_at = row.completed_at if row and published.is_new else None
    latency = timing.until(completed_at, table) if timing and completed_at else None
    return Waited(published=published, submission=row, latency=latency)


def require_one_stored(waited: Waited, *, timeout: timedelta) -> None:
    """Raise TimedOut unless the message is stored, and say what its row says instead; PartlyFailed when nobody can tell."""
    published, row = waited.published, waited.published.proven.row
    message_id = published.message_id
    if published.is_stored:
        return
    if published.outcome is RowOutcome.UNPROVEN:
        raise _unknown(f"message {message_id} was published; whether it is stored is unknown")
    if published.outcome is RowOutcome.FAILED and row and row.attempts >= ATTEMPTS:
        raise TimedOut(
            f"message {message_id} was published and failed {many(row.attempts, 'time')}: {row.last_error}",
            hint="Lambda makes it a dead letter: " + our_command("dlq", "show", message_id),
        )
    how = "is not stored" if published.is_decided else f"not stored within {timeout.total_seconds():g} s"
    raise TimedOut(
        f"message {message_id} was published, but {how}: {published.why}",
        hint="look again with " + our_command("inspect", message_id),
    )


def require_all_stored(stored: PublishedRows, *, timeout: timedelta) -> None:
    """Raises TimedOut when no row is there, PartlyFailed when some are missing or nobody can tell."""
    left = stored.not_stored
    if not left:
        return
    if all(one.outcome is RowOutcome.UNPROVEN for one in left):
        raise _unknown(f"whether {many(len(left), 'message is', 'messages are')} stored is unknown")
    kind = PartlyFailed if stored.stored else TimedOut
    count = f"{len(left):,} of {many(len(stored.messages), 'message is', 'messages are')} not stored"
    raise kind(
        f"{count}: {_why_not(left, timeout)}",
        hint="look at one with " + our_command("inspect", left[0].message_id),
    )


def _why_not(left: Sequence[PublishedRow], timeout: timedelta) -> str:
    """What the rows said the end of did not take the whole time, and will not change by waiting."""
    ends = Counter(one.proven.outcome for one in left)
    within = f"not decided within {timeout.total_seconds():g} s"
    told = {
        RowOutcome.FAILED: f"failed {ATTEMPTS} times",
        RowOutcome.ABANDONED: "abandoned",
        RowOutcome.DISCARDED: "discarded by a person",
        RowOutcome.OPEN: within,
        RowOutcome.UNPROVEN: "unknown",
    }
    return ", ".join(f"{ends[outcome]:,} {what}" for outcome, what in told.items() if ends[outcome])


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
