"""Trying the dead letters of a batch: the processor runs now, and says what it did (docs/aws-facts.md#synchronous-runs)."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from b2bpilot.aws.functions import LONGEST_RUN_SECONDS
from b2bpilot.aws.processor import AttemptResult, Invokable, ProcessorAttempt, attempt
from b2bpilot.pipeline.dead_letter import DeadLetter

START_MARGIN_SECONDS = LONGEST_RUN_SECONDS + 35
"""A dead letter is begun only while there is time for the processor's longest run, and for the end of ours."""

STOPS = frozenset({AttemptResult.THROTTLED, AttemptResult.NOT_TRIED, AttemptResult.REFUSED})
"""After these the rest of the batch is not tried."""


def try_all(
    processor: Invokable,
    dead_letters: Sequence[DeadLetter],
    *,
    run_id: str,
    seconds_left: Callable[[], float],
) -> list[ProcessorAttempt]:
    """Try one after the other: so the mapping's concurrency is how many runs of the processor there are at once."""
    attempts: list[ProcessorAttempt] = []
    stopped = False
    for dead_letter in dead_letters:
        stopped = stopped or seconds_left() < START_MARGIN_SECONDS
        if stopped:
            attempts.append(ProcessorAttempt(dead_letter=dead_letter, result=AttemptResult.NOT_TRIED))
            continue
        attempts.append(_attempt(processor, dead_letter, run_id))
        stopped = attempts[-1].result in STOPS
    return attempts


def _attempt(processor: Invokable, dead_letter: DeadLetter, run_id: str) -> ProcessorAttempt:
    try:
        return attempt(processor, dead_letter, run_id=run_id)
    except Exception as exc:  # noqa: BLE001  # a defect of ours must not hide the dead letters beside this one
        error = f"it cannot be tried: {type(exc).__name__}"
        return ProcessorAttempt(dead_letter=dead_letter, result=AttemptResult.UNKNOWN, error=error)
