"""Taking exactly the dead letters that a plan names, and nothing that came later."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime

from b2bpilot.ops.dead_letters.holding import HIDDEN_SECONDS, WORKERS, Holding
from b2bpilot.pipeline.dead_letter import DeadLetter

LONG_POLL_SECONDS = 1
EMPTY_ROUNDS = 2
"""So many rounds of long polls must bring nothing before the queue is believed to have nothing."""
PATIENCE_SECONDS = HIDDEN_SECONDS + 10.0
"""How long dead letters are waited for that a killed run still hides."""
LONGEST_SILENCE_SECONDS = 180.0
"""A run that lives writes a line sooner, also when AWS answers no call at all."""


def patience_after(last_at: datetime, *, now: datetime) -> float:
    """Return how long to wait for what a run may hide that was killed some time after the last line of its journal."""
    left = (last_at - now).total_seconds() + LONGEST_SILENCE_SECONDS + PATIENCE_SECONDS
    return min(max(left, 0.0), PATIENCE_SECONDS)


def take_named(
    held: Holding,
    wanted: set[str],
    *,
    patience_seconds: float = 0,
    monotonic: Callable[[], float] = time.monotonic,
) -> Iterator[list[DeadLetter]]:
    """Yield the dead letters with these ids in the queue as they come, and take their ids out of `wanted`.

    What remains in it was not found: deleted by somebody, or hidden by them. Other dead letters stay held, else SQS would give
    them again. Ends when all were found, or when the patience is over and long polls bring nothing. SQS's counters, which
    lag (docs/aws-facts.md#sqs-counters), end nothing.
    """
    patient_until = monotonic() + patience_seconds
    empty = 0
    while wanted:
        found = _receive_round(held, wait_seconds=LONG_POLL_SECONDS if empty else 0)
        named = [dead_letter for dead_letter in found if dead_letter.queue_message_id in wanted]
        wanted.difference_update(dead_letter.queue_message_id for dead_letter in named)
        if named:
            yield named
        empty = 0 if found else empty + 1
        if empty > EMPTY_ROUNDS and monotonic() >= patient_until:
            return


def _receive_round(held: Holding, *, wait_seconds: int) -> list[DeadLetter]:
    """The threads end with the round: a generator that held them while nobody reads it would join them whenever it is
    collected, perhaps in a thread that is just being started, and wait for itself."""
    with ThreadPoolExecutor(WORKERS) as pool:
        answers = [pool.submit(held.receive, wait_seconds=wait_seconds) for _ in range(WORKERS)]
        return [dead_letter for answer in answers for dead_letter in answer.result()]
