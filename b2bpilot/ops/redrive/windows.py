"""A run's dead letters, window by window, each with what is to be done with it."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime

from b2bpilot.aws.queue_attributes import Counters
from b2bpilot.ops.dead_letters.decision import Decision, asked_of, decide, has_row
from b2bpilot.ops.dead_letters.holding import HIDDEN_SECONDS, Holding
from b2bpilot.ops.dead_letters.sweep import Taken, Taker
from b2bpilot.ops.ports import DeadLetterFilter
from b2bpilot.ops.redrive.options import WINDOW, RedriveOptions
from b2bpilot.ops.redrive.plan import NONE_UNSEEN, Plan, Planned
from b2bpilot.ops.redrive.routes import Route
from b2bpilot.ops.table.asked import Table
from b2bpilot.ops.table.row_state import RowState, row_states
from b2bpilot.pipeline.dead_letter import DeadLetter


class Windows:
    """What is held at a time does not grow with the queue."""

    def __init__(
        self,
        held: Holding,
        *,
        route: Route,
        table: Table,
        options: RedriveOptions,
        wanted: DeadLetterFilter,
        accepted_before: Mapping[str, bool],
        failed_before: Mapping[str, int],
        run_id: str | None,
        started_at: datetime,
        limit: int,
    ) -> None:
        self.run_id = run_id
        """What this run sent and came back is not taken again."""
        self.seen: set[str] = set()
        """The ids in the queue of all dead letters that were taken."""
        self._held = held
        self._route = route
        self._table = table
        self._options = options
        self._wanted = wanted
        self._accepted_before = accepted_before
        self._failed_before = failed_before
        self._started_at = started_at
        self._left = limit

    def next(self) -> Plan:
        """Take as many dead letters as the limit allows with which something is done, and no more of the others than stand before
        them. An empty plan means that there is no more."""
        limit = min(WINDOW, self._left)
        taken, plan = self._take(limit)
        while taken.more and not _is_full(taken, plan, limit):
            taken, more = self._take(WINDOW)
            plan = plan.followed_by(more)
        plan, surplus = plan.within(limit)
        self._held.release(surplus)
        self.seen -= {dead_letter.queue_message_id for dead_letter in surplus}
        self._left -= plan.acting
        if self._table.proof.is_proven and (self._route.answers or self._options.wait):
            plan = plan.once_a_message()
        return replace(plan, unseen=self._unseen(has_more=plan.has_more))

    def follow(self, plan: Plan) -> bool:
        """Tell whether others follow this one."""
        return plan.has_more and self._left > 0

    def still_unseen(self, plan: Plan) -> int:
        """Return about how many were not seen and are in the queue still: the counters may know only now that some are
        gone, and count as new what came since."""
        return min(plan.unseen.total, self._held.beside().total) if plan.unseen.total else 0

    def _unseen(self, *, has_more: bool) -> Counters:
        """What is visible while there is more comes with the next window; what lies beyond a limit that was asked for is none of
        the run's."""
        is_limit_reached = self._options.limit is not None and self._left <= 0
        if self._wanted.is_met_by(self.seen) or is_limit_reached:
            return NONE_UNSEEN
        found = self._held.beside()
        return found.without_visible() if has_more else found

    def _take(self, limit: int) -> tuple[Taken, Plan]:
        """Take as many dead letters, whatever is done with them, and decide about them."""
        taker = Taker(
            self._held,
            wanted=self._is_mine,
            limit=limit,
            patience_seconds=HIDDEN_SECONDS + 10,
            for_all=bool(self._accepted_before),
        )
        taken = self._take_with(taker)
        self.seen |= {dead_letter.queue_message_id for dead_letter in taken.dead_letters}
        states = row_states(
            self._table, (asked_of(dead_letter) for dead_letter in taken.dead_letters if has_row(dead_letter))
        )
        items = []
        for dead_letter in taken.dead_letters:
            state = states.get(asked_of(dead_letter), RowState.UNKNOWN) if has_row(dead_letter) else None
            items.append(
                Planned(dead_letter=dead_letter, state=state, decision=self._decision(dead_letter, state))
            )
        return taken, Plan(items=items, saw=taken.saw, has_more=taken.more, hidden=taken.hidden)

    def _take_with(self, taker: Taker) -> Taken:
        """Take dead letters; prove the database and look where they would go meanwhile."""
        with ThreadPoolExecutor(1) as pool:
            taking = pool.submit(taker.take)
            try:
                _ = self._table.proof
                if self._route.guard is not None:
                    self._route.guard.look()
                return taking.result()
            except BaseException:
                taker.stop()
                raise

    def _decision(self, dead_letter: DeadLetter, state: RowState | None) -> Decision:
        """What an earlier attempt of this run is known to have sent successfully is only removed."""
        failures = max(dead_letter.redrives, self._failed_before.get(dead_letter.queue_message_id, 0))
        decision = decide(
            dead_letter,
            state,
            failures=failures,
            include_completed=self._options.include_completed,
            include_poison=self._options.include_poison,
        )
        was_accepted = self._accepted_before.get(dead_letter.queue_message_id)
        may_remove = dead_letter.owner.is_ours and decision is not Decision.DISCARDED
        return Decision.REMOVE if was_accepted and may_remove else decision

    def _is_mine(self, dead_letter: DeadLetter) -> bool:
        is_new = dead_letter.sent_at is None or dead_letter.sent_at < self._started_at
        return (
            is_new
            and (dead_letter.redriven_by is None or dead_letter.redriven_by != self.run_id)
            and dead_letter.queue_message_id not in self.seen
            and self._wanted.matches(dead_letter)
        )


def _is_full(taken: Taken, plan: Plan, limit: int) -> bool:
    """Whether the limit is reached, and it is told whether there is more to be done: others' dead letters are not more."""
    is_more_ours = any(
        dead_letter.owner.is_ours and dead_letter.event is not None for dead_letter in taken.surplus
    )
    return plan.acting > limit or (plan.acting == limit and is_more_ours)
