"""What the operator asked of a redrive: one value from the command line to the journal, and back."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Self

from b2bpilot.advice import Words, our_command
from b2bpilot.aws.functions import FunctionGone
from b2bpilot.errors import NotFound, PartlyFailed, Refused, UsageError
from b2bpilot.ops.dead_letters import filters
from b2bpilot.ops.dead_letters.filters import ResolvedFilter, Selection
from b2bpilot.ops.dead_letters.sweep import APPROXIMATE
from b2bpilot.ops.environment import Environment
from b2bpilot.ops.redrive.concurrency import TURN_ON, concurrency_for
from b2bpilot.ops.redrive.frozen_plan import FrozenPlan, thaw
from b2bpilot.ops.redrive.plan import Plan
from b2bpilot.ops.redrive.routes import ROUTES
from b2bpilot.ops.redrive.via import RedriveVia
from b2bpilot.pipeline.dead_letter import DeadLetter
from b2bpilot.plural import many

WINDOW = 1_000
"""How many dead letters are held at a time; a longer run goes window by window, so that memory does not grow with the queue."""
NO_LIMIT = 10**9
STAGES = (1, 5, 20, 100, 500)
EVERYTHING = ResolvedFilter(selection=Selection(), cause=None, now=datetime.fromtimestamp(0, UTC))


@dataclass(frozen=True, slots=True, kw_only=True)
class RedriveOptions:
    """A new option is declared in cli/dlq/redrive.py, is a field here, and is read where it matters."""

    via: RedriveVia = RedriveVia.INVOKE
    """How they are sent."""
    filters: ResolvedFilter | None = EVERYTHING
    """None: nothing but what a plan or a journal names."""
    frozen: FrozenPlan | None = None
    """The plan that is applied, if one was named and exists."""
    include_completed: bool = False
    include_poison: bool = False
    max_failures: float = 0.2
    """The share of a stage that may fail before the run stops."""
    rate: float | None = None
    concurrency: int | None = None
    """Calls at once; None leaves it to the route."""
    wait: timedelta = timedelta(seconds=60)
    """How long the proof may take."""
    limit: int | None = None
    """Counts dead letters that are sent or removed, not what is left alone beside them."""
    force: bool = False
    """Take more than one window."""
    adopted: frozenset[str] = frozenset()
    """Subscriptions that are gone, and whose dead letters are taken for the processor's."""
    stages: tuple[int, ...] = STAGES

    @property
    def most(self) -> int:
        """How many are sent or removed at most."""
        return self.limit or (NO_LIMIT if self.force else WINDOW)

    def matches(self, dead_letter: DeadLetter) -> bool:
        if self.frozen is not None:
            return dead_letter.queue_message_id in self.frozen.dead_letters
        return self.filters is not None and self.filters.matches(dead_letter)

    def is_met_by(self, queue_message_ids: Iterable[str]) -> bool:
        """Tell whether no other dead letter can be meant. What a plan or a journal names is asked for by its rows."""
        return self.filters is None or self.filters.selection.is_met_by(queue_message_ids)

    def to_journal(self) -> dict[str, object]:
        return {
            "via": self.via.value,
            "include_completed": self.include_completed,
            "include_poison": self.include_poison,
            "max_failures": self.max_failures,
            "rate": self.rate,
            "concurrency": self.concurrency,
            "wait_seconds": self.wait.total_seconds(),
            "limit": self.most,
            "selection": self.filters.to_journal() if self.filters else None,
            "adopt": sorted(self.adopted),
        }

    @classmethod
    def from_journal(cls, kept: Mapping[str, Any], *, began_at: datetime) -> Self:
        """Read them back; without filters that held a phone number, which no journal keeps. Ages have become times."""
        limit, selection = kept["limit"], kept.get("selection")
        return cls(
            via=RedriveVia(kept["via"]),
            filters=None if selection is None else ResolvedFilter.from_journal(selection, now=began_at),
            include_completed=kept["include_completed"],
            include_poison=kept["include_poison"],
            max_failures=kept["max_failures"],
            rate=kept["rate"],
            concurrency=kept["concurrency"],
            wait=timedelta(seconds=kept["wait_seconds"]),
            limit=None if limit in (WINDOW, NO_LIMIT) else limit,
            force=limit >= NO_LIMIT,
            adopted=frozenset(kept.get("adopt") or ()),
        )

    def require_within(self, plan: Plan) -> None:
        """Raises Refused when more dead letters match than a run takes without being told to, PartlyFailed when others hold all of
        them, UsageError when the filters name a field that no dead letter has."""
        if self.filters is not None and self.filters.selection.where is not None:
            self.filters.selection.where.require_fields()
        if plan.hidden:
            raise PartlyFailed(
                f"no dead letter could be received: of about {plan.hidden:,}, all are in flight, in another process or a run "
                f"that was killed, or delayed. {APPROXIMATE}",
                hint="try again when it has ended; "
                + our_command("runs", "list")
                + " shows runs from this machine",
            )
        if plan.has_more and not self.force and self.limit is None:
            raise Refused(
                f"more than {many(WINDOW, 'dead letter')} match that are to be sent or removed",
                hint=f"take {WINDOW:,} of them with --limit {WINDOW}, or all with --force",
            )


def concurrency_of(asked: RedriveOptions, environment: Environment) -> int:
    """Return how many calls may be under way. A queue takes what its function, paused or not, gets later.

    Raises Refused when the function is paused, NotFound when it is gone, and AwsError.
    """
    route = ROUTES[asked.via]
    if asked.via is RedriveVia.QUEUE:
        return asked.concurrency or route.concurrency
    function = environment.function()
    command = f"aws lambda delete-function-concurrency --function-name {function.short_name}"
    hint: Words = f"whoever paused it turns it on again: {command}" if environment.other else TURN_ON
    try:
        return concurrency_for(route, function, asked=asked.concurrency, hint=hint)
    except FunctionGone as exc:
        raise NotFound(
            f"{exc}: the dead letters of {environment.recipient.asker} stay in the queue",
            hint=_deploy_first(environment),
        ) from exc


def _deploy_first(environment: Environment) -> Words:
    whose = ("--subscriber", environment.subscriber) if environment.subscriber else ()
    return "deploy its stack again; " + our_command("verify", *whose) + " says what else is missing"


def resolve(
    asked: RedriveOptions,
    environment: Environment,
    *,
    selection: Selection,
    plan_file: Path | None,
    now: datetime,
) -> RedriveOptions:
    """Return what was asked for with what only the environment can tell: the filters' group, the plan's dead letters, whose
    subscription is gone, how many calls the processor takes. Raises UsageError, for a group that is not there among others, Refused, AwsError."""
    frozen = None
    if plan_file is not None and plan_file.exists():
        if not selection.is_everything:
            raise UsageError("a plan names its dead letters; leave the filters out")
        frozen = thaw(plan_file, environment=environment)
    adopted = environment.subscribers.adopt(sorted(asked.adopted))
    if selection.limit is not None and selection.limit > WINDOW and not asked.force:
        raise Refused(
            f"a run takes at most {many(WINDOW, 'dead letter')}", hint="add --force, or a smaller --limit"
        )
    concurrency = concurrency_of(asked, environment)
    return replace(
        asked,
        filters=None if frozen else filters.resolve(selection, environment.queue(), now=now),
        frozen=frozen,
        concurrency=concurrency,
        limit=selection.limit,
        adopted=adopted,
    )
