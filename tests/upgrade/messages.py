"""The messages of a run: drawn from its seed, and what became of each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from random import Random

from b2bpilot.twilio.samples import Sample, sample_params

PER_CENT_TWICE = 20
PER_CENT_POISON = 2
QUICK_SECONDS = 0.9
KINDS = (Sample.TEXT, Sample.MEDIA, Sample.BUTTON, Sample.LOCATION, Sample.EMOJI, Sample.EMPTY, Sample.LONG)


class Kind(StrEnum):
    """What a message needs to end well."""

    ONCE = "once"
    TWICE = "twice"
    """Twilio delivers it again, within moments or in another phase."""
    POISON = "poison"
    """It can never be stored: it must be a dead letter."""
    LEFT = "left"
    """No webhook: the row of a run that died, which the stale processor must find."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What the webhook said; status 0 for nothing at all."""

    status: int
    seconds: float

    @property
    def is_accepted(self) -> bool:
        return self.status == 200

    @property
    def is_refused(self) -> bool:
        """Not accepted, and not because something took too long: each of the webhook's limits is a second or more."""
        return not self.is_accepted and self.seconds < QUICK_SECONDS


@dataclass(slots=True, kw_only=True, eq=False)
class Message:
    """`phase` is the one in which it was sent first."""

    sid: str
    kind: Kind
    phase: str
    params: Mapping[str, str]
    sent_at: float
    answers: list[Answer] = field(default_factory=list)

    @property
    def sender(self) -> str:
        return self.params["From"]

    @property
    def is_accepted(self) -> bool:
        return self.kind is Kind.LEFT or any(answer.is_accepted for answer in self.answers)


class Drawing:
    """Draws messages; the same seed draws the same."""

    def __init__(self, random: Random, *, first_number: int = 0) -> None:
        self.random = random
        self._number = first_number

    def message(self, phase: str, *, at: float) -> Message:
        chance = self.random.uniform(0, 100)
        if chance < PER_CENT_POISON:
            return self.of(Kind.POISON, Sample.POISON, phase, at=at)
        kind = Kind.TWICE if chance < PER_CENT_POISON + PER_CENT_TWICE else Kind.ONCE
        return self.of(kind, self.random.choice(KINDS), phase, at=at)

    def of(self, kind: Kind, sample: Sample, phase: str, *, at: float) -> Message:
        """Each message has a sender of its own: its replies are found by it."""
        self._number += 1
        sid = f"SM{self.random.getrandbits(128):032x}"
        sender = f"whatsapp:+1500{self._number:07d}"
        params = sample_params(sample, MessageSid=sid, SmsSid=sid, SmsMessageSid=sid, From=sender)
        return Message(sid=sid, kind=kind, phase=phase, params=params, sent_at=at)
