"""A redrive from taking to proof: take, decide, send what was confirmed by a person, and look at the rows."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from types import TracebackType
from typing import Protocol, Self

from b2bpilot.ops.deadletters import entries
from b2bpilot.ops.deadletters.engine import Engine, Handled, Observe, Recheck, Rules, StageDone, failed_again
from b2bpilot.ops.deadletters.entries import entry
from b2bpilot.ops.deadletters.holding import HIDDEN_SECONDS, Holding, Queue
from b2bpilot.ops.deadletters.late_database import Database
from b2bpilot.ops.deadletters.pace import Limits, Pace
from b2bpilot.ops.deadletters.plan import Decision, Options, Plan, Planned, make_plan
from b2bpilot.ops.deadletters.proof import Fate, Proof, Prover
from b2bpilot.ops.deadletters.routes import Route, Via
from b2bpilot.ops.deadletters.states import row_states
from b2bpilot.ops.deadletters.summary import Summary, Unfinished, message_id_of, summarize, unfinished
from b2bpilot.ops.deadletters.taking import Taken, Taker
from b2bpilot.pipeline.deadletter import DeadLetter

WINDOW = 1_000
"""How many letters are held at a time; a longer run goes window by window, so that memory does not grow with the queue."""

PLAN_COMPLETE = "plan complete"
"""Nothing is sent before this line is on disk: a run without it has changed nothing."""

RECHECK_SECONDS = 10


class Journal(entries.Journal, Protocol):
    """A run's journal: its id is what the letters are marked with."""

    @property
    def run_id(self) -> str: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What the operator asked for. `limit` counts letters; `wait` is how long the proof may take."""

    options: Options = field(default_factory=Options)
    limits: Limits = field(default_factory=Limits)
    rules: Rules = field(default_factory=Rules)
    limit: int = WINDOW
    wait: timedelta = timedelta(seconds=60)


@dataclass(frozen=True, slots=True, kw_only=True)
class Watch:
    """What a display is told, possibly from other threads: batches as they end, stages, and the proof's progress."""

    batch: Observe = lambda _: None
    stage: Callable[[StageDone], None] = lambda _: None
    proof: Callable[[int, int], None] = lambda _decided, _all: None
    stopping: Callable[[], None] = lambda: None
    """It was interrupted; calls that are under way are waited for."""


class Redrive:
    """One run. A context: what it took and did not delete is visible again when it ends."""

    def __init__(
        self,
        *,
        queue: Queue,
        route: Route,
        database: Database,
        request: Request,
        wanted: Callable[[DeadLetter], bool],
        known: Mapping[str, bool] | None = None,
        started_at: datetime,
    ) -> None:
        """`wanted` is the selection. `known` is what an earlier attempt of this run journalled: by the letter's id in the
        queue, whether it is known to have been sent successfully. Letters written after `started_at` are not taken."""
        self._run_id: str | None = None
        self.request = request
        self._route = route
        self._database = database
        self._wanted = wanted
        self._known = known or {}
        self._started_at = started_at
        self._held = Holding(queue)
        self._left = request.limit
        self._seen: set[str] = set()
        self.pace = Pace(request.limits)

    def __enter__(self) -> Self:
        self._held.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._held.__exit__(kind, error, trace)

    def take(self) -> tuple[Taken, Plan]:
        """Take the next window and decide about it. An empty window means that there is no more."""
        taker = Taker(
            self._held,
            wanted=self._is_mine,
            limit=min(WINDOW, self._left),
            patience_seconds=HIDDEN_SECONDS + 10,
            for_all=bool(self._known),
        )
        taken = self._take_with(taker)
        self._left -= len(taken.letters)
        self._seen |= {letter.queue_message_id for letter in taken.letters}
        ids = [letter.message.message_id for letter in taken.letters if letter.message]
        states = row_states(self._database, ids, now=self._database.now())
        return taken, self._with_known(make_plan(taken.letters, states, self.request.options))

    def _take_with(self, taker: Taker) -> Taken:
        """Take letters, and connect to the database meanwhile."""
        with ThreadPoolExecutor(1) as pool:
            taking = pool.submit(taker.take)
            try:
                self._database.now()
                return taking.result()
            except BaseException:
                taker.stop()
                raise

    def run_all(self, first: tuple[Taken, Plan], journal: Journal, watch: Watch) -> Summary:
        """Run the window that was confirmed and, if there is more, the ones after it under the same rules."""
        taken, plan = first
        summary = self.run(plan, journal, watch)
        while taken.more and self._left > 0 and not summary.stopped:
            taken, plan = self.take()
            summary += self.run(plan, journal, watch)
        return summary

    def run(self, plan: Plan, journal: Journal, watch: Watch) -> Summary:
        """Send what the plan says, delete what was confirmed, and prove it by the rows."""
        since = self._database.now()
        self._run_id = journal.run_id
        journal.write(
            *(_planned(item) for item in plan.items), {"event": PLAN_COMPLETE, "letters": len(plan.items)}
        )
        removed = self._remove(plan.letters(Decision.REMOVE), journal)
        handled, deleted = self._send(plan.letters(Decision.SEND), journal, watch, since)
        proof = self._prove(handled, since, watch)
        summary = summarize(plan, handled, proof, deleted=deleted) + removed
        journal.write(*(_fate_entry(one, proof) for one in handled))
        return summary

    def prove_earlier(self, sent: Mapping[str, str], *, since: datetime) -> Summary:
        """Look at the rows of messages whose letters are not in the queue any more."""
        proof = Prover(self._database).prove(list(sent.values()), since=since, timeout=self.request.wait)
        open_ = [
            Unfinished(
                message_id=message_id,
                queue_message_id=letter,
                reason=proof.reasons.get(
                    message_id, "its letter is gone from the queue, its row is not completed"
                ),
                in_queue=False,
            )
            for letter, message_id in sent.items()
            if proof.fates[message_id] is not Fate.COMPLETED
        ]
        return Summary(completed=proof.count(Fate.COMPLETED), unfinished=tuple(open_))

    def _is_mine(self, letter: DeadLetter) -> bool:
        is_new = letter.sent_at is None or letter.sent_at < self._started_at
        return (
            is_new
            and (letter.redriven_by is None or letter.redriven_by != self._run_id)
            and letter.queue_message_id not in self._seen
            and self._wanted(letter)
        )

    def _with_known(self, plan: Plan) -> Plan:
        """What this run is known to have sent successfully is only removed."""
        items = [
            replace(item, decision=Decision.REMOVE) if self._known.get(item.letter.queue_message_id) else item
            for item in plan.items
        ]
        return Plan(items=items)

    def _remove(self, letters: Sequence[DeadLetter], journal: Journal) -> Summary:
        if not letters:
            return Summary()
        journal.write(*(entry("removing", letter) for letter in letters))
        refused = {letter.queue_message_id for letter in self._held.delete(letters)}
        gone = [letter for letter in letters if letter.queue_message_id not in refused]
        journal.write(*(entry("deleted", letter) for letter in gone))
        kept = [letter for letter in letters if letter.queue_message_id in refused]
        return Summary(
            removed=len(gone),
            unfinished=tuple(unfinished(letter, "SQS did not delete it", in_queue=True) for letter in kept),
        )

    def _send(
        self, letters: Sequence[DeadLetter], journal: Journal, watch: Watch, since: datetime
    ) -> tuple[list[Handled], set[str]]:
        """Return what was sent, and the queue's ids of what was deleted."""
        sender = Engine(
            run_id=journal.run_id,
            held=self._held,
            route=self._route,
            journal=journal,
            pace=self.pace,
            rules=self.request.rules,
        )
        handled: list[Handled] = []
        stages = sender.run(
            letters, recheck=self._recheck(since), observe=watch.batch, stopping=watch.stopping
        )
        for done in stages:
            handled += done.handled
            watch.stage(done)
        return handled, sender.deleted

    def _recheck(self, since: datetime) -> Recheck | None:
        """The first stages are small so that a mistake is small: on the routes that only accept, the rows decide them."""
        if self._route.via is Via.INVOKE or not self.request.wait:
            return None
        timeout = min(self.request.wait, timedelta(seconds=RECHECK_SECONDS))

        def recheck(handled: Sequence[Handled]) -> Sequence[Handled]:
            reasons = Prover(self._database).prove(_confirmed(handled), since=since, timeout=timeout).reasons
            return [
                failed_again(one, reasons[message_id_of(one)]) if message_id_of(one) in reasons else one
                for one in handled
            ]

        return recheck

    def _prove(self, handled: Sequence[Handled], since: datetime, watch: Watch) -> Proof:
        return Prover(self._database).prove(
            _confirmed(handled), since=since, timeout=self.request.wait, observe=watch.proof
        )


def _planned(item: Planned) -> Mapping[str, object]:
    """With the receipt, so that a resumed run can make the letter visible without waiting for its time to end."""
    receipt = item.letter.receipt_handle
    return entry("planned", item.letter, decision=item.decision.value, receipt_handle=receipt)


def _confirmed(handled: Sequence[Handled]) -> list[str]:
    return [message_id_of(one) for one in handled if one.sent.confirmed]


def _fate_entry(one: Handled, proof: Proof) -> Mapping[str, object]:
    fate = proof.fates.get(message_id_of(one), Fate.UNKNOWN)
    return entry("proof", one.letter, fate=fate.value, reason=proof.reasons.get(message_id_of(one)))
