"""Publishing rows again: look again, journal, publish, and prove by the rows; a few first, and no more when that was in vain."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from b2bpilot.advice import our_command
from b2bpilot.aws.topic import Published
from b2bpilot.errors import AwsDenied, CredentialsMissing, DatabaseError, MessageTooLarge, PartlyFailed
from b2bpilot.ops.ports import JournalWriter, Publisher
from b2bpilot.ops.republish.plan import PlannedRow, RepublishPlan, RowDecision, decide
from b2bpilot.ops.runs.record import MessageState, RunRecord
from b2bpilot.ops.table.asked import WholeTable
from b2bpilot.ops.table.row_proof import Proven, RowOutcome, RowProof, failed_since
from b2bpilot.ops.table.row_state import Asked
from b2bpilot.ops.unproven import UnprovenMessage
from b2bpilot.pipeline.message import Encoded, encode
from b2bpilot.plural import many

COMMAND = "republish"
FIRST_WINDOW, WINDOW = 10, 100
DEFAULT_WAIT = timedelta(seconds=60)
REST = timedelta(minutes=15)
"""How long the stale processor leaves alone what was published here."""
LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)
A_LITTLE = timedelta(seconds=10)
HOPELESS = (AwsDenied, CredentialsMissing)
"""What one message meets, all of them will meet."""


@dataclass(slots=True, kw_only=True)
class Republished:
    """What a run did, in messages."""

    accepted: int = 0
    unknown: int = 0
    """Perhaps published: no answer came, or none that says so."""
    completed: int = 0
    problems: list[UnprovenMessage] = field(default_factory=list)
    left: int = 0
    """Not published, because nothing of what was published last was completed."""

    def counts(self) -> dict[str, int]:
        return {
            "accepted": self.accepted,
            "unknown": self.unknown,
            "completed": self.completed,
            "not_proven": len(self.problems),
            "left": self.left,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Republication:
    """One run. `wait` is how long the proof of each window may take; `discarded` takes marks of discarded messages back."""

    table: WholeTable
    publisher: Publisher
    journal: JournalWriter
    wait: timedelta
    discarded: bool = False
    perhaps_before: frozenset[str] = frozenset()
    """What an earlier attempt perhaps published: no later refusal makes sure that it did not."""
    observe: Callable[[str], None] = lambda _: None

    def run(self, message_ids: Sequence[str], done: Republished) -> Republished:
        """Publish window by window. Raises what no message can pass; what was done is in the journal then."""
        remaining = list(message_ids)
        size = FIRST_WINDOW
        while remaining:
            window, remaining = remaining[:size], remaining[size:]
            before = done.completed
            self._publish(window, done)
            self.observe(f"{done.accepted:,} published again, {done.completed:,} proven to be completed")
            if done.completed == before:
                done.left = len(remaining)
                break
            size = WINDOW
        return done

    def prove(self, message_ids: Sequence[str], done: Republished, *, since: datetime) -> None:
        """Look for the rows of what was published. `completed` and `problems` grow."""
        if not message_ids:
            return
        row_proof = RowProof(self.table, failure_counts=failed_since(since))
        found = row_proof.prove(self._asked(message_ids), timeout=self.wait).messages.values()
        self.journal.write(
            *(_entry("proof", one.message_id, fate=one.outcome.value, reason=one.error) for one in found)
        )
        for one in found:
            if one.is_completed:
                done.completed += 1
            else:
                done.problems.append(UnprovenMessage(message_id=one.message_id, reason=_reason(one)))

    def _asked(self, message_ids: Sequence[str]) -> list[Asked]:
        """What is published is the row's own message, so it is of the row's kind."""
        rows = self.table.progress_of(message_ids)
        return [Asked(id_, rows[id_].test if id_ in rows else False) for id_ in message_ids]

    def _publish(self, window: Sequence[str], done: Republished) -> None:
        """The rows are read and judged again: since the plan, a delivery or another person may have been faster."""
        messages = {one.message_id: one for one in self._still_waiting(window, done)}
        encoded = dict(self._encoded(messages, done))
        if not encoded:
            return
        self.journal.write(*(_sending(messages[id_]) for id_ in encoded))
        since = self.table.now()
        taken = self._taken(list(encoded))
        for message_id in encoded.keys() - taken:
            self._leave(message_id, "a delivery took it meanwhile", done)
        sent = [message_id for message_id in encoded if message_id in taken]
        results = dict(zip(sent, self.publisher.publish_batch([encoded[id_] for id_ in sent]), strict=True))
        doubtful = {id_ for id_, result in results.items() if self._is_doubtful(id_, result)}
        self.journal.write(
            *(_result(id_, result, is_unknown=id_ in doubtful) for id_, result in results.items())
        )
        accepted = [id_ for id_, result in results.items() if result.error is None]
        for message_id in accepted:
            self.table.database.note_republished(message_id, rest=REST)
        done.accepted += len(accepted)
        for message_id, result in results.items():
            if isinstance(result.error, HOPELESS):
                raise result.error
            if result.error is not None and message_id not in doubtful:
                done.problems.append(
                    UnprovenMessage(message_id=message_id, reason=f"not published: {result.error}")
                )
        self.prove(accepted, done, since=since)
        self._prove_doubtful({id_: str(results[id_].error) for id_ in doubtful}, done)

    def _taken(self, message_ids: Sequence[str]) -> set[str]:
        """Raises DatabaseError, and says in the journal that nothing of it was published now."""
        database = self.table.database
        try:
            return database.take_for_republication(message_ids, discarded=self.discarded, rest=REST)
        except DatabaseError as exc:
            self.journal.write(*(self._not_taken(id_, exc) for id_ in message_ids))
            raise

    def _not_taken(self, message_id: str, exc: DatabaseError) -> Mapping[str, object]:
        event = "unknown" if message_id in self.perhaps_before else "failed"
        return _entry(event, message_id, error=f"not published: {exc}")

    def _is_doubtful(self, message_id: str, result: Published) -> bool:
        return result.error is not None and (result.is_unknown or message_id in self.perhaps_before)

    def _prove_doubtful(self, doubtful: Mapping[str, str], done: Republished) -> None:
        """Of what got no answer, a completed row is the proof; nothing else proves anything."""
        done.unknown += len(doubtful)
        found = RowProof(self.table).prove(self._asked(list(doubtful)), timeout=timedelta()).messages.values()
        completed = [one.message_id for one in found if one.is_completed]
        self.journal.write(*(_entry("proof", id_, fate=RowOutcome.COMPLETED.value) for id_ in completed))
        done.completed += len(completed)
        done.problems += [
            UnprovenMessage(message_id=id_, reason=f"perhaps published: {error}")
            for id_, error in doubtful.items()
            if id_ not in completed
        ]

    def _still_waiting(self, window: Sequence[str], done: Republished) -> Iterable[PlannedRow]:
        now = self.table.now()
        for message_id in window:
            row = self.table.get_submission_by_message_id(message_id)
            one = decide(row, now=now, discarded=self.discarded) if row else None
            if one is not None and one.decision is RowDecision.SEND:
                yield one
            elif one is not None and one.decision is RowDecision.COMPLETED:
                self.journal.write(_entry("proof", message_id, fate=RowOutcome.COMPLETED.value))
                done.completed += 1
            else:
                self._leave(message_id, one.why or "" if one else "its row is gone", done)

    def _leave(self, message_id: str, why: str, done: Republished) -> None:
        self.journal.write(_entry("failed", message_id, error=f"not published: {why}"))
        done.problems.append(UnprovenMessage(message_id=message_id, reason=f"not published: {why}"))

    def _encoded(
        self, messages: Mapping[str, PlannedRow], done: Republished
    ) -> Iterable[tuple[str, Encoded]]:
        for message_id, one in messages.items():
            if one.message is None:
                continue
            try:
                yield message_id, encode(one.message)
            except MessageTooLarge as exc:
                self._leave(message_id, str(exc), done)


def write_plan(journal: JournalWriter, plan: RepublishPlan) -> None:
    """Write down each row of the plan, also those that are left."""
    journal.write(
        *(
            _entry("planned", one.message_id, decision=one.decision.value, error=one.why)
            for one in plan.items
            if one.message_id
        )
    )


def resume(republication: Republication, record: RunRecord) -> Republished:
    """Prove what the run published, and publish what is not known to be accepted: a second copy is stored once."""
    done = Republished()
    planned = {
        id_: state for id_, state in record.messages.items() if state.decision == RowDecision.SEND.value
    }
    done.accepted = sum(state.was_accepted for state in planned.values())
    done.completed = sum(_is_completed(state) for state in planned.values())
    unproven = [id_ for id_, state in planned.items() if state.was_accepted and not _is_completed(state)]
    republication.prove(unproven, done, since=_published_at(republication.table, unproven))
    left = [id_ for id_, state in planned.items() if not state.was_accepted and not _is_completed(state)]
    perhaps = frozenset(id_ for id_ in left if planned[id_].is_unknown)
    return replace(republication, perhaps_before=perhaps).run(left, done)


def remaining(record: RunRecord) -> int:
    """Return how many messages of the run are not proven to be completed."""
    states = record.messages.values()
    return sum(state.decision == RowDecision.SEND.value and not _is_completed(state) for state in states)


def require_all_completed(done: Republished, run_id: str, *, left: int = 0) -> None:
    """Raise PartlyFailed unless all that was asked for is completed; `left` are rows that the plan left out."""
    if done.left:
        raise PartlyFailed(
            f"none of the messages published last was completed, so {many(done.left, 'more was', 'more were')} not published",
            hint="fix the cause, then: " + our_command("runs", "resume", run_id),
        )
    if done.problems:
        count = len(done.problems)
        raise PartlyFailed(
            f"{count:,} message{'s are' if count != 1 else ' is'} not proven to be completed",
            hint="see "
            + our_command("runs", "show", run_id)
            + ", and "
            + our_command("dlq", "list")
            + " for new dead letters",
        )
    if left:
        raise PartlyFailed(f"{left:,} of the named rows could not be published again")


def _published_at(table: WholeTable, message_ids: Sequence[str]) -> datetime:
    """By the database's clock, a little before the first of them: a run may fail before its acceptance is written down."""
    times = [row.republished_at for row in table.progress_of(message_ids).values() if row.republished_at]
    return min(times, default=LONG_AGO + A_LITTLE) - A_LITTLE


def _is_completed(state: MessageState) -> bool:
    return state.fate == RowOutcome.COMPLETED.value


def _reason(one: Proven) -> str:
    if one.error:
        return f"published, and its run failed: {one.error}"
    return "published, not completed within the time"


def _entry(event: str, message_id: str, **fields: object) -> Mapping[str, object]:
    return {"event": event, "queue_message_id": message_id, "message_id": message_id, **fields}


def _sending(one: PlannedRow) -> Mapping[str, object]:
    taken_back = {"discarded_by": one.row.discarded_by} if one.row.discarded_by else {}
    return _entry("sending", one.message_id, **taken_back)


def _result(message_id: str, result: Published, *, is_unknown: bool) -> Mapping[str, object]:
    if result.error is None:
        return _entry("accepted", message_id, sns_message_id=result.sns_message_id)
    return _entry("unknown" if is_unknown else "failed", message_id, error=str(result.error))
