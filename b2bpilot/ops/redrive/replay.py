"""Processing copies of dead letters: the queue keeps every one of them."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice

from b2bpilot.advice import our_command
from b2bpilot.errors import MessageUnreadable, PartlyFailed
from b2bpilot.ops.dead_letters.causes import SeenDeadLetter, all_others, owners_of
from b2bpilot.ops.dead_letters.copies import Copies
from b2bpilot.ops.dead_letters.decision import NOT_OURS as NOT_OURS_DECISIONS
from b2bpilot.ops.dead_letters.decision import Decision, decision_about_owner
from b2bpilot.ops.ports import Invokable, JournalWriter
from b2bpilot.ops.recipient import Recipient
from b2bpilot.ops.redrive.routes import InvokeRoute
from b2bpilot.ops.runs.journal import entry
from b2bpilot.ops.runs.record import MessageState, RunRecord, Stage
from b2bpilot.ops.sending.result import SendOutcome
from b2bpilot.pipeline.dead_letter import DeadLetter
from b2bpilot.plural import many

PROCESSED, FAILED = SendOutcome.PROCESSED.value, SendOutcome.FAILED.value
DONE = (PROCESSED, SendOutcome.RETURNED.value)
"""Another subscriber's function may say no more than that it returned."""
UNREADABLE, GONE, NOT_OURS = "unreadable", "gone", "not ours"
IN_WORDS = {
    UNREADABLE: "cannot be read",
    NOT_OURS: "for other subscribers",
    SendOutcome.UNKNOWN.value: "without an answer",
}
PAGE = 1_000
AHEAD = 2
"""So many dead letters for each worker are in memory, run or waiting."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayOutcome:
    """What became of one copy: the function's answer, or why it was not run."""

    queue_message_id: str
    message_id: str | None
    verdict: str
    error: str | None

    @property
    def is_processed(self) -> bool:
        return self.verdict in DONE


def write_plan(journal: JournalWriter, chosen: Iterable[SeenDeadLetter]) -> None:
    """Journal which dead letters a run is about: what it does not come to, a resumed one does."""
    left = iter(chosen)
    while page := list(islice(left, PAGE)):
        journal.write(*map(_planned, page))


def replay(
    dead_letters: Iterable[DeadLetter],
    function: Invokable,
    journal: JournalWriter,
    *,
    run_id: str,
    workers: int,
    subscriber: Recipient | None = None,
) -> Iterator[ReplayOutcome]:
    """Run the function, another `subscriber`'s where one is given, with each dead letter and yield what it said, in the dead
    letters' order. All of them can be read.

    One worker runs them in this thread, so that a breakpoint in a function of this process works.
    """
    route = InvokeRoute(function, subscriber)

    def run(dead_letter: DeadLetter) -> ReplayOutcome:
        journal.write(entry("sending", dead_letter))
        (sent,) = route.send([dead_letter], run_id=run_id)
        event = "planned" if sent.fatal else "accepted" if sent.is_confirmed else "failed"
        journal.write(entry(event, dead_letter, verdict=sent.outcome.value, error=sent.error), durable=False)
        if sent.fatal:
            raise sent.fatal
        return ReplayOutcome(
            queue_message_id=dead_letter.queue_message_id,
            message_id=dead_letter.message_id,
            verdict=sent.outcome.value,
            error=sent.error,
        )

    yield from _map(run, dead_letters, workers)


def unreadable(dead_letters: Iterable[SeenDeadLetter]) -> Iterator[ReplayOutcome]:
    """Return what becomes of dead letters that cannot be read: they are left out."""
    for one in dead_letters:
        yield ReplayOutcome(
            queue_message_id=one.queue_message_id,
            message_id=None,
            verdict=UNREADABLE,
            error=one.cause.text,
        )


def not_ours(dead_letters: Iterable[SeenDeadLetter]) -> Iterator[ReplayOutcome]:
    """Return what becomes of dead letters that are not this environment's: the processor gets none of them."""
    for one in dead_letters:
        yield ReplayOutcome(
            queue_message_id=one.queue_message_id,
            message_id=one.message_id,
            verdict=NOT_OURS,
            error=str(one.owner),
        )


def require_readable(copies: Copies) -> None:
    """Raises NotOurs when all that was chosen is others', MessageUnreadable when nothing of ours can be processed."""
    if len(copies.others) == len(copies.chosen):
        raise all_others(owners_of(copies.others))
    if not copies.readable:
        raise MessageUnreadable(
            f"of {many(len(copies.chosen), 'dead letter')}, none can be read",
            hint=our_command("dlq", "list") + " shows why",
        )


def require_all_processed(counts: Mapping[str, int], *, run_id: str) -> None:
    """Raises PartlyFailed unless every copy was processed."""
    others = {verdict: count for verdict, count in counts.items() if count and verdict not in DONE}
    if not others:
        return
    parts = [
        f"{counts[verdict]:,} {verdict}" for verdict in DONE if verdict == PROCESSED or counts.get(verdict)
    ]
    parts += [f"{others.pop(FAILED, 0):,} failed"]
    parts += [f"{count:,} {IN_WORDS.get(verdict, verdict)}" for verdict, count in others.items()]
    raise PartlyFailed(
        ", ".join(parts),
        hint="a replay takes nothing out of the queue; each by itself: "
        + our_command("runs", "show", run_id),
    )


def remaining(record: RunRecord) -> dict[str, MessageState]:
    """Return the dead letters of which a run's journal has no result: what was being run when it ended, too, for the
    processor skips what it had completed."""
    no_result = (Stage.PLANNED, Stage.SENDING, Stage.UNKNOWN)
    return {
        id_: state
        for id_, state in record.messages.items()
        if state.stage in no_result and state.decision not in (Decision.UNREADABLE, *NOT_OURS_DECISIONS)
    }


def earlier(record: RunRecord) -> Counter[str]:
    """Count the results that a run's journal has."""
    states = record.messages.values()
    counts = Counter(_result(state) for state in states if state.stage in (Stage.ACCEPTED, Stage.FAILED))
    counts[UNREADABLE] = sum(state.decision == Decision.UNREADABLE for state in states)
    counts[NOT_OURS] = sum(state.decision in NOT_OURS_DECISIONS for state in states)
    return counts


def _result(state: MessageState) -> str:
    if state.stage is Stage.FAILED:
        return FAILED
    return state.verdict if state.verdict in DONE else PROCESSED


def gone(
    unprocessed: Mapping[str, MessageState], chosen: Iterable[SeenDeadLetter], *, reason: str
) -> list[ReplayOutcome]:
    """Return what is to be replayed and is not there any more."""
    here = {found.queue_message_id for found in chosen}
    return [
        ReplayOutcome(
            queue_message_id=id_,
            message_id=state.message_id,
            verdict=GONE,
            error=reason,
        )
        for id_, state in unprocessed.items()
        if id_ not in here
    ]


def note_gone(
    journal: JournalWriter, missing: Sequence[ReplayOutcome], unprocessed: Mapping[str, MessageState]
) -> None:
    """Journal why they have no result; another resume looks for them again."""
    for start in range(0, len(missing), PAGE):
        journal.write(
            *(
                {
                    "event": unprocessed[one.queue_message_id].stage.value,
                    "queue_message_id": one.queue_message_id,
                    "message_id": one.message_id,
                    "error": one.error,
                }
                for one in missing[start : start + PAGE]
            )
        )


def _planned(dead_letter: SeenDeadLetter) -> Mapping[str, object]:
    decision = Decision.SEND if dead_letter.message_id is not None else Decision.UNREADABLE
    decision = decision if dead_letter.owner.is_ours else decision_about_owner(dead_letter.owner)
    return {
        "event": "planned",
        "queue_message_id": dead_letter.queue_message_id,
        "message_id": dead_letter.message_id,
        "decision": decision.value,
        "error": None if dead_letter.message_id is not None else dead_letter.cause.text,
    }


def _map(
    run: Callable[[DeadLetter], ReplayOutcome], dead_letters: Iterable[DeadLetter], workers: int
) -> Iterator[ReplayOutcome]:
    if workers == 1:
        yield from map(run, dead_letters)
        return
    with ThreadPoolExecutor(workers) as pool:
        under_way: deque[Future[ReplayOutcome]] = deque()
        for dead_letter in dead_letters:
            under_way.append(pool.submit(run, dead_letter))
            if len(under_way) >= AHEAD * workers:
                yield under_way.popleft().result()
        while under_way:
            yield under_way.popleft().result()
