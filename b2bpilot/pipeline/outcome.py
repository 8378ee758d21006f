"""What the processor says of a delivery, and what that proves to who redrives it. No psycopg: the redriver has none."""

from __future__ import annotations

from enum import StrEnum


class DeliveryOutcome(StrEnum):
    """What became of a delivery. Each is a success for Lambda: raising would dead-letter a healthy message."""

    STORED = "stored"
    DUPLICATE = "duplicate"
    IN_PROGRESS = "in_progress"
    """A lease on the message holds: another run is at work on it, or one died a moment ago."""
    DISCARDED = "discarded"
    """A person discarded the message, so it is not stored."""


KNOWN = tuple(DeliveryOutcome)


class AnswerProof(StrEnum):
    """What the answer of a run without an error proves. Lambda calls each of them a success
    (docs/aws-facts.md#synchronous-runs)."""

    COMPLETED = "completed"
    """Every message of the event has a completed row: only then may its dead letter go."""
    IN_PROGRESS = "a lease on the message holds: a run is at work on it, or died a moment ago"
    DISCARDED = "the message was discarded, so it is not stored"
    NONE = "the processor did not say what it did; is it this version?"
    RETURNED = "returned without an error"
    """Of another subscriber's function that says no more: what Lambda takes for a success."""
    REFUSED = "the function named the message in batchItemFailures"
    UNCLEAR = "the function's outcomes are not those that this version knows"


def proof_in(answer: object) -> AnswerProof:
    """Return what an invocation's result proves."""
    outcomes = answer.get("outcomes") if isinstance(answer, dict) else None
    if not isinstance(outcomes, list) or not outcomes:
        return AnswerProof.NONE
    if all(outcome in (DeliveryOutcome.STORED, DeliveryOutcome.DUPLICATE) for outcome in outcomes):
        return AnswerProof.COMPLETED
    return AnswerProof.DISCARDED if DeliveryOutcome.DISCARDED in outcomes else AnswerProof.IN_PROGRESS


def subscriber_proof_in(answer: object) -> AnswerProof:
    """Return the same of another subscriber's function, which may say nothing, or name what failed as for a queue."""
    found = answer if isinstance(answer, dict) else {}
    if found.get("batchItemFailures"):
        return AnswerProof.REFUSED
    if "outcomes" not in found:
        return AnswerProof.RETURNED
    outcomes = found["outcomes"]
    if not isinstance(outcomes, list) or not outcomes or any(one not in KNOWN for one in outcomes):
        return AnswerProof.UNCLEAR
    return proof_in(found)
