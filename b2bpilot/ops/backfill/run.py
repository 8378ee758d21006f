"""A backfill: the rows of the plan, read again, each sent by the subscriber's own route; journal before each call."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from b2bpilot.ops.backfill.options import BackfillOptions
from b2bpilot.ops.backfill.plan import BackfillPlan, Known, plan, rows_decided, was_accepted
from b2bpilot.ops.ports import JournalWriter
from b2bpilot.ops.publish.order import Item
from b2bpilot.ops.publish.routes import PublishRoute
from b2bpilot.ops.publish.sending import Dispatch, Observe, Publishing
from b2bpilot.ops.sending.pace import Limits, Pace
from b2bpilot.ops.subscribers.discovery import Subscriber
from b2bpilot.pipeline.database import DatabaseManager
from b2bpilot.pipeline.history import Stretch

COMMAND = "backfill"
DEFAULT_CONCURRENCY = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Backfill:
    """One run, begun or gone on with: `known` is what an earlier attempt did."""

    database: DatabaseManager
    subscriber: Subscriber
    options: BackfillOptions
    known: Known = field(default_factory=dict, repr=False)

    def plan(self, rows: Stretch, *, observe: Callable[[int], None] = lambda _: None) -> BackfillPlan:
        """Raises DatabaseError, and UsageError for an expression."""
        subscription = self.subscriber.subscription
        return plan(self.database, rows, subscription, self.options, known=self.known, observe=observe)

    def send(
        self,
        planned: BackfillPlan,
        route: PublishRoute,
        journal: JournalWriter,
        *,
        watch: Callable[[Pace], Observe] = lambda _pace: lambda _results: None,
    ) -> Dispatch:
        """Send what was planned. Interrupted, the calls that are under way end first and are journalled.

        Raises DatabaseError when the rows cannot be read to the end.
        """
        pace = Pace(
            Limits(rate=self.options.rate, concurrency=self.options.concurrency or DEFAULT_CONCURRENCY)
        )
        earlier = sum(was_accepted(state) for state in self.known.values())
        sending = Publishing(
            route=route,
            journal=journal,
            pace=pace,
            perhaps_before=frozenset(
                key for key, state in self.known.items() if state.is_unknown and not was_accepted(state)
            ),
            observe=watch(pace),
            keeps_accepted=False,
        )
        return sending.run(self._items(planned), total=planned.to_send + earlier, earlier=earlier)

    def _items(self, planned: BackfillPlan) -> Iterator[Item]:
        """A row may have been discarded since the plan: it is judged again."""
        left = planned.to_send
        decided = rows_decided(
            self.database, planned.rows, self.subscriber.subscription, self.options, known=self.known
        )
        for _, one in decided:
            if one.message is not None and left:
                left -= 1
                yield Item(message=one.message)
