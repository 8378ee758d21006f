"""Receiving dead letters until the queue has no more, or it is enough: all that a command wants, or exactly those that a plan
names; and what SQS counts beside them."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime

from b2bpilot.aws.queue_attributes import Counters
from b2bpilot.errors import PartlyFailed
from b2bpilot.ops.dead_letters.holding import HIDDEN_SECONDS
from b2bpilot.ops.ports import DeadLetterReceiver
from b2bpilot.pipeline.dead_letter import DeadLetter
from b2bpilot.plural import many

WORKERS = 16
LONG_POLL_SECONDS = 1
EMPTY_POLLS = 2
"""How many long polls in a row, whoever made them, must come back empty before an empty queue is believed."""
DOUBTFUL_POLLS = 16
"""The same while something is known to be missing; and how many may bring more than the counters know of."""
LOOK_HIDDEN_SECONDS = 60
"""How long dead letters that nobody works on stay hidden after a kill -9."""
MOST_HELD = 100_000
"""SQS hides 120,000 at a time from everybody together (docs/aws-facts.md#sqs-in-flight); who only looks must not use that up."""


class Sweep:
    """Receives side by side until the queue has no more, or it is enough. What was received stays held.

    SQS's counters lag by a minute: by themselves they end it only where `ends_by_counters` is asked for, and they were right
    at its beginning: exactly as many dead letters were seen as they promised. Otherwise, also when they promised none, it
    takes long polls that come back empty.
    """

    def __init__(
        self,
        source: DeadLetterReceiver,
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
                dead_letters = self._receive(is_long_poll=was_empty)
                if dead_letters:
                    self._see(dead_letters)
                    if was_empty and self._source.others() == 0:
                        self._late_polls += 1
                was_empty = not dead_letters
                if was_empty:
                    self._wait_for_the_others()
        except BaseException:
            self.stop()
            raise

    def _receive(self, *, is_long_poll: bool) -> list[DeadLetter]:
        with self._changed:
            self._receiving += 1
        dead_letters: list[DeadLetter] = []
        try:
            self._source.extend_due()
            dead_letters = self._source.receive(wait_seconds=LONG_POLL_SECONDS if is_long_poll else 0)
        finally:
            with self._changed:
                self.saw += len(dead_letters)
                self._empty_polls = 0 if dead_letters else self._empty_polls + is_long_poll
                self._receiving -= 1
                self._changed.notify_all()
        return dead_letters

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


PATIENCE_SECONDS = HIDDEN_SECONDS + 10.0
"""How long dead letters are waited for that a killed run still hides."""
LONGEST_SILENCE_SECONDS = 180.0
"""A run that lives writes a line sooner, also when AWS answers no call at all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """The wanted dead letters in the order of their age, how many were looked at, and whether there are more than were wanted."""

    dead_letters: Sequence[DeadLetter]
    saw: int
    more: bool
    surplus: Sequence[DeadLetter] = ()
    """What exceeded the limit, and was given back: the next taking may bring it again."""
    hidden: int = 0
    """When nothing was seen: about how many dead letters somebody else holds."""


class Taker:
    """Fills up to `limit` dead letters that are `wanted`; the others stay held, or they would be received again at once."""

    def __init__(
        self,
        source: DeadLetterReceiver,
        *,
        wanted: Callable[[DeadLetter], bool],
        limit: int,
        patience_seconds: float = 0,
        for_all: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`patience_seconds` is how long to wait for dead letters that somebody, a killed run for instance, still hides: for the
        first one, or `for_all` that the counters know of."""
        self._source = source
        self._wanted = wanted
        self._limit = limit
        self._for_all = for_all
        self._lock = threading.Lock()
        self._dead_letters: list[DeadLetter] = []
        self._sweep = Sweep(
            source,
            see=self._see,
            is_enough=lambda: len(self._dead_letters) > limit,
            is_missing=self._is_missing,
            patience_seconds=patience_seconds,
            ends_by_counters=True,
            clock=clock,
        )

    def take(self, *, workers: int = WORKERS) -> Taken:
        """Receive until the limit is passed or the queue has no more. What exceeds the limit is given back."""
        self._sweep.run(workers=workers)
        ordered = sorted(
            self._dead_letters, key=lambda dead_letter: (dead_letter.sent_at is None, dead_letter.sent_at)
        )
        self._dead_letters.clear()  # the sweep knows this taker: its dead letters would wait for the garbage collector
        kept, surplus = ordered[: self._limit], ordered[self._limit :]
        self._source.release(surplus)
        saw = self._sweep.saw
        return Taken(
            dead_letters=kept,
            saw=saw - len(surplus),
            more=bool(surplus),
            surplus=surplus,
            hidden=0 if saw else self._source.others(),
        )

    def stop(self) -> None:
        """Receive nothing more: `take` ends when the calls that are under way do."""
        self._sweep.stop()

    def _see(self, dead_letters: Sequence[DeadLetter]) -> None:
        with self._lock:
            self._dead_letters += [dead_letter for dead_letter in dead_letters if self._wanted(dead_letter)]

    def _is_missing(self) -> bool:
        return (self._for_all or self._sweep.saw == 0) and self._source.others() > 0


def take_named(
    held: DeadLetterReceiver,
    missing: set[str],
    receive: Callable[[Sequence[DeadLetter]], None],
    *,
    patience_seconds: float = 0,
    clock: Callable[[], float] = time.monotonic,
) -> None:
    """Give to `receive` the dead letters with these ids in the queue as they come, and take their ids out of `wanted`.

    What remains in it was not found: deleted by somebody, or hidden by them. Other dead letters stay held, else SQS would give
    them again. SQS's counters, which lag, end nothing. `receive` is called in several threads side by side.
    """
    lock = threading.Lock()

    def see(dead_letters: Sequence[DeadLetter]) -> None:
        with lock:
            named = [one for one in dead_letters if one.queue_message_id in missing]
            missing.difference_update(one.queue_message_id for one in named)
        if named:
            receive(named)

    Sweep(
        held,
        see=see,
        is_enough=lambda: not missing,
        is_missing=lambda: True,
        patience_seconds=patience_seconds,
        clock=clock,
    ).run()


def patience_after(last_at: datetime, *, now: datetime) -> float:
    """Return how long to wait for what a run may hide that was killed some time after the last line of its journal."""
    seconds = (last_at - now).total_seconds() + LONGEST_SILENCE_SECONDS + PATIENCE_SECONDS
    return min(max(seconds, 0.0), PATIENCE_SECONDS)


APPROXIMATE = "SQS's counters are approximate and may lag by a minute"
UNSEEN_BECAUSE = "in flight, delayed, or SQS's approximate counters lag by a minute"
THE_OTHERS = f"the others are {UNSEEN_BECAUSE}"
UNSEEN_HINT = "try again in a minute; dead letters in flight are visible again when their receiver returns them, after 12 hours at the latest"


def unseen_fields(unseen: Counters) -> dict[str, int]:
    return {"unseen": unseen.total, "unseen_in_flight": unseen.hidden, "unseen_delayed": unseen.delayed}


def unseen_in_words(unseen: Counters) -> str:
    """Return where they are, as far as SQS says."""
    parts = [
        f"{unseen.hidden:,} in flight: another process has received them, SQS does not say which"
    ] * bool(unseen.hidden)
    parts += [f"{unseen.delayed:,} delayed"] * bool(unseen.delayed)
    parts += [f"{unseen.visible:,} visible, and no receive brought them"] * bool(unseen.visible)
    return "; ".join(parts)


def unseen_sentence(unseen: Counters) -> str:
    """Return the sentence of a plan."""
    about = many(unseen.total, "more dead letter was", "more dead letters were")
    return f"About {about} not looked at ({unseen_in_words(unseen)}). {APPROXIMATE}."


def unseen_in_short(count: int) -> str:
    """Return the same of what is left at the end, in short."""
    return f"about {many(count, 'more dead letter was', 'more dead letters were')} not looked at: {UNSEEN_BECAUSE}"


def require_none_unseen(count: int, *, what: str) -> None:
    """Raises PartlyFailed, which says `what` was done, unless all that SQS counts was seen."""
    if count:
        raise PartlyFailed(f"{what}; {unseen_in_short(count)}", hint=UNSEEN_HINT)
