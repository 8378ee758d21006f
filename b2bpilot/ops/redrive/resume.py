"""Going on with a redrive that was interrupted, by its journal: with what it had planned, and with what it had not reached."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from b2bpilot.advice import our_command
from b2bpilot.aws.queue import Receipt
from b2bpilot.errors import AwsError, PartlyFailed, Refused, UsageError
from b2bpilot.ops.dead_letters.decision import ACTS
from b2bpilot.ops.environment import Environment
from b2bpilot.ops.redrive.deletion import DeletedWhen, deleted_when
from b2bpilot.ops.redrive.earlier import failures
from b2bpilot.ops.redrive.options import NO_LIMIT, RedriveOptions, concurrency_of
from b2bpilot.ops.redrive.routes import ROUTES, Route
from b2bpilot.ops.redrive.run import COMMAND, PLAN_COMPLETE, Redrive
from b2bpilot.ops.redrive.summary import Summary, Unfinished
from b2bpilot.ops.runs.record import MessageState, RunRecord, RunState, Stage, entries
from b2bpilot.ops.sending.result import SendOutcome
from b2bpilot.ops.table.asked import Table
from b2bpilot.ops.table.row_proof import Proof, RowOutcome, RowProof, failed_since
from b2bpilot.ops.table.row_state import Asked
from b2bpilot.pipeline.dead_letter import DeadLetter

GONE = "its dead letter is gone from the queue"


@dataclass(frozen=True, slots=True, kw_only=True)
class Remaining:
    """What an interrupted run left: the dead letters that it planned and did not delete, and those that it never came to, which
    the filters of its options tell."""

    record: RunRecord
    options: RedriveOptions

    def matches(self, dead_letter: DeadLetter) -> bool:
        planned = self.record.messages.get(dead_letter.queue_message_id)
        if planned is not None:
            return planned.stage is not Stage.DELETED
        return self.options.matches(dead_letter)

    def is_met_by(self, queue_message_ids: Iterable[str]) -> bool:
        """Tell whether no other dead letter can be meant; the rows tell of planned ones that are not seen."""
        return self.options.is_met_by(queue_message_ids)

    def limit(self) -> int:
        """What is open was counted already; beside it, as many as the run had left. What was left alone does not count."""
        if self.options.most >= NO_LIMIT:
            return NO_LIMIT
        acted_on = self._acted_on()
        open_ = sum(one.stage is not Stage.DELETED for one in acted_on)
        return open_ + max(0, self.options.most - len(acted_on))

    def accepted(self, route: Route) -> dict[str, bool]:
        """Return of each planned dead letter that may be there whether it needs no sending any more: AWS accepted it, and that is
        enough to delete it. What the topic took may have reached nobody; only its row can tell."""
        is_enough = deleted_when(route, self.options.wait) is not DeletedWhen.ARRIVED
        return {
            key: one.was_accepted and is_enough
            for key, one in self.record.messages.items()
            if one.stage is not Stage.DELETED
        }

    def prove_unseen(self, run: Redrive, *, since: datetime) -> Summary:
        """Look at the rows of messages whose dead letters the resumed run did not see, whoever took them out."""
        unseen = self._unseen(run)
        if not run.table.proof.is_asked:
            return _by_answers(unseen, hidden=run.held.others())
        messages = {key: Asked(one.message_id, one.test) for key, one in unseen.items() if one.message_id}
        proof = RowProof(run.table, failure_counts=failed_since(since)).prove(
            messages.values(), timeout=self.options.wait
        )
        hidden = run.held.others()
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
            for dead_letter, message in messages.items()
            if proof.outcome(message) is not RowOutcome.COMPLETED
        ]
        is_unproven = any(one.outcome is RowOutcome.UNPROVEN for one in proof.messages.values())
        return Summary(
            completed=len(messages) - len(open_), rows_asked=not is_unproven, unfinished=tuple(open_)
        )

    def _unseen(self, run: Redrive) -> dict[str, MessageState]:
        return {
            key: one
            for key, one in self.record.messages.items()
            if key not in run.seen and one.message_id and one.decision in ACTS
        }

    def require_known(self) -> None:
        """Raises PartlyFailed when dead letters may match that the run never came to and nobody can tell which."""
        had_filters = self.record.parameters.get("selection") is not None
        if had_filters and self.options.filters is None and len(self._acted_on()) < self.options.most:
            raise PartlyFailed(
                f"what was planned is done; what run {self.record.run_id} had not come to is left: its filters held a "
                "phone number, which no journal keeps",
                hint="pass the same filters to " + our_command("dlq", "redrive") + " again",
            )

    def _acted_on(self) -> list[MessageState]:
        return [one for one in self.record.messages.values() if one.decision is None or one.decision in ACTS]


def prepare(environment: Environment, table: Table, record: RunRecord) -> tuple[Redrive, Remaining]:
    """Return an interrupted run, ready to take what it had not finished, by the rules that it began with.

    What its journal knows to have been sent successfully is only removed; of what was being sent, the rows decide. What
    failed in three runs from here stays set aside.
    Raises UsageError for a run of another kind or environment, Refused for one that never began to send, and AwsError.
    """
    _require_resumable(environment, record)
    clock = environment.access.clock
    began_at = record.began_at(clock)
    options = _options(environment, record, began_at)
    remaining = Remaining(record=record, options=options)
    route = ROUTES[options.via].connect(environment, is_proved=bool(options.wait))
    _return_to_the_queue(environment, record)
    run = Redrive(
        queue=environment.queue(),
        route=route,
        table=table,
        options=options,
        started_at=began_at,
        failed_before=failures(
            record.path.parent.parent,
            environment=record.environment,
            account_id=record.account_id,
            now=clock.machine(),
        ),
        wanted=remaining,
        accepted_before=remaining.accepted(route),
        run_id=record.run_id,
        limit=remaining.limit(),
    )
    return run, remaining


def _by_answers(unseen: Mapping[str, MessageState], *, hidden: int) -> Summary:
    """Count what the journal says of another subscriber's dead letters that were not seen: what its function, or AWS, had said
    before it was deleted. Of one that was being sent, nobody knows."""
    gone = {
        key: one
        for key, one in unseen.items()
        if one.stage is Stage.DELETED or (one.was_accepted and not hidden)
    }
    told = Counter(one.verdict for one in gone.values())
    known = {kind: told.pop(kind.value, 0) for kind in (SendOutcome.RETURNED, SendOutcome.ACCEPTED)}
    open_ = [
        Unfinished(
            message_id=one.message_id,
            queue_message_id=key,
            reason=f"{GONE}, or hidden by somebody"
            if hidden
            else f"{GONE}; no answer of its function is known",
            in_queue=None if hidden else False,
        )
        for key, one in unseen.items()
        if key not in gone
    ]
    return Summary(
        processed=told.total(),
        returned=known[SendOutcome.RETURNED],
        accepted=known[SendOutcome.ACCEPTED],
        rows_asked=False,
        is_by_answers=True,
        unfinished=tuple(open_),
    )


def _options(environment: Environment, record: RunRecord, began_at: datetime) -> RedriveOptions:
    """The function's reserve may have changed, and who is subscribed."""
    kept = RedriveOptions.from_journal(record.parameters, began_at=began_at)
    concurrency = concurrency_of(kept, environment)
    adopted = environment.subscribers.adopt(sorted(kept.adopted))
    return replace(kept, concurrency=concurrency, adopted=adopted)


def _require_resumable(environment: Environment, record: RunRecord) -> None:
    if (record.command, record.environment) != (COMMAND, environment.name):
        raise UsageError(f"run {record.run_id} is `{record.command}` in environment {record.environment}")
    if not any(one.get("event") == PLAN_COMPLETE for one in entries(record.path)):
        raise Refused(
            f"run {record.run_id} ended while it wrote its plan",
            outcome="Nothing was sent",
            hint="start it again with " + our_command("dlq", "redrive"),
        )
    if record.state is RunState.FINISHED:
        raise Refused(
            f"run {record.run_id} has ended: there is nothing to resume",
            hint="what it left is in the queue: see " + our_command("dlq", "list") + ", and redrive again",
        )


def _return_to_the_queue(environment: Environment, record: RunRecord) -> None:
    """Else the dead letters become visible by themselves when their visibility timeout is over."""
    handles = [one.receipt_handle for one in record.messages.values() if one.stage is not Stage.DELETED]
    with contextlib.suppress(AwsError):
        environment.queue().release([Receipt(handle) for handle in handles if handle])


def _why_open(proof: Proof, message: Asked, reason: str) -> str:
    if proof.outcome(message) is RowOutcome.UNPROVEN:
        return f"{reason}; no row was asked, as the database is not proven to be the processor's"
    return proof.error(message) or f"{reason}; its row is not completed"
