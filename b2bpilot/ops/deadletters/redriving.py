"""What `dlq redrive` needs of an environment: the route with its pace, and which letters are meant."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import assert_never

from b2bpilot.aws.functions import Function
from b2bpilot.aws.queue import DeadLetterQueue
from b2bpilot.errors import AwsError, PartlyFailed, Refused, TimedOut, UsageError
from b2bpilot.ops.deadletters.engine import Rules
from b2bpilot.ops.deadletters.frozen import FrozenPlan, thaw
from b2bpilot.ops.deadletters.late_database import Database
from b2bpilot.ops.deadletters.look import look
from b2bpilot.ops.deadletters.pace import Limits
from b2bpilot.ops.deadletters.plan import Decision, Options
from b2bpilot.ops.deadletters.receipts import Receipt
from b2bpilot.ops.deadletters.redrive import PLAN_COMPLETE, WINDOW, Redrive, Request
from b2bpilot.ops.deadletters.routes import AsyncRoute, InvokeRoute, Route, TopicRoute, Via
from b2bpilot.ops.deadletters.selection import Selection
from b2bpilot.ops.deadletters.summary import Summary
from b2bpilot.ops.deadletters.taking import Taken
from b2bpilot.ops.environment import Environment
from b2bpilot.ops.runs.record import RunRecord, RunState, Stage, entries
from b2bpilot.pipeline.deadletter import DeadLetter

COMMAND = "redrive"
CONCURRENCY = {Via.INVOKE: 16, Via.ASYNC: 32, Via.TOPIC: 32}
"""Calls at once where none were asked for: a run of the function lasts, what only accepts answers at once."""
NO_LIMIT = 10**9
SHARE_OF_RESERVE = 0.8
"""New messages keep coming while a redrive runs: a fifth of the function is left to them."""

CONSEQUENCES = {
    Via.INVOKE: "runs the processor now; deleted is only what it completed, the rest stays",
    Via.ASYNC: "the processor's own queue takes the event; what fails again is a new dead letter",
    Via.TOPIC: "publishes the message again, to every subscriber of the topic",
}


def processor_of(environment: Environment) -> Function:
    return Function.connect(environment.stack.processor_function_name, access=environment.access)


def route_of(environment: Environment, order: Order) -> Route:
    match order.via:
        case Via.INVOKE:
            return InvokeRoute(order.processor)
        case Via.ASYNC:
            return AsyncRoute(order.processor)
        case Via.TOPIC:
            return TopicRoute(environment.topic())
        case _:
            assert_never(order.via)


def limits_for(function: Function, via: Via, *, rate: float | None, concurrency: int | None) -> Limits:
    """Return how fast the run may go: synchronous runs stay under the function's reserve, whatever was asked for.

    Raises Refused when the function is paused, and AwsError.
    """
    reserve = function.reserved_concurrency()
    if reserve == 0:
        raise Refused(
            f"{function.name} has a reserved concurrency of 0: it takes no event",
            hint=f"aws lambda delete-function-concurrency --function-name {function.name}",
        )
    wanted = concurrency or CONCURRENCY[via]
    if via is Via.INVOKE and reserve is not None:
        wanted = min(wanted, max(1, int(reserve * SHARE_OF_RESERVE)))
    return Limits(rate=rate, concurrency=wanted)


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What the operator asked for, checked. `frozen` is the plan that is applied, if one was named and exists."""

    via: Via
    processor: Function
    request: Request
    selection: Selection
    force: bool
    frozen: FrozenPlan | None
    now: datetime

    def parameters(self) -> dict[str, object]:
        """What the journal keeps, so that a resumed run goes on by the same rules."""
        options, limits = self.request.options, self.request.limits
        return {
            "via": self.via.value,
            "include_completed": options.include_completed,
            "include_poison": options.include_poison,
            "max_failures": self.request.rules.max_failures,
            "rate": limits.rate,
            "concurrency": limits.concurrency,
            "wait_seconds": self.request.wait.total_seconds(),
            "limit": self.request.limit,
        }


def order_of(
    environment: Environment,
    *,
    via: str,
    selection: Selection,
    plan_file: Path | None,
    include_completed: bool,
    include_poison: bool,
    max_failures: float,
    rate: float | None,
    concurrency: int | None,
    wait: timedelta,
    force: bool,
    now: datetime,
) -> Order:
    """Check what was asked for. Raises UsageError, Refused, AwsError."""
    frozen = None
    if plan_file is not None and plan_file.exists():
        if not selection.is_everything:
            raise UsageError("a plan names its letters; leave the filters out")
        queue_url = environment.stack.dead_letter_queue_url
        frozen = thaw(plan_file, environment=environment.name, queue_url=queue_url)
    processor = processor_of(environment)
    request = Request(
        options=Options(include_completed=include_completed, include_poison=include_poison),
        rules=Rules(max_failures=max_failures),
        limit=_limit(selection.limit, force=force),
        wait=wait,
        limits=limits_for(processor, Via(via), rate=rate, concurrency=concurrency),
    )
    return Order(
        via=Via(via),
        processor=processor,
        request=request,
        selection=selection,
        force=force,
        frozen=frozen,
        now=now,
    )


def prepare(environment: Environment, database: Database, order: Order) -> Redrive:
    """Return the run, ready to take its letters. Raises UsageError for a group that is not there, AwsError."""
    queue = DeadLetterQueue.connect(environment.stack.dead_letter_queue_url, access=environment.access)
    return Redrive(
        queue=queue,
        route=route_of(environment, order),
        database=database,
        request=order.request,
        wanted=_wanted(order, queue),
        started_at=order.now,
    )


def check_taken(taken: Taken, order: Order) -> None:
    """Raises Refused when more letters match than a run takes without being told to, TimedOut when others hold all of them,
    UsageError when the selection names a field that no letter has."""
    if order.selection.where is not None:
        order.selection.where.require_fields()
    if taken.hidden:
        raise TimedOut(
            f"no dead letter could be taken: another consumer, or a run that was killed, hides about {taken.hidden:,}",
            hint="try again when it has ended; `b2bpilot runs list` shows runs from this machine",
        )
    if taken.more and not order.force and order.selection.limit is None:
        raise Refused(
            f"more than {WINDOW:,} letters match. Nothing was changed",
            hint=f"take the oldest with --limit {WINDOW}, or all with --force",
        )


def require_everything_completed(summary: Summary) -> None:
    """Raises PartlyFailed, with where the rest is, unless every letter's message is completed."""
    if summary.everything_completed:
        return
    rest = len(summary.unfinished) + summary.not_sent + summary.set_aside
    raise PartlyFailed(
        f"{summary.completed + summary.removed:,} completed, {rest:,} not",
        hint="`b2bpilot dlq list` shows what is in the queue now",
    )


def _wanted(order: Order, queue: DeadLetterQueue) -> Callable[[DeadLetter], bool]:
    """The test for one letter. A group is known only after a look at the whole queue."""
    if order.frozen is not None:
        named = order.frozen.letters.keys()
        return lambda letter: letter.queue_message_id in named
    if order.selection.group is None:
        return lambda letter: order.selection.matches(letter, now=order.now)
    members = {
        found.queue_message_id for found in look(queue, selection=order.selection, now=order.now).found
    }
    return lambda letter: letter.queue_message_id in members


def _limit(asked: int | None, *, force: bool) -> int:
    if asked is not None and asked > WINDOW and not force:
        raise Refused(f"a run takes at most {WINDOW:,} letters", hint="add --force, or a smaller --limit")
    return asked or (NO_LIMIT if force else WINDOW)


def prepare_resume(
    environment: Environment, database: Database, record: RunRecord, *, now: datetime
) -> tuple[Order, Redrive]:
    """Return an interrupted run, ready to take what it had not finished, by the rules that it began with.

    What its journal knows to have been sent successfully is only removed; of what was being sent, the rows decide.
    Raises UsageError for a run of another kind or environment, Refused for one that never began to send, and AwsError.
    """
    if (record.command, record.environment) != (COMMAND, environment.name):
        raise UsageError(f"run {record.run_id} is `{record.command}` in environment {record.environment}")
    if not any(one.get("event") == PLAN_COMPLETE for one in entries(record.path)):
        raise Refused(
            f"run {record.run_id} ended while it wrote its plan: nothing was sent",
            hint="start it again with `b2bpilot dlq redrive`",
        )
    if record.state is RunState.FINISHED:
        raise Refused(
            f"run {record.run_id} came to its end: there is nothing to resume",
            hint="what it left is in the queue: see `b2bpilot dlq list`, and redrive again",
        )
    order = _order_of_record(environment, record, now=now)
    open_ = {key: one.was_accepted for key, one in record.messages.items() if one.stage is not Stage.DELETED}
    queue = DeadLetterQueue.connect(environment.stack.dead_letter_queue_url, access=environment.access)
    with contextlib.suppress(AwsError):  # else they become visible by themselves when their time is over
        handles = [record.messages[key].receipt_handle for key in open_]
        queue.release([Receipt(handle) for handle in handles if handle])
    redrive = Redrive(
        queue=queue,
        route=route_of(environment, order),
        database=database,
        request=order.request,
        wanted=lambda letter: letter.queue_message_id in open_,
        known=open_,
        started_at=now,
    )
    return order, redrive


def settled_elsewhere(record: RunRecord, taken: Taken) -> dict[str, str]:
    """Return what is not in the queue any more, whoever took it out: message ids by the letter's id in the queue.
    Only their rows can tell what became of them."""
    here = {letter.queue_message_id for letter in taken.letters}
    return {
        key: one.message_id
        for key, one in record.messages.items()
        if key not in here and one.message_id and one.decision in (Decision.SEND, Decision.REMOVE)
    }


def _order_of_record(environment: Environment, record: RunRecord, *, now: datetime) -> Order:
    parameters = record.parameters
    via, processor = Via(parameters["via"]), processor_of(environment)
    request = Request(
        options=Options(
            include_completed=parameters["include_completed"], include_poison=parameters["include_poison"]
        ),
        rules=Rules(max_failures=parameters["max_failures"]),
        limit=NO_LIMIT,
        wait=timedelta(seconds=parameters["wait_seconds"]),
        limits=limits_for(processor, via, rate=parameters["rate"], concurrency=parameters["concurrency"]),
    )
    return Order(
        via=via,
        processor=processor,
        request=request,
        selection=Selection(),
        force=True,
        frozen=None,
        now=now,
    )
