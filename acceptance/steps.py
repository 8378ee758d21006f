"""The steps, in their order, and what each needs of the environment."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from acceptance import dead_letters, messages, twilio
from acceptance.trial import Trial

TABLE = ("B2B075", "B2B110")
"""The database answers, and is the processor's: without it nothing could be proved or removed."""


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
    Step(name="poison", run=dead_letters.poison),
    Step(name="duplicate", run=messages.duplicate),
    Step(name="webhook", run=messages.signed),
    Step(name="end to end", run=messages.verify),
    Step(name="reconcile", run=twilio.reconcile),
    Step(name="dead letter", run=dead_letters.dead_letter, after="poison"),
    Step(name="list", run=dead_letters.listing, after="dead letter"),
    Step(name="show", run=dead_letters.show, after="dead letter"),
    Step(name="redrive in vain", run=dead_letters.redrive_in_vain, after="dead letter"),
    Step(name="edit", run=dead_letters.edit, after="redrive in vain"),
    Step(name="redrive", run=dead_letters.redrive, after="edit"),
    Step(name="discard", run=dead_letters.discard, after="dead letter"),
)
