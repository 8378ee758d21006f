"""A backfill: the rows of the plan, read again, each sent by the subscriber's own route; journal before each call."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import islice

from b2bpilot.errors import Refused
from b2bpilot.ops.backfill.options import BackfillOptions
from b2bpilot.ops.backfill.plan import BackfillPlan, Known, plan, rows_decided
from b2bpilot.ops.backfill.rebuild import RowFate
from b2bpilot.ops.ports import JournalWriter
from b2bpilot.ops.publish.order import Item
from b2bpilot.ops.publish.routes import PublishRoute
from b2bpilot.ops.publish.sending import Dispatch, Observe, Publishing
from b2bpilot.ops.runs.record import RunRecord
from b2bpilot.ops.sending.pace import Limits, Pace
from b2bpilot.ops.subscribers.discovery import Subscriber
from b2bpilot.pipeline.database import DatabaseManager
from b2bpilot.pipeline.history import PAGE, Stretch

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
        """Send what was planned, but for what became another thing since: rows are judged again. Interrupted, the calls that
        are under way end first and are journalled.

        Raises DatabaseError when the rows cannot be read to the end.
        """
        if self.options.names_a_number:
            self._write_plan(planned, journal)
        pace = Pace(
            Limits(rate=self.options.rate, concurrency=self.options.concurrency or DEFAULT_CONCURRENCY)
        )
        earlier = sum(state.was_accepted for state in self.known.values())
        sending = Publishing(
            route=route,
            journal=journal,
            pace=pace,
            perhaps_before=self._perhaps_before(),
            observe=watch(pace),
            keeps_accepted=False,
        )
        left = NotHandedOut(messages=planned.to_send)
        dispatch = sending.run(self._items(planned, left), total=planned.to_send + earlier, earlier=earlier)
        return replace(dispatch, total=dispatch.total - left.messages) if left.is_end else dispatch

    def so_far(self) -> Dispatch:
        """Return what earlier attempts did, of a run that has nothing left to send."""
        accepted = sum(state.was_accepted for state in self.known.values())
        perhaps = self._perhaps_before()
        return Dispatch(total=accepted + len(perhaps), results=(), earlier=accepted, perhaps_before=perhaps)

    def _perhaps_before(self) -> frozenset[str]:
        return frozenset(key for key, state in self.known.items() if state.perhaps_sent)

    def _items(self, planned: BackfillPlan, left: NotHandedOut) -> Iterator[Item]:
        decided = rows_decided(
            self.database, planned.rows, self.subscriber.subscription, self.options, known=self.known
        )
        for _, one in decided:
            if one.message is not None and left.messages:
                left.messages -= 1
                yield Item(message=one.message)
        left.is_end = True

    def _write_plan(self, planned: BackfillPlan, journal: JournalWriter) -> None:
        """Raises JournalFailed."""
        items = self._items(planned, NotHandedOut(messages=planned.to_send))
        while page := list(islice(items, PAGE)):
            journal.write(*(_planned(item.message.message_id) for item in page), durable=False)
        journal.write({"event": "plan_written"})


@dataclass(slots=True, kw_only=True)
class NotHandedOut:
    """How many messages of a plan were not handed out yet; at the end of the rows, those that became another thing since."""

    messages: int
    is_end: bool = False


def require_whole_plan(options: BackfillOptions, record: RunRecord) -> None:
    """Raise Refused where a run ended before all that it was about was in its journal."""
    if options.is_by_plan and len(record.messages) < record.parameters["messages"]:
        raise Refused(
            f"run {record.run_id} ended while it wrote its plan, before anything was sent",
            hint="begin the backfill again",
            outcome="",
        )


def _planned(message_id: str) -> Mapping[str, object]:
    return {
        "event": "planned",
        "queue_message_id": message_id,
        "message_id": message_id,
        "decision": RowFate.SEND.value,
    }
