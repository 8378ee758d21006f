"""Looking at the queue without keeping anything from anybody: receive, remember, give back."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from b2bpilot.advice import Words
from b2bpilot.aws.queue_attributes import Counters
from b2bpilot.ops.dead_letters.causes import Cause, SeenDeadLetter, cause_of, in_order, numbered
from b2bpilot.ops.dead_letters.filters import LIST_HINT, NONE_UNSEEN, Selection, cause_named
from b2bpilot.ops.dead_letters.holding import BATCH, Hiding
from b2bpilot.ops.dead_letters.sweep import EMPTY_POLLS, LOOK_HIDDEN_SECONDS, MOST_HELD, Sweep
from b2bpilot.ops.ports import VisibilityQueue
from b2bpilot.pipeline.dead_letter import DeadLetter

WORKERS = 8
"""At most; fewer where the counters promise less than those would receive at once."""
TELL_EVERY_SECONDS = 1.0

Counts = Callable[[SeenDeadLetter], bool]
"""Whether a limit counts it: only what the command can act on."""


def every(_: SeenDeadLetter) -> bool:
    return True


def ours(dead_letter: SeenDeadLetter) -> bool:
    return dead_letter.owner.is_ours


def ours_to_process(dead_letter: SeenDeadLetter) -> bool:
    return dead_letter.owner.is_ours and dead_letter.message_id is not None


def within(dead_letters: Sequence[SeenDeadLetter], limit: int | None, counts: Counts) -> list[SeenDeadLetter]:
    """Return the first that count, as many as the limit says, and beside them all that do not."""
    counted = {id(one) for one in [one for one in dead_letters if counts(one)][:limit]}
    return [one for one in dead_letters if id(one) in counted or not counts(one)]


class Matches:
    """What has been seen so far of the queue, or of another `place` that holds dead letters; no bodies are kept."""

    def __init__(
        self,
        selection: Selection,
        *,
        now: datetime,
        place: str = "the queue",
        hint: Words = LIST_HINT,
        counts: Counts = every,
    ) -> None:
        self._selection = selection
        self._counts_for_limit = counts
        self.counted = 0
        """How many match every filter but the group, which is known at the end, and count for a limit."""
        self._now = now
        self._place = place
        self._hint = hint
        self.saw = 0
        self._counts: Counter[Cause] = Counter()
        self._causes: dict[Cause, Cause] = {}
        self._found: list[SeenDeadLetter] = []
        self._by_message: Counter[str] = Counter()

    def see(self, dead_letter: DeadLetter) -> bool:
        """Remember a dead letter, and tell whether it matches every filter but the group."""
        self.saw += 1
        cause = cause_of(dead_letter)
        cause = self._causes.setdefault(cause, cause)
        self._counts[cause] += 1
        if dead_letter.message and dead_letter.owner.rows_count:
            self._by_message[dead_letter.message.message_id] += 1
        if not self._selection.matches(dead_letter, now=self._now):
            return False
        found = _found(dead_letter, cause)
        self._found.append(found)
        self.counted += self._counts_for_limit(found)
        return True

    def copies(self) -> dict[str, int]:
        """Return how many dead letters each message has that has several, by whose row they are judged."""
        return {message_id: count for message_id, count in self._by_message.items() if count > 1}

    def names(self) -> dict[Cause, str]:
        """Return `G1` ... of everything that was seen, whatever the selection."""
        return numbered(self._counts)

    def found(self, names: Mapping[Cause, str], *, unseen: Counters = NONE_UNSEEN) -> list[SeenDeadLetter]:
        """Return all that match, oldest first; the limit is left to the caller. Raises UsageError for a field that is not
        there, and what `cause_named` raises for a group."""
        if self._selection.where is not None:
            self._selection.where.require_fields()
        return sorted(self._of_group(names, unseen), key=in_order)

    def _of_group(self, names: Mapping[Cause, str], unseen: Counters) -> list[SeenDeadLetter]:
        group = self._selection.group
        if group is None:
            return self._found
        cause = cause_named(
            names,
            group,
            place=self._place,
            hint=self._hint,
            listed=self._selection.listed,
            unseen=unseen,
        )
        return [found for found in self._found if found.cause == cause]


def _found(dead_letter: DeadLetter, cause: Cause) -> SeenDeadLetter:
    return SeenDeadLetter(
        test=dead_letter.message is not None and dead_letter.message.test,
        queue_message_id=dead_letter.queue_message_id,
        message_id=dead_letter.message_id,
        cause=cause,
        sent_at=dead_letter.sent_at,
        redrives=dead_letter.redrives,
        receive_count=dead_letter.receive_count,
        owner=dead_letter.owner,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Peek:
    """What was seen. `found` is what the selection matches, oldest first."""

    found: Sequence[SeenDeadLetter]
    names: Mapping[Cause, str]
    """`G1` ... of everything that was seen, whatever the selection."""
    saw: int
    counters: Counters
    """SQS's own at the end; they lag a minute."""
    not_released: int = 0
    """So many could not be given back; they are visible again when their short time is over."""
    release_error: str | None = None
    """Why, for one of them."""
    copies: Mapping[str, int] = field(default_factory=dict)
    """How many dead letters of a message were seen, selected or not, where they are more than one: of those a row speaks for."""
    was_stopped: bool = False
    """Whether it was told that it is enough: then there may be more, whatever the counters say."""
    counted: int = 0
    """How many of what was found a limit counts."""

    @property
    def copies_left(self) -> int:
        """How many dead letters of the selected messages were seen that the selection leaves in the queue. Another subscriber's
        are no copies: the row's mark keeps none of theirs back."""
        ours = [one for one in self.found if one.owner.rows_count]
        selected = Counter(one.message_id for one in ours if one.message_id in self.copies)
        return sum(self.copies[message_id] - count for message_id, count in selected.items() if message_id)

    @property
    def about(self) -> int:
        """How many the queue holds."""
        return max(self.saw, self.counters.total)

    def unseen_of(self, selection: Selection) -> int:
        """Return about how many may be meant that were not seen; none where as many were found as were asked for."""
        is_enough = selection.limit is not None and self.counted >= selection.limit
        if self.is_complete or is_enough or selection.is_met_by(one.queue_message_id for one in self.found):
            return 0
        return max(0, self.counters.total - self.saw)

    @property
    def is_complete(self) -> bool:
        """Whether the counters agree that everything was seen."""
        return not self.was_stopped and self.counters.visible == 0 and self.saw >= self.counters.total


def peek(
    queue: VisibilityQueue,
    *,
    now: datetime,
    selection: Selection | None = None,
    counts: Counts = every,
    visit: Callable[[DeadLetter], None] = lambda _: None,
    observe: Callable[[int, int], None] = lambda _saw, _about: None,
    is_enough: Callable[[], bool] = lambda: False,
    hidden_seconds: int = LOOK_HIDDEN_SECONDS,
    monotonic: Callable[[], float] = time.monotonic,
) -> Peek:
    """See every dead letter once and give all of them back, whatever happens.

    What was seen stays hidden until the end, else SQS would give the same ones again; `hidden_seconds` at most if this
    process dies. `visit` gets each dead letter that matches, with its body, one at a time, before `group` and `limit` are
    applied; `counts` tells what the limit counts: what the command leaves alone is found beside it. `observe` gets how many
    were seen of about how many, once a second. `is_enough` ends the look early.

    Raises AwsError, what `visit` raises, UsageError for a field that is not there, and what `cause_named` raises for a group.
    """
    chosen = selection or Selection()
    matches = Matches(chosen, now=now, counts=counts)
    # With a group the limit counts its dead letters only, and which they are is known at the end.
    limit = chosen.limit if chosen.group is None else None
    with Hiding(queue, hidden_seconds=hidden_seconds, monotonic=monotonic) as held:
        begin = queue.counters()
        look = _Look(
            matches,
            visit=visit,
            limit=limit,
            is_enough=is_enough,
            watch=_Watch(begin.total, observe, monotonic),
        )
        sweep = Sweep(held, see=look.see, is_enough=look.is_over, clock=monotonic)
        sweep.run(workers=min(WORKERS, EMPTY_POLLS + begin.total // BATCH))
        counters = queue.counters()
        unseen = held.beside(counters)
    names = matches.names()
    found = within(matches.found(names, unseen=unseen), chosen.limit, counts)
    return Peek(
        found=found,
        counted=sum(map(counts, found)),
        names=names,
        saw=matches.saw,
        counters=counters,
        not_released=held.not_released,
        release_error=held.release_error,
        copies=matches.copies(),
        was_stopped=look.was_stopped,
    )


class _Look:
    """What each batch is shown to, and whether they are enough. Several threads ask it."""

    def __init__(
        self,
        matches: Matches,
        *,
        visit: Callable[[DeadLetter], None],
        limit: int | None,
        is_enough: Callable[[], bool],
        watch: _Watch,
    ) -> None:
        self._matches = matches
        self._visit = visit
        self._limit = limit
        self._is_enough = is_enough
        self._watch = watch
        self._lock = threading.Lock()
        self.was_stopped = False

    def see(self, dead_letters: Sequence[DeadLetter]) -> None:
        with self._lock:
            for dead_letter in dead_letters:
                if self._matches.see(dead_letter):
                    self._visit(dead_letter)
            self._watch.tell(self._matches.saw)

    def is_over(self) -> bool:
        self.was_stopped = self.was_stopped or self._is_enough()
        has_found = self._limit is not None and self._matches.counted >= self._limit
        return self.was_stopped or has_found or self._matches.saw >= MOST_HELD


class _Watch:
    """Tells how far a look at about so many is, once a second."""

    def __init__(
        self, about: int, observe: Callable[[int, int], None], monotonic: Callable[[], float]
    ) -> None:
        self._about = about
        self._observe = observe
        self._monotonic = monotonic
        self._told_at = monotonic()

    def tell(self, saw: int) -> None:
        if self._monotonic() - self._told_at >= TELL_EVERY_SECONDS:
            self._observe(saw, max(saw, self._about))
            self._told_at = self._monotonic()
