"""One run of the processor on a dead letter, judged: for the command line's redrive and for the redriver inside AWS."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Protocol

from b2bpilot.aws.functions import Invocation
from b2bpilot.errors import AwsDenied, AwsError, AwsThrottled, CredentialsMissing
from b2bpilot.pipeline.dead_letter import DeadLetter, event_for_invoke
from b2bpilot.pipeline.outcome import AnswerProof, proof_in

FATAL = (AwsDenied, CredentialsMissing)
"""What every other dead letter would run into as well."""


class AttemptResult(StrEnum):
    """What one run shows of its message. Only `processed` proves that it is completed."""

    PROCESSED = "processed"
    RETURNED = "returned without an error"
    """All that another subscriber's function says: to Lambda it is a success."""
    FAILED = "failed"
    """The function failed: nothing but this answer keeps the failure (docs/aws-facts.md#synchronous-runs)."""
    BUSY = "busy"
    """The function left it alone, because a lease on it holds."""
    DISCARDED = "discarded"
    """A person discarded the message, so the processor skipped it."""
    UNKNOWN = "unknown"
    """Perhaps processed: no answer came, or none that says so. The claim absorbs a second time."""
    THROTTLED = "throttled"
    """The function is full: it did not run, and may be asked again more slowly."""
    NOT_TRIED = "not tried"
    """It did not run, and would not a moment later."""
    REFUSED = "refused"
    """AWS refused the call, as it would every other."""


PROVEN = {
    AnswerProof.COMPLETED: AttemptResult.PROCESSED,
    AnswerProof.IN_PROGRESS: AttemptResult.BUSY,
    AnswerProof.DISCARDED: AttemptResult.DISCARDED,
    AnswerProof.NONE: AttemptResult.UNKNOWN,
    AnswerProof.UNCLEAR: AttemptResult.UNKNOWN,
    AnswerProof.RETURNED: AttemptResult.RETURNED,
    AnswerProof.REFUSED: AttemptResult.FAILED,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessorAttempt:
    """`error` says why it is not processed, and is empty for what is. `fatal` is what refused it, for who stops a run by raising it."""

    dead_letter: DeadLetter
    result: AttemptResult
    error: str = ""
    fatal: AwsError | None = None


class Invokable(Protocol):
    """The part of aws.functions.Function that an attempt uses; tests have a function of their own."""

    def invoke(self, event: Mapping[str, Any]) -> Invocation: ...


def attempt(processor: Invokable, dead_letter: DeadLetter, *, run_id: str) -> ProcessorAttempt:
    """Run the processor now on the dead letter's event, marked with the run. Raises nothing of AWS's."""
    return attempt_with(processor, dead_letter, event_for_invoke(dead_letter, run_id=run_id), proof=proof_in)


def attempt_with(
    function: Invokable,
    dead_letter: DeadLetter,
    event: Mapping[str, Any],
    *,
    proof: Callable[[object], AnswerProof],
) -> ProcessorAttempt:
    """Run a function now on an event made of the dead letter; `proof` reads its answer. Raises nothing of AWS's."""
    try:
        invocation = function.invoke(event)
    except AwsError as exc:
        result = _after(exc)
        fatal = exc if result is AttemptResult.REFUSED else None
        return ProcessorAttempt(dead_letter=dead_letter, result=result, error=str(exc), fatal=fatal)
    if invocation.error is not None:
        return ProcessorAttempt(dead_letter=dead_letter, result=AttemptResult.FAILED, error=invocation.error)
    answer = proof(invocation.result)
    error = "" if answer in (AnswerProof.COMPLETED, AnswerProof.RETURNED) else answer.value
    return ProcessorAttempt(dead_letter=dead_letter, result=PROVEN[answer], error=error)


def _after(error: AwsError) -> AttemptResult:
    match error:
        case AwsThrottled():
            return AttemptResult.THROTTLED
        case _ if isinstance(error, FATAL):
            return AttemptResult.REFUSED
    return AttemptResult.UNKNOWN if error.is_unknown else AttemptResult.NOT_TRIED
