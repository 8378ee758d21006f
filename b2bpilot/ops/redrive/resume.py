"""Going on with a redrive that was interrupted, by its journal: with what it had planned, and with what it had not reached."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from b2bpilot.advice import our_command
from b2bpilot.aws.queue import DeadLetterQueue
from b2bpilot.errors import AwsError, PartlyFailed, Refused, UsageError
from b2bpilot.ops.dead_letters.receipts import Receipt
from b2bpilot.ops.dead_letters.resolved_filter import Choice
from b2bpilot.ops.dead_letters.selection import Selection
from b2bpilot.ops.environment import Environment
from b2bpilot.ops.redrive.deletion import DeletedWhen, deleted_when
from b2bpilot.ops.redrive.earlier import failures
from b2bpilot.ops.redrive.plan import ACTS, Decision, Options
from b2bpilot.ops.redrive.prepare import (
    COMMAND,
    NO_LIMIT,
    Order,
    limits_for,
)
from b2bpilot.ops.redrive.routes import Route, route_to
from b2bpilot.ops.redrive.run import PLAN_COMPLETE, WINDOW, Redrive, Request
from b2bpilot.ops.redrive.stages import Rules
from b2bpilot.ops.redrive.via import RedriveVia
from b2bpilot.ops.runs.record import MessageState, RunRecord, RunState, Stage, entries
from b2bpilot.ops.table.asked import Table
from b2bpilot.ops.table.row_state import Asked
from b2bpilot.pipeline.dead_letter import DeadLetter


@dataclass(frozen=True, slots=True, kw_only=True)
class Rest:
    """What an interrupted run left: the dead letters that it planned and did not delete, and those that it never came to.

    `choice` tells the latter; None when there are none, or when the journal could not keep the filters.
    """

    record: RunRecord
    choice: Choice | None

    def wants(self, dead_letter: DeadLetter) -> bool:
        planned = self.record.messages.get(dead_letter.queue_message_id)
        if planned is not None:
            return planned.stage is not Stage.DELETED
        return self.choice is not None and self.choice.matches(dead_letter)

    def is_met_by(self, queue_message_ids: Iterable[str]) -> bool:
        """Tell whether no other dead letter can be meant; the rows tell of planned ones that are not seen."""
        return self.choice is None or self.choice.selection.is_met_by(queue_message_ids)

    def sent(self, route: Route) -> dict[str, bool]:
        """Return of each planned dead letter that may be there whether it needs no sending any more: AWS accepted it, and that is
        enough to delete it. What the topic took may have reached nobody; only its row can tell."""
        wait = timedelta(seconds=self.record.parameters["wait_seconds"])
        is_enough = deleted_when(route, wait) is not DeletedWhen.ARRIVED
        return {
            key: one.was_accepted and is_enough
            for key, one in self.record.messages.items()
            if one.stage is not Stage.DELETED
        }

    def settled_elsewhere(self, seen: set[str]) -> dict[str, Asked]:
        """Return what the resumed run did not see, whoever took it out: messages by the dead letter's id in the queue. Only
        their rows can tell what became of them."""
        return {
            key: Asked(one.message_id, one.test)
            for key, one in self.record.messages.items()
            if key not in seen and one.message_id and one.decision in (Decision.SEND, Decision.REMOVE)
        }

    def require_known(self) -> None:
        """Raises PartlyFailed when dead letters may match that the run never came to and nobody can tell which."""
        parameters, planned = self.record.parameters, len(_acted_on(self.record))
        had_filters = parameters.get("selection") is not None
        if had_filters and self.choice is None and planned < parameters["limit"]:
            raise PartlyFailed(
                f"what was planned is done; what run {self.record.run_id} had not come to is left: its filters held a "
                "phone number, which no journal keeps",
                hint="give the same filters to " + our_command("dlq", "redrive") + " again",
            )


def prepare(
    environment: Environment, table: Table, record: RunRecord, *, now: datetime
) -> tuple[Order, Redrive, Rest]:
    """Return an interrupted run, ready to take what it had not finished, by the rules that it began with.

    What its journal knows to have been sent successfully is only removed; of what was being sent, the rows decide. What
    failed in three runs from here stays set aside.
    Raises UsageError for a run of another kind or environment, Refused for one that never began to send, and AwsError.
    """
    _require_resumable(environment, record)
    clock = environment.access.clock
    began_at = record.began_at(clock)
    rest = Rest(record=record, choice=_choice(record, began_at))
    order = _order(environment, record, rest, now=now)
    route, queue = order.route, environment.queue()
    _show_again(queue, rest)
    redrive = Redrive(
        queue=queue,
        route=route,
        table=table,
        request=order.request,
        wanted=rest.wants,
        known=rest.sent(route),
        failed_before=_failed_before(record, now=clock.machine()),
        run_id=record.run_id,
        started_at=began_at,
        is_met=rest.is_met_by,
    )
    return order, redrive, rest


def _failed_before(record: RunRecord, *, now: datetime) -> Mapping[str, int]:
    """The run's own failures count, too: its dead letters may be sent once more all the same."""
    home = record.path.parent.parent
    return failures(home, environment=record.environment, account_id=record.account_id, now=now)


def _require_resumable(environment: Environment, record: RunRecord) -> None:
    if (record.command, record.environment) != (COMMAND, environment.name):
        raise UsageError(f"run {record.run_id} is `{record.command}` in environment {record.environment}")
    if not any(one.get("event") == PLAN_COMPLETE for one in entries(record.path)):
        raise Refused(
            f"run {record.run_id} ended while it wrote its plan: nothing was sent",
            hint="start it again with " + our_command("dlq", "redrive"),
        )
    if record.state is RunState.FINISHED:
        raise Refused(
            f"run {record.run_id} came to its end: there is nothing to resume",
            hint="what it left is in the queue: see " + our_command("dlq", "list") + ", and redrive again",
        )


def _choice(record: RunRecord, began_at: datetime) -> Choice | None:
    """Ages in a journal are times, so they are those of the run's beginning."""
    spelled = record.parameters.get("selection")
    return None if spelled is None else Choice.from_journal(spelled, now=began_at)


def _show_again(queue: DeadLetterQueue, rest: Rest) -> None:
    """Else the dead letters become visible by themselves when their time is over."""
    states: list[MessageState] = list(rest.record.messages.values())
    handles = [one.receipt_handle for one in states if one.stage is not Stage.DELETED]
    with contextlib.suppress(AwsError):
        queue.release([Receipt(handle) for handle in handles if handle])


def _order(environment: Environment, record: RunRecord, rest: Rest, *, now: datetime) -> Order:
    parameters = record.parameters
    wait = timedelta(seconds=parameters["wait_seconds"])
    route = route_to(environment, RedriveVia(parameters["via"]), is_proved=bool(wait))
    request = Request(
        options=Options(
            include_completed=parameters["include_completed"], include_poison=parameters["include_poison"]
        ),
        rules=Rules(max_failures=parameters["max_failures"]),
        limit=_limit(record),
        is_limit_asked=parameters["limit"] not in (WINDOW, NO_LIMIT),
        wait=wait,
        limits=limits_for(
            environment.processor(), route, rate=parameters["rate"], concurrency=parameters["concurrency"]
        ),
    )
    return Order(
        route=route,
        request=request,
        choice=rest.choice or Choice(selection=Selection(), cause=None, now=now),
        may_take_more=True,
        frozen=None,
        adopted=environment.subscribers.adopt(parameters.get("adopt") or ()),
    )


def _limit(record: RunRecord) -> int:
    """What is open was counted already; beside it, as many as the run had left. What was left alone does not count."""
    if (limit := record.parameters["limit"]) >= NO_LIMIT:
        return NO_LIMIT
    acted_on = _acted_on(record)
    open_ = sum(one.stage is not Stage.DELETED for one in acted_on)
    return int(open_ + max(0, limit - len(acted_on)))


def _acted_on(record: RunRecord) -> list[MessageState]:
    return [one for one in record.messages.values() if one.decision is None or one.decision in ACTS]
