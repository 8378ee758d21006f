"""Receiving the dead letters of a run, which stay held: all that it wants, or exactly those that a plan names."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from b2bpilot.ops.dead_letters.holding import HIDDEN_SECONDS
from b2bpilot.ops.dead_letters.sweep import WORKERS, Sweep
from b2bpilot.ops.ports import DeadLetterReceiver
from b2bpilot.pipeline.dead_letter import DeadLetter

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
    wanted: set[str],
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
            named = [one for one in dead_letters if one.queue_message_id in wanted]
            wanted.difference_update(one.queue_message_id for one in named)
        if named:
            receive(named)

    Sweep(
        held,
        see=see,
        is_enough=lambda: not wanted,
        is_missing=lambda: True,
        patience_seconds=patience_seconds,
        clock=clock,
    ).run()


def patience_after(last_at: datetime, *, now: datetime) -> float:
    """Return how long to wait for what a run may hide that was killed some time after the last line of its journal."""
    left = (last_at - now).total_seconds() + LONGEST_SILENCE_SECONDS + PATIENCE_SECONDS
    return min(max(left, 0.0), PATIENCE_SECONDS)
