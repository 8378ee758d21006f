"""Taking exactly the letters that a plan names, and nothing that came later."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

from b2bpilot.ops.deadletters.holding import HIDDEN_SECONDS, WORKERS, Holding
from b2bpilot.pipeline.deadletter import DeadLetter

LONG_POLL_SECONDS = 1
EMPTY_ROUNDS = 2
PATIENCE_SECONDS = HIDDEN_SECONDS + 10.0
"""How long letters are waited for that a killed run still hides."""


def take_named(
    held: Holding,
    wanted: set[str],
    *,
    patience_seconds: float = 0,
    monotonic: Callable[[], float] = time.monotonic,
) -> Iterator[list[DeadLetter]]:
    """Yield the letters with these ids in the queue as they come, and take their ids out of `wanted`.

    What remains in it was not found: deleted by somebody, or hidden by them. Other letters stay held, else SQS would give
    them again. Ends when all were found, or when long polls bring nothing and the counters agree or have had their time.
    """
    patient_until = monotonic() + patience_seconds
    empty = 0
    with ThreadPoolExecutor(WORKERS) as pool:
        while wanted:
            wait_seconds = LONG_POLL_SECONDS if empty else 0
            answers = [pool.submit(held.receive, wait_seconds=wait_seconds) for _ in range(WORKERS)]
            found = [letter for answer in answers for letter in answer.result()]
            named = [letter for letter in found if letter.queue_message_id in wanted]
            wanted.difference_update(letter.queue_message_id for letter in named)
            if named:
                yield named
            empty = 0 if found else empty + 1
            is_patient = monotonic() < patient_until
            if empty > EMPTY_ROUNDS and not (is_patient and held.others()):
                return
            if empty > 1 and not held.others():
                return
