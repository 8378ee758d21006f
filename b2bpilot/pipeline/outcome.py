"""What the processor says of a delivery, and what that proves to who redrives it. No psycopg: the redriver has none."""

from __future__ import annotations

from enum import StrEnum


class Outcome(StrEnum):
    """What became of a delivery. All three are a success: raising would dead-letter a healthy message."""

    STORED = "stored"
    DUPLICATE = "duplicate"
    IN_PROGRESS = "in_progress"


class Proof(StrEnum):
    """What the answer of a run without an error proves. Lambda calls each of them a success (facts H2)."""

    COMPLETED = "completed"
    """Every message of the event has a completed row: only then may its letter go."""
    IN_PROGRESS = "another run is processing the message"
    NONE = "the processor did not say what it did; is it this version?"


def proof_in(answer: object) -> Proof:
    """Return what an invocation's result proves."""
    outcomes = answer.get("outcomes") if isinstance(answer, dict) else None
    if not isinstance(outcomes, list) or not outcomes:
        return Proof.NONE
    is_completed = all(outcome in (Outcome.STORED, Outcome.DUPLICATE) for outcome in outcomes)
    return Proof.COMPLETED if is_completed else Proof.IN_PROGRESS
