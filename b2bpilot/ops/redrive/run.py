"""A redrive from taking to proof: take, decide, send what was confirmed by a person, and look at the rows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial
from types import MappingProxyType, TracebackType
from typing import Self

from b2bpilot.aws.queue_attributes import Counters
from b2bpilot.ops.dead_letters.asked import asked_of, has_row
from b2bpilot.ops.dead_letters.entries import entry
from b2bpilot.ops.dead_letters.holding import HIDDEN_SECONDS, Holding, Queue
from b2bpilot.ops.dead_letters.taking import Taken, Taker
from b2bpilot.ops.ports import JournalWriter
from b2bpilot.ops.redrive.deletion import DeletedWhen, Deletions, deleted_when
from b2bpilot.ops.redrive.plan import Decision, Options, Plan, Planned, make_plan
from b2bpilot.ops.redrive.proof import RowsJudge
from b2bpilot.ops.redrive.routes import Route, SentDeadLetter
from b2bpilot.ops.redrive.stages import Engine, Observe, Rules, StageDone
from b2bpilot.ops.redrive.summary import Summary, Unfinished, summarize, unfinished
from b2bpilot.ops.sending.pace import Limits, Pace
from b2bpilot.ops.table.asked import Table
from b2bpilot.ops.table.row_proof import Proof, RowOutcome, RowProof, failed_since
from b2bpilot.ops.table.row_state import Asked, row_states
from b2bpilot.pipeline.dead_letter import MOST_ATTRIBUTES, DeadLetter, attributes_on_topic
from b2bpilot.pipeline.owner import Owner

WINDOW = 1_000
"""How many dead letters are held at a time; a longer run goes window by window, so that memory does not grow with the queue."""

NONE_UNSEEN = Counters(visible=0, hidden=0, delayed=0)

GONE = "its dead letter is gone from the queue"

PLAN_COMPLETE = "plan complete"
"""Nothing is sent before this line is on disk: a run without it has changed nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What the operator asked for. `limit` counts dead letters that are sent or removed, not what is left alone beside them;
    `wait` is how long the proof may take."""

    options: Options = field(default_factory=Options)
    limits: Limits = field(default_factory=Limits)
    rules: Rules = field(default_factory=Rules)
    limit: int = WINDOW
    is_limit_asked: bool = False
    """Whether somebody wanted no more than that: then what lies beyond it is none of the run's."""
    wait: timedelta = timedelta(seconds=60)


@dataclass(frozen=True, slots=True, kw_only=True)
class Watch:
    """What a display is told, possibly from other threads: that a window is being taken after the first, how many dead letters
    it sends and whether more follow, batches as they end, stages, and the proof's progress."""

    taking: Callable[[], None] = lambda: None
    window: Callable[[int, bool], None] = lambda _dead_letters, _more: None
    batch: Observe = lambda _: None
    stage: Callable[[StageDone], None] = lambda _: None
    proof: Callable[[int, int], None] = lambda _decided, _all: None
    too_many_attributes: Callable[[int], None] = lambda _dead_letters: None
    """How many of a window after the first have more attributes than raw delivery takes; before they are sent."""
    stopping: Callable[[], None] = lambda: None
    """It was interrupted; calls that are under way are waited for."""


class Redrive:
    """One run. A context: what it took and did not delete is visible again when it ends."""

    def __init__(
        self,
        *,
        queue: Queue,
        route: Route,
        table: Table,
        request: Request,
        wanted: Callable[[DeadLetter], bool],
        known: Mapping[str, bool] = MappingProxyType({}),
        failed_before: Mapping[str, int] = MappingProxyType({}),
        run_id: str | None = None,
        started_at: datetime,
        is_met: Callable[[Iterable[str]], bool] = lambda _: False,
    ) -> None:
        """`wanted` is the selection. `known` is what an earlier attempt of this run, `run_id`, journalled: by the dead letter's
        id in the queue, whether it needs no sending any more. `failed_before` is how often earlier runs failed, by the same
        id. Dead letters written after `started_at` are not taken. `is_met` tells whether no other dead letter can be meant, once these were taken, by their ids in the queue."""
        self.unseen = NONE_UNSEEN
        """About what SQS counts, after the last taking, that may be meant and that no receive brought."""
        self.seen: set[str] = set()
        """The ids in the queue of all dead letters that were taken."""
        self.left_alone: Counter[Decision] = Counter()
        """What was passed on the way to dead letters with which something is done, beside what the plans hold."""
        self.left_owners: Counter[Owner] = Counter()
        """Whose those of them are that are not ours."""
        self.request = request
        self._run_id = run_id
        self.route = route
        self.table = table
        self._wanted = wanted
        self._known = known
        self._failed_before = failed_before
        self._started_at = started_at
        self._is_met = is_met
        self._held = Holding(queue)
        self._left = request.limit
        self._next_stage = 1
        self.pace = Pace(request.limits)

    def __enter__(self) -> Self:
        self._held.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._held.__exit__(kind, error, trace)

    @property
    def not_released(self) -> int:
        """How many dead letters could not be given back, once the block is left; they are visible again HIDDEN_SECONDS later."""
        return self._held.not_released

    def take(self) -> tuple[Taken, Plan]:
        """Take the next window: as many dead letters as the limit allows with which something is done, and no more of the others
        than stand before them. An empty window means that there is no more."""
        limit = min(WINDOW, self._left)
        taken, plan = self._take_some(limit)
        while taken.more and not _is_full(taken, plan, limit):
            next_taken, next_plan = self._take_some(WINDOW)
            self.left_alone += next_plan.left_alone().by_decision()
            self.left_owners += next_plan.left_alone().owners()
            taken, plan = replace(next_taken, saw=taken.saw + next_taken.saw), plan.with_acting_of(next_plan)
        plan, surplus = plan.within(limit)
        self._held.release(surplus)
        self.seen -= {dead_letter.queue_message_id for dead_letter in surplus}
        self._left -= plan.acting
        self.unseen = self._unseen_beside(is_more=taken.more or bool(surplus))
        dead_letters = [item.dead_letter for item in plan.items]
        return replace(taken, dead_letters=dead_letters, more=taken.more or bool(surplus)), plan

    def _unseen_beside(self, *, is_more: bool) -> Counters:
        """What is visible while there is more comes with the next window."""
        if self._is_met(self.seen) or (self.request.is_limit_asked and self._left <= 0):
            return NONE_UNSEEN
        found = self._held.beside()
        return found.without_visible() if is_more else found

    def _take_some(self, limit: int) -> tuple[Taken, Plan]:
        """Take as many dead letters, whatever is done with them, and decide about them."""
        taker = Taker(
            self._held,
            wanted=self._is_mine,
            limit=limit,
            patience_seconds=HIDDEN_SECONDS + 10,
            for_all=bool(self._known),
        )
        taken = self._take_with(taker)
        self.seen |= {dead_letter.queue_message_id for dead_letter in taken.dead_letters}
        states = row_states(
            self.table, (asked_of(dead_letter) for dead_letter in taken.dead_letters if has_row(dead_letter))
        )
        return taken, self._with_known(
            make_plan(taken.dead_letters, states, self.request.options, failed_before=self._failed_before)
        )

    def _take_with(self, taker: Taker) -> Taken:
        """Take dead letters; prove the database and look where they would go meanwhile."""
        with ThreadPoolExecutor(1) as pool:
            taking = pool.submit(taker.take)
            try:
                _ = self.table.proof
                if self.route.guard is not None:
                    self.route.guard.look()
                return taking.result()
            except BaseException:
                taker.stop()
                raise

    def require_reach(self, plan: Plan) -> None:
        """Raises Refused when what the plan sends would reach nobody, and AwsError."""
        if self.route.guard is not None:
            self.route.guard.require(plan.dead_letters(Decision.SEND))

    def too_many_attributes(self, plan: Plan) -> int:
        """Return how many of what is published would have more attributes than SNS takes for raw delivery
        (docs/aws-facts.md#raw-delivery)."""
        if not self.route.publishes:
            return 0
        return sum(
            attributes_on_topic(dead_letter) > MOST_ATTRIBUTES
            for dead_letter in plan.dead_letters(Decision.SEND)
        )

    def run_all(self, first: tuple[Taken, Plan], journal: JournalWriter, watch: Watch) -> Summary:
        """Run the window that was confirmed and, if there is more, the ones after it under the same rules.

        Raises what `require_reach` raises of one of those; what was sent before it stays done.
        """
        taken, plan = first
        summary = self.run(plan, journal, watch, more=self._has_more(taken))
        while self._has_more(taken) and not summary.stopped:
            watch.taking()
            taken, plan = self.take()
            self.require_reach(plan)
            if too_many := self.too_many_attributes(plan):
                watch.too_many_attributes(too_many)
            summary += self.run(plan, journal, watch, more=self._has_more(taken))
        summary += Summary(set_aside=self.left_alone.total(), unseen=self.still_unseen())
        return replace(summary, has_more=self._has_more(taken))

    def still_unseen(self) -> int:
        """Return about how many were not seen and are in the queue still: the counters may know only now that some are
        gone, and count as new what came since."""
        return min(self.unseen.total, self._held.beside().total) if self.unseen.total else 0

    def run(self, plan: Plan, journal: JournalWriter, watch: Watch, *, more: bool = False) -> Summary:
        """Send what the plan says, delete what was confirmed, and prove it by the rows. `more`: other windows follow."""
        since = self.table.now()
        self._run_id = journal.run_id
        journal.write(
            *(_planned(item) for item in plan.items), {"event": PLAN_COMPLETE, "letters": len(plan.items)}
        )
        watch.window(plan.count(Decision.SEND), more)
        when = deleted_when(self.route, self.request.wait)
        removed = self._remove(plan.dead_letters(Decision.REMOVE), journal, when)
        with Deletions(self._held, journal, when) as deletions:
            arrived = partial(deletions.known, DeletedWhen.ARRIVED)
            judge = RowsJudge(self.table, since=since, wait=self.request.wait, arrived=arrived)
            handled, stopped = self._send(plan.dead_letters(Decision.SEND), journal, watch, deletions, judge)
            proof = judge.proof([one for one in handled if one.result.is_confirmed], observe=watch.proof)
        summary = summarize(plan, handled, proof, deleted=deletions.deleted, stopped=stopped) + removed
        journal.write(*(_fate_entry(one, proof) for one in handled))
        return summary

    def prove_earlier(self, sent: Mapping[str, Asked], *, since: datetime) -> Summary:
        """Look at the rows of messages whose dead letters this run did not see."""
        row_proof = RowProof(self.table, failure_counts=failed_since(since))
        proof = row_proof.prove(sent.values(), timeout=self.request.wait)
        hidden = self._held.others()
        reason = (
            f"its dead letter was not seen: gone, or one of about {hidden:,} that somebody hides"
            if hidden
            else GONE
        )
        open_ = [
            Unfinished(
                message_id=message.message_id,
                queue_message_id=dead_letter,
                reason=_why_open(proof, message, reason),
                in_queue=None if hidden else False,
            )
            for dead_letter, message in sent.items()
            if proof.outcome(message) is not RowOutcome.COMPLETED
        ]
        is_unproven = any(one.outcome is RowOutcome.UNPROVEN for one in proof.messages.values())
        return Summary(completed=len(sent) - len(open_), rows_asked=not is_unproven, unfinished=tuple(open_))

    def _has_more(self, taken: Taken) -> bool:
        return taken.more and self._left > 0

    def _is_mine(self, dead_letter: DeadLetter) -> bool:
        is_new = dead_letter.sent_at is None or dead_letter.sent_at < self._started_at
        return (
            is_new
            and (dead_letter.redriven_by is None or dead_letter.redriven_by != self._run_id)
            and dead_letter.queue_message_id not in self.seen
            and self._wanted(dead_letter)
        )

    def _with_known(self, plan: Plan) -> Plan:
        """What this run is known to have sent successfully is only removed."""
        items = [
            replace(item, decision=Decision.REMOVE)
            if item.dead_letter.owner.is_ours
            and item.decision is not Decision.DISCARDED
            and self._known.get(item.dead_letter.queue_message_id)
            else item
            for item in plan.items
        ]
        return Plan(items=items)

    def _remove(
        self, dead_letters: Sequence[DeadLetter], journal: JournalWriter, when: DeletedWhen
    ) -> Summary:
        if not dead_letters:
            return Summary()
        journal.write(*(entry("removing", dead_letter) for dead_letter in dead_letters))
        with Deletions(self._held, journal, when) as deletions:
            deletions.known(DeletedWhen.COMPLETED, dead_letters)
        kept = [
            dead_letter
            for dead_letter in dead_letters
            if dead_letter.queue_message_id not in deletions.deleted
        ]
        return Summary(
            removed=len(deletions.deleted),
            unfinished=tuple(
                unfinished(dead_letter, "SQS did not delete it", in_queue=True) for dead_letter in kept
            ),
        )

    def _send(
        self,
        dead_letters: Sequence[DeadLetter],
        journal: JournalWriter,
        watch: Watch,
        deletions: Deletions,
        judge: RowsJudge,
    ) -> tuple[list[SentDeadLetter], bool]:
        """Return what was sent, and whether a stage had too many failures."""
        engine = Engine(
            run_id=journal.run_id,
            route=self.route,
            journal=journal,
            deletions=deletions,
            pace=self.pace,
            rules=self.request.rules.from_stage(self._next_stage),
            judge=judge if self._is_judged_by_rows else None,
            first_stage=self._next_stage,
        )
        handled: list[SentDeadLetter] = []
        with closing(engine.run(dead_letters, observe=watch.batch, stopping=watch.stopping)) as stages:
            for done in stages:
                handled += done.handled
                self._next_stage = done.number + 1
                watch.stage(done)
        return handled, engine.stopped

    @property
    def _is_judged_by_rows(self) -> bool:
        """What only accepts says nothing of the result, but who does not wait for the rows cannot be told by them."""
        is_waited_for = self.request.wait > timedelta() and self.table.proof.is_proven
        return not self.route.answers and is_waited_for


def _is_full(taken: Taken, plan: Plan, limit: int) -> bool:
    """Whether the limit is reached, and it is told whether there is more to be done: others' dead letters are not more."""
    is_more_ours = any(
        dead_letter.owner.is_ours and dead_letter.event is not None for dead_letter in taken.surplus
    )
    return plan.acting > limit or (plan.acting == limit and is_more_ours)


def _planned(item: Planned) -> Mapping[str, object]:
    """With the receipt, so that a resumed run can make the dead letter visible without waiting for its time to end."""
    dead_letter = item.dead_letter
    is_test = {"test": True} if dead_letter.message and dead_letter.message.test else {}
    return entry(
        "planned",
        dead_letter,
        decision=item.decision.value,
        receipt_handle=dead_letter.receipt_handle,
        **is_test,
    )


def _fate_entry(one: SentDeadLetter, proof: Proof) -> Mapping[str, object]:
    message = asked_of(one.dead_letter)
    return entry("proof", one.dead_letter, fate=proof.outcome(message).value, reason=proof.error(message))


def _why_open(proof: Proof, message: Asked, reason: str) -> str:
    if proof.outcome(message) is RowOutcome.UNPROVEN:
        return f"{reason}; no row was asked, as the database is not proven to be the processor's"
    return proof.error(message) or f"{reason}; its row is not completed"
