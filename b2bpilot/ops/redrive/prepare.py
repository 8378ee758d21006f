"""What `dlq redrive` needs of an environment: the route with its pace, and which dead letters are meant."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from b2bpilot.advice import Words, our_command
from b2bpilot.errors import PartlyFailed, Refused, UsageError
from b2bpilot.ops.dead_letters import unseen
from b2bpilot.ops.dead_letters.causes import all_others
from b2bpilot.ops.dead_letters.resolved_filter import Choice
from b2bpilot.ops.dead_letters.selection import Selection
from b2bpilot.ops.dead_letters.taking import Taken
from b2bpilot.ops.environment import Environment
from b2bpilot.ops.ports import Reserved
from b2bpilot.ops.redrive.frozen_plan import FrozenPlan, thaw
from b2bpilot.ops.redrive.plan import Options, Plan
from b2bpilot.ops.redrive.routes import Route, route_to
from b2bpilot.ops.redrive.run import WINDOW, Redrive, Request
from b2bpilot.ops.redrive.stages import Rules
from b2bpilot.ops.redrive.summary import Summary
from b2bpilot.ops.redrive.via import RedriveVia
from b2bpilot.ops.sending.pace import Limits
from b2bpilot.ops.table.asked import Table
from b2bpilot.ops.table.row_state import RowState, row_states
from b2bpilot.pipeline.dead_letter import DeadLetter
from b2bpilot.pipeline.owner import Owner
from b2bpilot.plural import many

COMMAND = "redrive"
NO_LIMIT = 10**9
SHARE_OF_RESERVE = 0.8
"""New messages keep coming while a redrive runs: a fifth of the function is left to them."""


def last_stage(route: Route, *, wait: timedelta, max_failures: float) -> str:
    """Return which stage ends a run. Where AWS only accepts, the rows tell, and the next stage may be under way already."""
    if max_failures >= 1:
        return "no stage is the last for its failures"
    stage = f"a stage with more than {max_failures:.0%}"
    if route.answers:
        return f"{stage} failures is the last"
    return (
        f"{stage} failures is the last, or the one after it"
        if wait
        else f"{stage} refused by AWS is the last"
    )


def reserve_of(function: Reserved) -> int | None:
    """Return how many runs at once the function is given, as AWS says now: somebody may have paused it since the deploy.

    Raises Refused when it is paused, and AwsError.
    """
    reserve = function.reserved_concurrency()
    if reserve == 0:
        raise Refused(
            f"{function.name} has a reserved concurrency of 0: it takes no event",
            hint=our_command("verify", "--only", "processor") + " gives the command that turns it on again",
        )
    return reserve


def limits_for(function: Reserved, route: Route, *, rate: float | None, concurrency: int | None) -> Limits:
    """Return how fast the run may go: synchronous runs stay under the function's reserve, whatever was asked for.

    Raises Refused when the function is paused, and AwsError.
    """
    reserve = reserve_of(function)
    wanted = concurrency or route.concurrency
    if route.answers and reserve is not None:
        wanted = min(wanted, max(1, int(reserve * SHARE_OF_RESERVE)))
    return Limits(rate=rate, concurrency=wanted)


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What the operator asked for, checked. `frozen` is the plan that is applied, if one was named and exists."""

    route: Route
    request: Request
    choice: Choice
    may_take_more: bool
    """Whether more dead letters than one window holds were asked for, or a part of them."""
    frozen: FrozenPlan | None
    adopted: frozenset[str] = frozenset()
    """Subscriptions that are gone, and whose dead letters are taken for the processor's."""

    def wants(self, dead_letter: DeadLetter) -> bool:
        if self.frozen is not None:
            return dead_letter.queue_message_id in self.frozen.dead_letters
        return self.choice.matches(dead_letter)

    def is_met_by(self, queue_message_ids: Iterable[str]) -> bool:
        """Tell whether no other dead letter can be meant. What a frozen plan names is asked for by its rows."""
        return self.frozen is not None or self.choice.selection.is_met_by(queue_message_ids)

    def parameters(self) -> dict[str, object]:
        """What the journal keeps, so that a resumed run goes on by the same rules, with the same dead letters."""
        options, limits = self.request.options, self.request.limits
        return {
            "via": self.route.via.value,
            "include_completed": options.include_completed,
            "include_poison": options.include_poison,
            "max_failures": self.request.rules.max_failures,
            "rate": limits.rate,
            "concurrency": limits.concurrency,
            "wait_seconds": self.request.wait.total_seconds(),
            "limit": self.request.limit,
            "selection": None if self.frozen else self.choice.spelled(),
            "adopt": sorted(self.adopted),
        }


def order_of(
    environment: Environment,
    *,
    via: RedriveVia,
    selection: Selection,
    plan_file: Path | None,
    include_completed: bool,
    include_poison: bool,
    max_failures: float,
    rate: float | None,
    concurrency: int | None,
    wait: timedelta,
    force: bool,
    adopt: Sequence[str] = (),
    now: datetime,
) -> Order:
    """Check what was asked for. Raises UsageError, for a group that is not there among others, Refused, AwsError."""
    frozen = None
    if plan_file is not None and plan_file.exists():
        if not selection.is_everything:
            raise UsageError("a plan names its dead letters; leave the filters out")
        queue_url = environment.stack.dead_letter_queue_url
        frozen = thaw(plan_file, environment=environment.name, queue_url=queue_url)
    adopted = environment.subscribers.adopt(adopt)
    route = route_to(environment, via, is_proved=bool(wait))
    request = Request(
        options=Options(include_completed=include_completed, include_poison=include_poison),
        rules=Rules(max_failures=max_failures),
        limit=_limit(selection.limit, force=force),
        is_limit_asked=selection.limit is not None,
        wait=wait,
        limits=limits_for(environment.processor(), route, rate=rate, concurrency=concurrency),
    )
    return Order(
        route=route,
        request=request,
        choice=Choice.of(selection, environment.queue(), now=now),
        may_take_more=force or selection.limit is not None,
        frozen=frozen,
        adopted=adopted,
    )


def prepare(
    environment: Environment, table: Table, order: Order, *, failed_before: Mapping[str, int]
) -> Redrive:
    """Return the run, ready to take its dead letters. `failed_before`: how often runs from here failed, by the dead letter's id in
    the queue. Raises AwsError."""
    return Redrive(
        queue=environment.queue(),
        route=order.route,
        table=table,
        request=order.request,
        wanted=order.wants,
        failed_before=failed_before,
        started_at=environment.access.clock.latest(),
        is_met=order.is_met_by,
    )


def check_taken(taken: Taken, order: Order) -> None:
    """Raises Refused when more dead letters match than a run takes without being told to, PartlyFailed when others hold all of them,
    UsageError when the selection names a field that no dead letter has."""
    if order.choice.selection.where is not None:
        order.choice.selection.where.require_fields()
    if taken.hidden:
        raise PartlyFailed(
            f"no dead letter could be taken: of about {taken.hidden:,}, another consumer or a run that was killed holds all, "
            f"or they are delayed. {unseen.APPROXIMATE}",
            hint="try again when it has ended; "
            + our_command("runs", "list")
            + " shows runs from this machine",
        )
    if taken.more and not order.may_take_more:
        raise Refused(
            f"more than {WINDOW:,} dead letters match that are to be sent or removed. Nothing was changed",
            hint=f"take {WINDOW:,} of them with --limit {WINDOW}, or all with --force",
        )


def require_something_to_do(left_alone: int, owners: Mapping[Owner, int]) -> None:
    """Raises PartlyFailed when dead letters match and nothing may be done with any of them; with the owners' names when none is
    this environment's."""
    if left_alone and left_alone == sum(count for owner, count in owners.items() if not owner.is_ours):
        raise all_others(owners)
    if left_alone:
        raise PartlyFailed(
            f"nothing was sent: {many(left_alone, 'dead letter stays', 'dead letters stay')} in the queue",
            hint=our_command("dlq", "show", "ID")
            + " tells what each needs; --include-poison sends what came back three times",
        )


def require_rest_of_plan(order: Order, plan: Plan, table: Table) -> None:
    """Raises PartlyFailed when dead letters of a frozen plan were not there, and the rows do not say that somebody saw to them."""
    here = [item.dead_letter.queue_message_id for item in plan.items]
    gone = order.frozen.gone(here) if order.frozen else []
    states = row_states(table, gone)
    open_ = [message.message_id for message, state in states.items() if state is not RowState.COMPLETED]
    if open_:
        raise PartlyFailed(
            f"of the plan, {len(open_):,} were not seen in the queue and are not completed, such as {open_[0]}",
            hint="another consumer may hide them: apply the plan again, or see "
            + our_command("inspect", open_[0]),
        )


def require_everything_completed(summary: Summary) -> None:
    """Raises PartlyFailed, with where the rest is, unless every dead letter's message is completed."""
    if summary.everything_completed:
        return
    done, rest = (
        summary.completed + summary.removed,
        len(summary.unfinished) + summary.not_sent + summary.set_aside,
    )
    hint: Words = our_command("dlq", "list") + " shows what is in the queue now"
    if not summary.is_certain:
        hint = "another consumer hides dead letters of this run: resume it again when they are visible"
    more = "; it stopped before it came to the others in the queue" if summary.has_more else ""
    if summary.unseen:
        more += f"; {unseen.counted(summary.unseen)}"
        hint = unseen.HINT if summary.is_certain and not rest else hint
    if summary.rows_asked:
        raise PartlyFailed(f"{many(done, 'dead letter')} completed, {rest:,} not{more}", hint=hint)
    parts = [f"{summary.processed:,} processed, as the function said"] if summary.processed else []
    parts += [f"{done:,} completed"] if done else []
    parts += [f"{rest:,} not known to be completed"] if rest else []
    raise PartlyFailed(f"of the dead letters, {'; '.join(parts)}; no row was asked{more}", hint=hint)


def _limit(asked: int | None, *, force: bool) -> int:
    if asked is not None and asked > WINDOW and not force:
        raise Refused(
            f"a run takes at most {WINDOW:,} dead letters", hint="add --force, or a smaller --limit"
        )
    return asked or (NO_LIMIT if force else WINDOW)
