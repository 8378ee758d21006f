"""The steps, in their order, and what each needs of the environment."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from acceptance import dead_letters, messages, twilio
from acceptance.trial import Trial

TABLE = ("B2B075", "B2B110")
"""The database answers, and is the processor's: without it nothing could be proved or removed."""
LETTERS = (*TABLE, "B2B042")
"""The processor has its dead-letter queue."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """`run` returns what it saw, or raises. `after` names the step without which it makes no sense."""

    name: str
    run: Callable[[Trial], str]
    needs: Sequence[str] = TABLE
    after: str | None = None


STEPS = (
    Step(name="publish", run=messages.publish),
    Step(name="follow", run=messages.follow, after="publish"),
    Step(name="poison", run=dead_letters.poison, needs=LETTERS),
    Step(name="duplicate", run=messages.duplicate),
    Step(name="webhook", run=messages.signed),
    Step(name="end to end", run=messages.verify),
    Step(name="reconcile", run=twilio.reconcile),
    Step(name="dead letter", run=dead_letters.dead_letter, needs=LETTERS, after="poison"),
    Step(name="list", run=dead_letters.listing, needs=LETTERS, after="dead letter"),
    Step(name="show", run=dead_letters.show, needs=LETTERS, after="dead letter"),
    Step(name="redrive in vain", run=dead_letters.redrive_in_vain, needs=LETTERS, after="dead letter"),
    Step(name="edit", run=dead_letters.edit, needs=LETTERS, after="redrive in vain"),
    Step(name="redrive", run=dead_letters.redrive, needs=LETTERS, after="edit"),
    Step(name="discard", run=dead_letters.discard, needs=LETTERS, after="dead letter"),
)
