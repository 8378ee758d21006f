"""A redrive from its plan to its proof: plan, journal, send in stages, delete, look at the rows, sum up."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from types import MappingProxyType, TracebackType
from typing import Self

from b2bpilot.ops.dead_letters.decision import Decision, asked_of
from b2bpilot.ops.dead_letters.holding import Holding
from b2bpilot.ops.environment import Environment
from b2bpilot.ops.ports import DeadLetterFilter, DeletingQueue, JournalWriter
from b2bpilot.ops.progress import Phase, ProgressEvent, Report, SendCounter, quiet
from b2bpilot.ops.redrive.deletion import DeletedWhen, Deletions, deleted_when
from b2bpilot.ops.redrive.options import RedriveOptions
from b2bpilot.ops.redrive.plan import Plan, Planned
from b2bpilot.ops.redrive.proof import StageProof
from b2bpilot.ops.redrive.routes import ROUTES, Route, SentDeadLetter
from b2bpilot.ops.redrive.stages import StagedSending
from b2bpilot.ops.redrive.summary import Summary, summarize, summarize_removal, summarize_seconds
from b2bpilot.ops.redrive.windows import Windows
from b2bpilot.ops.runs.journal import entry
from b2bpilot.ops.sending.pace import Limits, Pace
from b2bpilot.ops.table.asked import Table
from b2bpilot.ops.table.row_proof import Proof, RowOutcome
from b2bpilot.pipeline.dead_letter import MOST_ATTRIBUTES, DeadLetter, attributes_on_topic
from b2bpilot.plural import many

COMMAND = "redrive"
PLAN_COMPLETE = "plan complete"
"""Nothing is sent before this line is on disk: a run without it has changed nothing."""


def prepare(
    environment: Environment, table: Table, options: RedriveOptions, *, failed_before: Mapping[str, int]
) -> Redrive:
    """Return the run, ready to plan its first window. `failed_before`: how often runs from here failed, by the dead letter's id in
    the queue. Raises AwsError."""
    return Redrive(
        queue=environment.queue(),
        route=ROUTES[options.via].connect(environment, is_proved=bool(options.wait)),
        table=table,
        options=options,
        failed_before=failed_before,
        started_at=environment.access.clock.latest(),
    )


class Redrive:
    """One run. A context: what it took and did not delete is visible again when it ends."""

    def __init__(
        self,
        *,
        queue: DeletingQueue,
        route: Route,
        table: Table,
        options: RedriveOptions,
        started_at: datetime,
        failed_before: Mapping[str, int] = MappingProxyType({}),
        wanted: DeadLetterFilter | None = None,
        accepted_before: Mapping[str, bool] = MappingProxyType({}),
        run_id: str | None = None,
        limit: int | None = None,
    ) -> None:
        """Dead letters written after `started_at` are not taken. The last four are a resumed run's: what is left of it, by the dead
        letter's id in the queue whether AWS accepted it before, its id, and how many it may still send or remove."""
        self.route = route
        self.table = table
        self.options = options
        concurrency = options.concurrency or route.concurrency
        self.pace = Pace(Limits(rate=options.rate, concurrency=concurrency))
        self.held = Holding(queue)
        self._windows = Windows(
            self.held,
            route=route,
            table=table,
            options=options,
            wanted=wanted or options,
            accepted_before=accepted_before,
            failed_before=failed_before,
            run_id=run_id,
            started_at=started_at,
            limit=options.most if limit is None else limit,
        )
        self._next_stage = 1

    def __enter__(self) -> Self:
        self.held.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.held.__exit__(kind, error, trace)

    def next_plan(self) -> Plan:
        """Take the next window's dead letters and decide what is done with each."""
        return self._windows.next()

    def require_delivery(self, plan: Plan) -> None:
        """Raises Refused when what the plan sends would reach nobody, and AwsError."""
        if self.route.guard is not None:
            self.route.guard.require(plan.dead_letters(Decision.SEND))

    def run_all(self, plan: Plan, journal: JournalWriter, report: Report = quiet) -> Summary:
        """Run the window that was confirmed and, if there are more, the ones after it under the same rules.

        Raises what `require_delivery` raises of one of those; what was sent before it stays done.
        """
        counter = SendCounter(report)
        summary = self.run_window(plan, journal, report, counter)
        while self._windows.follow(plan) and not summary.stopped:
            report(ProgressEvent(phase=Phase.LOOKING))
            plan = self.next_plan()
            self.require_delivery(plan)
            if too_many := self.too_many_attributes(plan):
                report(ProgressEvent(phase=Phase.NOTICE, text=told_of_too_many_attributes(too_many)))
            summary += self.run_window(plan, journal, report, counter)
        summary += Summary(unseen=self.still_unseen(plan))
        return replace(summary, has_more=self._windows.follow(plan))

    def run_window(
        self,
        plan: Plan,
        journal: JournalWriter,
        report: Report = quiet,
        counter: SendCounter | None = None,
    ) -> Summary:
        """Write the plan down, send it in stages, delete what may be deleted, and prove the rest by the rows."""
        self._windows.run_id = journal.run_id
        began_at = self.table.now()
        journal.write(*map(_planned, plan.items), {"event": PLAN_COMPLETE, "letters": len(plan.items)})
        counter = counter or SendCounter(report)
        counter.expect(plan.count(Decision.SEND), has_more=self._windows.follow(plan))

        when = deleted_when(self.route, self.options.wait)
        removed = self._remove(plan.dead_letters(Decision.REMOVE), journal, when)
        with Deletions(self.held, journal, when) as deletions:
            arrived = partial(deletions.known, DeletedWhen.ARRIVED)
            rows = StageProof(self.table, since=began_at, wait=self.options.wait, arrived=arrived)
            sending = self._sending(journal, deletions, rows, counter)
            sent = self._send(sending, plan.dead_letters(Decision.SEND))
            proof = rows.outcomes([one for one in sent if one.result.is_confirmed], report=report)

        is_by_answers = not self.table.proof.is_asked
        journal.write(*(_answered(one) if is_by_answers else _proved(one, proof) for one in sent))
        seconds = plan.dead_letters(Decision.SECOND)
        done = [one for one in seconds if proof.outcome(asked_of(one)) is RowOutcome.COMPLETED]
        removed += self._remove(done, journal, when) + summarize_seconds(seconds, sent, proof)
        return removed + summarize(
            plan,
            sent,
            proof,
            deleted=deletions.deleted,
            stopped=sending.stopped,
            is_by_answers=is_by_answers,
        )

    def _remove(
        self, dead_letters: Sequence[DeadLetter], journal: JournalWriter, when: DeletedWhen
    ) -> Summary:
        if not dead_letters:
            return Summary()
        journal.write(*(entry("removing", dead_letter) for dead_letter in dead_letters))
        with Deletions(self.held, journal, when) as deletions:
            deletions.known(DeletedWhen.COMPLETED, dead_letters)
        return summarize_removal(dead_letters, deleted=deletions.deleted)

    def _sending(
        self, journal: JournalWriter, deletions: Deletions, rows: StageProof, counter: SendCounter
    ) -> StagedSending:
        return StagedSending(
            route=self.route,
            journal=journal,
            deletions=deletions,
            pace=self.pace,
            options=self.options,
            first_stage=self._next_stage,
            rows=rows if self._is_judged_by_rows else None,
            counter=counter,
        )

    def _send(self, sending: StagedSending, dead_letters: Sequence[DeadLetter]) -> list[SentDeadLetter]:
        sent: list[SentDeadLetter] = []
        with closing(sending.run(dead_letters)) as stages:
            for stage in stages:
                sent += stage.sent
                self._next_stage = stage.number + 1
        return sent

    @property
    def _is_judged_by_rows(self) -> bool:
        """What only accepts says nothing of the result, but who does not wait for the rows cannot be told by them."""
        is_waited_for = self.options.wait > timedelta() and self.table.proof.is_proven
        return not self.route.answers and is_waited_for

    def too_many_attributes(self, plan: Plan) -> int:
        """Return how many of what is published would have more attributes than SNS takes for raw delivery
        (docs/aws-facts.md#raw-delivery)."""
        if not self.route.publishes:
            return 0
        return sum(
            attributes_on_topic(dead_letter) > MOST_ATTRIBUTES
            for dead_letter in plan.dead_letters(Decision.SEND)
        )

    def still_unseen(self, plan: Plan) -> int:
        """Return about how many were not seen, and are in the queue still."""
        return self._windows.still_unseen(plan)

    @property
    def seen(self) -> set[str]:
        """The ids in the queue of all dead letters that were taken."""
        return self._windows.seen

    @property
    def not_released(self) -> int:
        """How many dead letters could not be given back, once the block is left; they are visible again HIDDEN_SECONDS later."""
        return self.held.not_released


def told_of_too_many_attributes(count: int) -> str:
    """Return what SNS does not say: it takes the message, and no subscriber with raw delivery gets it."""
    return (
        f"{many(count, 'dead letter')} would have more than 10 attributes with the redrive's own two: SNS delivers "
        f"{'it' if count == 1 else 'them'}, but not to subscribers with raw delivery"
    )


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


def _answered(one: SentDeadLetter) -> Mapping[str, object]:
    return entry("proof", one.dead_letter, fate=one.result.outcome.value, reason=one.result.error)


def _proved(one: SentDeadLetter, proof: Proof) -> Mapping[str, object]:
    message = asked_of(one.dead_letter)
    return entry("proof", one.dead_letter, fate=proof.outcome(message).value, reason=proof.error(message))
