"""Trying dead letters: the processor runs now, and says what it did (docs/aws-facts.md#synchronous-runs)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Protocol

from b2bpilot.aws.functions import LONGEST_RUN_SECONDS, Invocation
from b2bpilot.errors import AwsDenied, AwsError, AwsThrottled, CredentialsMissing
from b2bpilot.pipeline.dead_letter import DeadLetter, event_for_invoke
from b2bpilot.pipeline.outcome import Proof, proof_in

START_MARGIN_SECONDS = LONGEST_RUN_SECONDS + 35
"""A dead letter is begun only while there is time for the processor's longest run, and for the end of ours."""


class Result(StrEnum):
    """What became of one try. Only `processed` lets the dead letter go as it is."""

    PROCESSED = "processed"
    FAILED = "failed"
    """A dead letter with the new failure takes its place; while that is not written, it stays."""
    UNKNOWN = "unknown"
    """Perhaps processed: it stays, and the claim absorbs a second time."""
    BUSY = "busy"
    """Another run holds the message's lease."""
    DISCARDED = "discarded"
    """A person discarded the message, so the processor skipped it: it stays as it is, and is no failure."""
    NOT_TRIED = "not tried"
    REFUSED = "refused"
    """AWS would refuse every other dead letter as well."""


RESULTS = {
    Proof.COMPLETED: Result.PROCESSED,
    Proof.IN_PROGRESS: Result.BUSY,
    Proof.DISCARDED: Result.DISCARDED,
    Proof.NONE: Result.UNKNOWN,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Try:
    dead_letter: DeadLetter
    result: Result
    error: str = ""


class Processor(Protocol):
    """The part of aws.functions.Function that is used here."""

    def invoke(self, event: Mapping[str, Any]) -> Invocation: ...


def try_all(
    processor: Processor,
    dead_letters: Sequence[DeadLetter],
    *,
    run_id: str,
    seconds_left: Callable[[], float],
) -> list[Try]:
    """Try one after the other: so the mapping's concurrency is how many runs of the processor there are at once."""
    tries: list[Try] = []
    stopped = False
    for dead_letter in dead_letters:
        stopped = stopped or seconds_left() < START_MARGIN_SECONDS
        one = (
            Try(dead_letter=dead_letter, result=Result.NOT_TRIED)
            if stopped
            else _try(processor, dead_letter, run_id)
        )
        stopped = stopped or one.result in (Result.NOT_TRIED, Result.REFUSED)
        tries.append(one)
    return tries


def _try(processor: Processor, dead_letter: DeadLetter, run_id: str) -> Try:
    try:
        invocation = processor.invoke(event_for_invoke(dead_letter, run_id=run_id))
    except AwsThrottled as exc:
        return Try(dead_letter=dead_letter, result=Result.NOT_TRIED, error=str(exc))
    except (AwsDenied, CredentialsMissing) as exc:
        return Try(dead_letter=dead_letter, result=Result.REFUSED, error=str(exc))
    except AwsError as exc:
        result = Result.UNKNOWN if exc.is_unknown else Result.NOT_TRIED
        return Try(dead_letter=dead_letter, result=result, error=str(exc))
    except Exception as exc:  # noqa: BLE001  # a defect of ours must not hide the dead letters beside this one
        return Try(
            dead_letter=dead_letter, result=Result.UNKNOWN, error=f"it cannot be tried: {type(exc).__name__}"
        )
    if invocation.error is not None:
        return Try(dead_letter=dead_letter, result=Result.FAILED, error=invocation.error)
    proof = proof_in(invocation.result)
    return Try(
        dead_letter=dead_letter, result=RESULTS[proof], error="" if proof is Proof.COMPLETED else proof.value
    )
