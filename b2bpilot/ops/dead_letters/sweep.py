"""Looking at the queue without keeping anything from anybody: receive, remember, give back."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from b2bpilot.aws.queue_attributes import Counters
from b2bpilot.ops.dead_letters.causes import Cause, Found
from b2bpilot.ops.dead_letters.holding import Hiding, HidingQueue
from b2bpilot.ops.dead_letters.scan import Counts, Scan, every, within
from b2bpilot.ops.dead_letters.selection import Selection
from b2bpilot.pipeline.dead_letter import DeadLetter

HIDDEN_SECONDS = 60
"""How long a dead letter stays hidden after a kill -9."""
WORKERS = 8
LONG_POLL_SECONDS = 1
MOST_HELD = 100_000
"""SQS hides 120,000 at a time from everybody together (docs/aws-facts.md#sqs-in-flight); a look must not use that up."""
ROUNDS_OF_DOUBT = 3
"""So often a look polls on although nothing comes, while the counters, which lag, say that there is more."""
TELL_EVERY_SECONDS = 1.0


class Queue(HidingQueue, Protocol):
    """The part of DeadLetterQueue that a look uses: it deletes nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What a look found. `found` is what the selection matches, oldest first."""

    found: Sequence[Found]
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
    """How many dead letters of a message were seen, selected or not, where they are more than one."""
    counted: int = 0
    """How many of what was found a limit counts."""

    @property
    def copies_left(self) -> int:
        """How many dead letters of the selected messages were seen that the selection leaves in the queue."""
        selected = Counter(one.message_id for one in self.found if one.message_id in self.copies)
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
        return self.counters.visible == 0 and self.saw >= self.counters.total


def look(
    queue: Queue,
    *,
    now: datetime,
    selection: Selection | None = None,
    counts: Counts = every,
    visit: Callable[[DeadLetter], None] = lambda _: None,
    observe: Callable[[int, int], None] = lambda _saw, _about: None,
    hidden_seconds: int = HIDDEN_SECONDS,
    monotonic: Callable[[], float] = time.monotonic,
) -> Look:
    """See every dead letter once and give all of them back, whatever happens.

    What was seen stays hidden until the end, else SQS would give the same ones again; `hidden_seconds` at most if this
    process dies. `visit` gets each dead letter that matches, with its body, before `group` and `limit` are applied;
    `counts` tells what the limit counts: what the command leaves alone is found beside it. `observe` gets how many were seen of about how many, once a second.

    Raises AwsError, what `visit` raises, and UsageError for a group or a field that is not there.
    """
    wanted = selection or Selection()
    scan = Scan(wanted, now=now, counts=counts)
    watch = _Watch(observe=observe, monotonic=monotonic)
    held = Hiding(queue, hidden_seconds=hidden_seconds, monotonic=monotonic)
    with held, ThreadPoolExecutor(WORKERS) as pool:
        counters = _see_all(queue, _Seeing(scan, wanted, visit), _Receiver(held, pool), watch)
    names = scan.names()
    found = within(scan.found(names), wanted.limit, counts)
    return Look(
        found=found,
        counted=sum(map(counts, found)),
        names=names,
        saw=scan.saw,
        counters=counters,
        not_released=held.not_released,
        release_error=held.release_error,
        copies=scan.copies(),
    )


def _see_all(queue: Queue, seeing: _Seeing, receiver: _Receiver, watch: _Watch) -> Counters:
    """Receive until several long polls at once bring nothing and the counters agree, or it is enough.

    Dead letters that keep arriving do not keep it going.
    """
    counters = queue.counters()
    is_waiting, doubts = False, 0
    while not seeing.is_enough and doubts < ROUNDS_OF_DOUBT:
        new = seeing.add(receiver.receive(wait_seconds=LONG_POLL_SECONDS if is_waiting else 0))
        if new:
            watch.tell(seeing.saw, counters.total)
        if is_waiting:
            counters = queue.counters()
            if not new and not counters.visible:
                break
            doubts = 0 if new and seeing.saw < counters.total else doubts + 1
        is_waiting = not new
    return counters


class _Seeing:
    """A scan that shows what matches to the visitor."""

    def __init__(self, scan: Scan, selection: Selection, visit: Callable[[DeadLetter], None]) -> None:
        self._scan = scan
        self._visit = visit
        self._limit = selection.limit if selection.group is None else None

    @property
    def saw(self) -> int:
        return self._scan.saw

    @property
    def is_enough(self) -> bool:
        """With a group the limit counts its dead letters only, and which they are is known at the end."""
        return self.saw >= MOST_HELD or (self._limit is not None and self._scan.counted >= self._limit)

    def add(self, dead_letters: Sequence[DeadLetter]) -> int:
        """See dead letters that were not seen before, and return how many they are."""
        for dead_letter in dead_letters:
            if self._scan.see(dead_letter):
                self._visit(dead_letter)
        return len(dead_letters)


class _Receiver:
    """Receives side by side."""

    def __init__(self, held: Hiding, pool: ThreadPoolExecutor) -> None:
        self._held = held
        self._pool = pool

    def receive(self, *, wait_seconds: int) -> list[DeadLetter]:
        """Return what all workers got in one call each and did not get before. Raises AwsError."""
        self._held.extend_due()
        answers = [self._pool.submit(self._held.receive, wait_seconds=wait_seconds) for _ in range(WORKERS)]
        return [dead_letter for answer in answers for dead_letter in answer.result()]


class _Watch:
    """Tells how far a look is, once a second."""

    def __init__(self, *, observe: Callable[[int, int], None], monotonic: Callable[[], float]) -> None:
        self._observe = observe
        self._monotonic = monotonic
        self._told_at = monotonic()

    def tell(self, saw: int, about: int) -> None:
        if self._monotonic() - self._told_at >= TELL_EVERY_SECONDS:
            self._observe(saw, max(saw, about))
            self._told_at = self._monotonic()
