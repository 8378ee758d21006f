"""Putting exported or discarded dead letters back into the dead-letter queue, each once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from itertools import islice
from pathlib import Path

from b2bpilot.advice import our_command
from b2bpilot.aws.queue import Judge as OwnerJudge
from b2bpilot.aws.queue import Outgoing
from b2bpilot.errors import AwsDenied, AwsError, CredentialsMissing, PartlyFailed, Refused
from b2bpilot.ops.dead_letters.archive import Archived, Origin, dead_letters_in, digest
from b2bpilot.ops.dead_letters.discard import Problem
from b2bpilot.ops.dead_letters.peek import peek
from b2bpilot.ops.ports import DeadLetterSender, JournalWriter, VisibilityQueue
from b2bpilot.ops.recipient import PROCESSOR
from b2bpilot.ops.runs.record import MessageState, RunRecord, Stage
from b2bpilot.ops.table.row_state import Asked
from b2bpilot.pipeline.clock import HostClock
from b2bpilot.pipeline.dead_letter import DeadLetter
from b2bpilot.pipeline.owner import Owner

BATCH = 10
WORKERS = 8
COMMAND = "restore"
CLOCKS_DIFFER = timedelta(minutes=5)
"""By so much the times may differ of a run that this machine's clock dated: it may have been set since."""


class RestoreDecision(StrEnum):
    """What is done with a dead letter of the file."""

    PUT_BACK = "to put back"
    SENT_PERHAPS = "to put back: perhaps sent before, and not in the queue"
    FOUND = "put back before without an answer; found in the queue"
    IN_QUEUE = "still in the queue"
    RESTORED = "put back before"
    UNDECIDED = "undecided: whether it is in the queue cannot be told now"


SENDING = frozenset({RestoreDecision.PUT_BACK, RestoreDecision.SENT_PERHAPS})
DONE = frozenset({RestoreDecision.FOUND, RestoreDecision.IN_QUEUE, RestoreDecision.RESTORED})


@dataclass(frozen=True, slots=True, kw_only=True)
class Before:
    """What the journals say of a dead letter: who tried to put it back, when, and how far it came."""

    run_id: str
    started_at: datetime
    stage: Stage


@dataclass(frozen=True, slots=True, kw_only=True)
class RestorePlan:
    """A decision for each dead letter of a file, by its id in the queue it was in."""

    path: Path
    origins: frozenset[Origin]
    decisions: Mapping[str, RestoreDecision]
    message_ids: Mapping[str, str | None]
    asked: Mapping[str, Asked] = field(default_factory=dict)
    """The messages of those that hold one."""
    owners: Mapping[Owner, int] = field(default_factory=dict)
    """Whose those are that are not this environment's: they were in its queue, and go back there."""
    cut: str | None = None
    """Which line ends before its dead letter does: it cannot be put back."""

    def counts(self) -> Counter[RestoreDecision]:
        return Counter(self.decisions.values())

    def dead_letters(self, *decisions: RestoreDecision) -> list[str]:
        return [id_ for id_, decision in self.decisions.items() if decision in decisions]

    @property
    def to_send(self) -> int:
        return len(self.dead_letters(*SENDING))

    @property
    def acts(self) -> bool:
        """Whether there is anything to send, to note or to name."""
        return any(
            decision not in (RestoreDecision.IN_QUEUE, RestoreDecision.RESTORED)
            for decision in self.decisions.values()
        )

    def problems(self) -> list[Problem]:
        return [
            Problem(
                queue_message_id=id_, message_id=self.message_ids[id_], reason=RestoreDecision.UNDECIDED.value
            )
            for id_ in self.dead_letters(RestoreDecision.UNDECIDED)
        ]


@dataclass(frozen=True, slots=True, kw_only=True)
class Restored:
    """What a restore did. A problem is a dead letter that is not known to be in the queue now."""

    put_back: int
    problems: Sequence[Problem] = ()

    @property
    def counts(self) -> Mapping[str, int]:
        return {"put back": self.put_back, "not put back": len(self.problems)}


def require_same_origin(plan: RestorePlan, origin: Origin, *, force: bool) -> None:
    """Raises Refused when dead letters of another environment would get into this one, and whatever is forced when they are of
    another subscriber of this one: nothing would send them from this queue, or take them out again."""
    others = [str(other) for other in plan.origins if other != origin]
    neighbours = [other for other in plan.origins if other != origin and other.is_beside(origin)]
    if neighbours:
        owner = neighbours[0].subscriber or PROCESSOR
        raise Refused(
            f"{plan.path.name} holds dead letters of {', '.join(others)}, not of {origin}",
            hint="put them back into their own queue: "
            + our_command("dlq", "restore", "--subscriber", owner, str(plan.path)),
        )
    if others and not force:
        raise Refused(
            f"{plan.path.name} holds dead letters of {', '.join(others)}, not of {origin}",
            hint=f"--force puts them into {origin.asker}'s queue anyway",
        )


def require_all_put_back(restored: Restored) -> None:
    """Raises PartlyFailed."""
    if restored.problems:
        raise PartlyFailed(
            f"not known to be back in the queue: {len(restored.problems):,} of the dead letters",
            hint="run it again: what is known to be back is not sent twice",
        )


def sent_before(records: Iterator[RunRecord], origin: Origin, clock: HostClock) -> dict[str, Before]:
    """Return what restores into this queue have sent, or perhaps sent, by the dead letter's former id. `clock` is AWS's."""
    found: dict[str, Before] = {}
    for record in records:
        place = Origin(
            environment=record.environment,
            account_id=record.account_id,
            region=record.region,
            subscriber=record.subscriber,
        )
        if record.command != COMMAND or place != origin:
            continue
        for id_, state in record.messages.items():
            if (state.was_accepted or state.is_unknown) and not _is_accepted(found.get(id_)):
                stage = Stage.ACCEPTED if state.was_accepted else Stage.UNKNOWN
                found[id_] = Before(run_id=record.run_id, started_at=record.began_at(clock), stage=stage)
    return found


def _is_accepted(before: Before | None) -> bool:
    return before is not None and before.stage is Stage.ACCEPTED


def plan_restore(
    path: Path,
    queue: VisibilityQueue,
    *,
    before: Mapping[str, Before],
    discarded: Mapping[str, MessageState] | None,
    now: datetime,
    with_owner: OwnerJudge = lambda dead_letter: dead_letter,
    observe: Callable[[int, int], None] = lambda _saw, _about: None,
) -> RestorePlan:
    """Decide about each dead letter of a file by the journals, and by what is in the queue now.

    `discarded` is the journal of the run that the file is the archive of: what it deleted is not in the queue.
    Raises ArchiveInvalid and AwsError.
    """
    contents = _Contents(before)
    found = peek(queue, now=now, visit=contents.add, observe=observe)
    here = {dead_letter.queue_message_id for dead_letter in found.found}
    decider = _Decider(
        here=here,
        contents=contents,
        before=before,
        discarded=discarded or {},
        is_all_seen=found.saw >= found.counters.total,
    )
    origins, decisions, message_ids, asked = set(), {}, {}, {}
    owners: Counter[Owner] = Counter()
    cut: list[str] = []
    for entry in dead_letters_in(path, cut.append):
        origins.add(entry.origin)
        dead_letter = with_owner(entry.dead_letter)
        message = dead_letter.message
        owners[dead_letter.owner] += not dead_letter.owner.is_simply_ours
        message_ids[entry.queue_message_id] = message.message_id if message else None
        if message and not dead_letter.owner.subscriber:
            asked[entry.queue_message_id] = Asked.of(message)
        decisions[entry.queue_message_id] = decider.decide(entry)
    lost = _is_lost(discarded, decisions)
    return RestorePlan(
        path=path,
        origins=frozenset(origins),
        decisions=decisions,
        message_ids=message_ids,
        asked=asked,
        owners=+owners,
        cut=cut[0] if cut and lost else None,
    )


def _is_lost(discarded: Mapping[str, MessageState] | None, read: Collection[str]) -> bool:
    """Tell whether a cut line held a dead letter that is nowhere else.

    A run that was killed leaves the line of one that it did not delete; of another file nothing is known.
    """
    if discarded is None:
        return True
    return any(state.stage is Stage.DELETED and id_ not in read for id_, state in discarded.items())


class _Contents:
    """The contents of dead letters in the queue, asked for only where the outcome of a send is unknown."""

    def __init__(self, before: Mapping[str, Before]) -> None:
        unknown = [each.started_at for each in before.values() if each.stage is not Stage.ACCEPTED]
        self._since = min(unknown, default=None)
        self._digests: Counter[str] = Counter()

    def add(self, dead_letter: DeadLetter) -> None:
        """Dead letters that were there long before the unknown send are not its result."""
        if self._since is None or dead_letter.sent_at is None:
            return
        if dead_letter.sent_at >= self._since - CLOCKS_DIFFER:
            contents = Outgoing(body=dead_letter.body, attributes=dead_letter.attributes)
            self._digests[digest(contents)] += 1

    def take(self, entry: Archived) -> bool:
        """Tell whether the queue has such a dead letter, and use it up: each answers for one."""
        key = digest(entry.outgoing)
        if self._digests[key] < 1:
            return False
        self._digests[key] -= 1
        return True


@dataclass(frozen=True, slots=True, kw_only=True)
class _Decider:
    here: set[str]
    contents: _Contents
    before: Mapping[str, Before]
    discarded: Mapping[str, MessageState]
    is_all_seen: bool

    def decide(self, entry: Archived) -> RestoreDecision:
        id_ = entry.queue_message_id
        before, state = self.before.get(id_), self.discarded.get(id_)
        if id_ in self.here:
            return RestoreDecision.IN_QUEUE
        if before is not None and before.stage is Stage.ACCEPTED:
            return RestoreDecision.RESTORED
        if before is not None:
            return self._after_unknown(entry)
        was_deleted = state is not None and state.stage is Stage.DELETED
        return RestoreDecision.PUT_BACK if was_deleted or self.is_all_seen else RestoreDecision.UNDECIDED

    def _after_unknown(self, entry: Archived) -> RestoreDecision:
        if self.contents.take(entry):
            return RestoreDecision.FOUND
        return RestoreDecision.SENT_PERHAPS if self.is_all_seen else RestoreDecision.UNDECIDED


@dataclass(frozen=True, slots=True, kw_only=True)
class Restore:
    """One run: journal, send, check entry by entry."""

    sender: DeadLetterSender
    journal: JournalWriter
    observe: Callable[[int], None] = field(default=lambda _: None)

    def run(self, plan: RestorePlan) -> Restored:
        """Put back what the plan says. What is not sent or not known is in `problems`. Raises what no dead letter can pass."""
        self._note_found(plan)
        problems = plan.problems()
        done = 0
        chosen = {id_ for id_, decision in plan.decisions.items() if decision in SENDING}
        dead_letters = (
            entry for entry in dead_letters_in(plan.path, _told) if entry.queue_message_id in chosen
        )
        with ThreadPoolExecutor(WORKERS) as pool:
            while window := list(islice(dead_letters, BATCH * WORKERS)):
                batches = [window[start : start + BATCH] for start in range(0, len(window), BATCH)]
                for failed in pool.map(lambda batch: self._send(batch, plan), batches):
                    problems += failed
                done += len(window)
                self.observe(done)
        return Restored(
            put_back=len(plan.decisions) - len(problems) - self._left(plan), problems=tuple(problems)
        )

    @staticmethod
    def _left(plan: RestorePlan) -> int:
        return len(plan.dead_letters(*DONE))

    def _note_found(self, plan: RestorePlan) -> None:
        """What an earlier run sent without an answer, and the queue has, is known from now on."""
        found = plan.dead_letters(RestoreDecision.FOUND)
        for start in range(0, len(found), BATCH * WORKERS):
            self.journal.write(
                *(
                    _entry("accepted", id_, plan, found="queue")
                    for id_ in found[start : start + BATCH * WORKERS]
                )
            )

    def _send(self, batch: Sequence[Archived], plan: RestorePlan) -> list[Problem]:
        ids = [entry.queue_message_id for entry in batch]
        self.journal.write(*(_entry("sending", id_, plan) for id_ in ids))
        unsent = {each.place: each.error for each in self.sender.send([entry.outgoing for entry in batch])}
        self.journal.write(*(_result(id_, plan, unsent.get(place)) for place, id_ in enumerate(ids)))
        for error in unsent.values():
            if isinstance(error, AwsDenied | CredentialsMissing):
                raise error
        return [_problem(ids[place], plan, error) for place, error in unsent.items()]


def _told(_place: str) -> None:
    """The plan says which line is cut."""


def _result(id_: str, plan: RestorePlan, error: AwsError | None) -> Mapping[str, object]:
    if error is None:
        return _entry("accepted", id_, plan)
    return _entry("unknown" if error.is_unknown else "failed", id_, plan, error=str(error))


def _entry(event: str, id_: str, plan: RestorePlan, **fields: object) -> Mapping[str, object]:
    return {"event": event, "queue_message_id": id_, "message_id": plan.message_ids[id_], **fields}


def _problem(id_: str, plan: RestorePlan, error: AwsError) -> Problem:
    reason = f"perhaps put back: {error}" if error.is_unknown else str(error)
    return Problem(queue_message_id=id_, message_id=plan.message_ids[id_], reason=reason)
