"""Receiving from the queue until it has no more, and looking at it without keeping anything from anybody."""

from __future__ import annotations

import threading
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

WORKERS = 16
LONG_POLL_SECONDS = 1
EMPTY_POLLS = 2
"""How many long polls in a row, whoever made them, must come back empty before an empty queue is believed."""
DOUBTFUL_POLLS = 16
"""The same while something is known to be missing; and how many may bring more than the counters know of."""
HIDDEN_SECONDS = 60
"""How long a dead letter stays hidden after a kill -9."""
MOST_HELD = 100_000
"""SQS hides 120,000 at a time from everybody together (docs/aws-facts.md#sqs-in-flight); a look must not use that up."""
TELL_EVERY_SECONDS = 1.0


class Source(Protocol):
    """What dead letters are received from: a Hiding or a Holding. `others` is what the queue has beside what is held."""

    def receive(self, *, wait_seconds: int) -> list[DeadLetter]: ...
    def extend_due(self) -> None: ...
    def others(self) -> int: ...
    def beside(self) -> Counters: ...


class Sweep:
    """Receives side by side until the queue has no more, or it is enough. What was received stays held.

    SQS's counters lag by a minute: by themselves they end it only where `ends_by_counters` is asked for, and they were right
    at its beginning: exactly as many dead letters were seen as they promised. Otherwise, also when they promised none, it
    takes long polls that come back empty.
    """

    def __init__(
        self,
        source: Source,
        *,
        see: Callable[[Sequence[DeadLetter]], None],
        is_enough: Callable[[], bool] = lambda: False,
        is_missing: Callable[[], bool] = lambda: False,
        patience_seconds: float = 0,
        ends_by_counters: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`see` gets the new dead letters of one answer, in the thread that received them. While `is_missing` says that some are
        not there that must be, they are waited for, `patience_seconds` at least: a run that was killed may hide them."""
        self.saw = 0
        self._source = source
        self._see = see
        self._is_enough = is_enough
        self._is_missing = is_missing
        self._ends_by_counters = ends_by_counters
        self._clock = clock
        self._patient_until = clock() + patience_seconds
        self._expected = source.others() if ends_by_counters else 0
        self._asking = threading.Lock()
        self._changed = threading.Condition()
        self._receiving = 0
        self._empty_polls = 0
        self._late_polls = 0
        self._is_stopped = False

    def run(self, *, workers: int = WORKERS) -> None:
        """Raises AwsError, and what `see` raises."""
        with ThreadPoolExecutor(workers) as pool:
            try:
                for done in [pool.submit(self._work) for _ in range(workers)]:
                    done.result()
            except BaseException:
                self.stop()
                raise

    def stop(self) -> None:
        """Receive nothing more: `run` ends when the calls that are under way do."""
        with self._changed:
            self._is_stopped = True
            self._changed.notify_all()

    def _work(self) -> None:
        was_empty = False
        try:
            while not self._is_over(wait=was_empty):
                found = self._receive(is_long_poll=was_empty)
                if found:
                    self._see(found)
                    if was_empty and self._source.others() == 0:
                        self._late_polls += 1
                was_empty = not found
                if was_empty:
                    self._wait_for_the_others()
        except BaseException:
            self.stop()
            raise

    def _receive(self, *, is_long_poll: bool) -> list[DeadLetter]:
        with self._changed:
            self._receiving += 1
        found: list[DeadLetter] = []
        try:
            self._source.extend_due()
            found = self._source.receive(wait_seconds=LONG_POLL_SECONDS if is_long_poll else 0)
        finally:
            with self._changed:
                self.saw += len(found)
                self._empty_polls = 0 if found else self._empty_polls + is_long_poll
                self._receiving -= 1
                self._changed.notify_all()
        return found

    def _wait_for_the_others(self) -> None:
        """What is missing may be on its way to another worker: no reason for a long poll yet."""
        with self._changed:
            self._changed.wait_for(lambda: self._receiving == 0 or self._is_stopped)

    def _is_over(self, *, wait: bool) -> bool:
        if self._is_stopped or self._is_enough() or self._late_polls >= DOUBTFUL_POLLS:
            return True
        return self._is_as_promised(wait=wait) or self._is_empty()

    def _is_as_promised(self, *, wait: bool) -> bool:
        """One worker at a time asks. Those that may still find something do not `wait` for the answer."""
        if self._ends_by_counters and 0 < self.saw == self._expected and self._asking.acquire(blocking=wait):
            try:
                if not self._is_stopped and self._source.others() == 0:
                    self.stop()
            finally:
                self._asking.release()
        return self._is_stopped

    def _is_empty(self) -> bool:
        if self._empty_polls < EMPTY_POLLS:
            return False
        with self._asking:
            if not self._is_stopped and self._is_believed_empty():
                self.stop()
        return self._is_stopped

    def _is_believed_empty(self) -> bool:
        is_doubtful = self._empty_polls < DOUBTFUL_POLLS
        if self._is_missing():
            return not is_doubtful and self._clock() >= self._patient_until
        return not is_doubtful or self._source.beside().visible == 0


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
    was_stopped: bool = False
    """Whether it was told that it is enough: then there may be more, whatever the counters say."""
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
        return not self.was_stopped and self.counters.visible == 0 and self.saw >= self.counters.total


def look(
    queue: Queue,
    *,
    now: datetime,
    selection: Selection | None = None,
    counts: Counts = every,
    visit: Callable[[DeadLetter], None] = lambda _: None,
    observe: Callable[[int, int], None] = lambda _saw, _about: None,
    is_enough: Callable[[], bool] = lambda: False,
    hidden_seconds: int = HIDDEN_SECONDS,
    monotonic: Callable[[], float] = time.monotonic,
) -> Look:
    """See every dead letter once and give all of them back, whatever happens.

    What was seen stays hidden until the end, else SQS would give the same ones again; `hidden_seconds` at most if this
    process dies. `visit` gets each dead letter that matches, with its body, one at a time, before `group` and `limit` are
    applied; `counts` tells what the limit counts: what the command leaves alone is found beside it. `observe` gets how many
    were seen of about how many, once a second. `is_enough` ends the look early.

    Raises AwsError, what `visit` raises, and UsageError for a group or a field that is not there.
    """
    wanted = selection or Selection()
    scan = Scan(wanted, now=now, counts=counts)
    watch = _Watch(observe=observe, monotonic=monotonic)
    limit = wanted.limit if wanted.group is None else None
    lock = threading.Lock()
    was_stopped = False

    def see(dead_letters: Sequence[DeadLetter]) -> None:
        with lock:
            for dead_letter in dead_letters:
                if scan.see(dead_letter):
                    visit(dead_letter)
            watch.tell(scan.saw, begin.total)

    def is_all() -> bool:
        """With a group the limit counts its dead letters only, and which they are is known at the end."""
        nonlocal was_stopped
        was_stopped = was_stopped or is_enough()
        return was_stopped or scan.saw >= MOST_HELD or (limit is not None and scan.counted >= limit)

    with Hiding(queue, hidden_seconds=hidden_seconds, monotonic=monotonic) as held:
        begin = queue.counters()
        Sweep(held, see=see, is_enough=is_all, clock=monotonic).run()
        counters = queue.counters()
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
        was_stopped=was_stopped,
    )


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
