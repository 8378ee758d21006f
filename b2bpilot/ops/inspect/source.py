"""Whoever may know a message: asked at the same time, each for itself, so that one that fails hides nothing of the others."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum
from functools import partial
from typing import Protocol

from b2bpilot.errors import PilotError
from b2bpilot.ops import asking
from b2bpilot.ops.logs.entry import LogEntry
from b2bpilot.ops.retries import Retries
from b2bpilot.pipeline.dead_letter import DeadLetter

SECONDS = 60.0
"""A source's own limits end it long before; this one keeps no other from being told."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageQuestion:
    """Which message, and around which time. `ids` are what lines about it contain; `message_sid` is Twilio's, if known."""

    message_id: str
    ids: frozenset[str]
    since: datetime
    until: datetime
    message_sid: str | None = None
    reply_sid: str | None = None
    is_test: bool = False
    from_number: str | None = None
    """Asked for instead of an id."""


class EventOrder(IntEnum):
    """What comes first of two moments in one millisecond: the table knows more exactly than the logs do."""

    RECEIVED = 0
    ACCEPTED = 1
    BEGAN = 2
    CREATED = 3
    COMPLETED = 4
    SAID = 5
    CHANGED = 6
    GIVEN_UP = 7


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageEvent:
    """Something that happened to the message, as `source` tells it."""

    at: datetime
    source: str
    what: str
    step: EventOrder = EventOrder.SAID
    sns_message_id: str | None = None
    """What SNS called the message when it accepted it then."""
    not_after: datetime | None = None
    """Clocks differ, and a line is written after the fact: it certainly happened before this."""

    not_before: datetime | None = None
    """Where `at` is told to the second only: it happened no earlier than this, as far as its place is concerned."""

    is_of_a_test: bool = False
    """It is known to be about a test message that has the id."""

    @property
    def order(self) -> tuple[datetime, EventOrder]:
        at = min(self.at, self.not_after) if self.not_after else self.at
        at = max(at, self.not_before) if self.not_before else at
        return _to_the_millisecond(at), self.step

    @property
    def is_dated_late(self) -> bool:
        """It stands before what its own time would let it follow."""
        return self.order[0] < _to_the_millisecond(self.at)


def _to_the_millisecond(moment: datetime) -> datetime:
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rejection:
    """Why a subscription does not get the message. `code` is the check that looks into it."""

    reason: str
    code: str
    is_filter: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class AtTwilio:
    """Whether the message came in at Twilio. Neither time nor absence: it is there, and it was sent, not received."""

    received_at: datetime | None
    is_absent: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookFailure:
    """A webhook call for the message that failed, with Twilio's error code."""

    code: str
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class SendingRun:
    """A run of this machine that sent the message. `via` is its route, None where the journal names none."""

    run_id: str
    via: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceAnswer:
    """What a source knows. `note` says how far it looked, when that is not everything."""

    moments: Sequence[MessageEvent] = ()
    entries: Sequence[LogEntry] = ()
    dead_letters: Sequence[DeadLetter] = ()
    rejections: Sequence[Rejection] = ()
    at_twilio: AtTwilio | None = None
    webhook_failures: Sequence[WebhookFailure] = ()
    sendings: Sequence[SendingRun] = ()
    discarded_in: str | None = None
    """The run of this machine that discarded a dead letter of the message, which nobody put back."""
    retries: Retries | None = None
    note: str | None = None


class InspectSource(Protocol):
    """One that may know a message."""

    @property
    def name(self) -> str: ...

    def ask(self, question: MessageQuestion) -> SourceAnswer:
        """Raises PilotError when it cannot be asked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AskedSource:
    """A source and its answer; `problem` says why there is none."""

    name: str
    answer: SourceAnswer = SourceAnswer()
    problem: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Unasked:
    """A source that is not there to be asked, and why."""

    name: str
    reason: str

    def ask(self, question: MessageQuestion) -> SourceAnswer:  # noqa: ARG002  # the protocol's
        raise PilotError(self.reason)


@dataclass(frozen=True, slots=True, kw_only=True)
class Late:
    """A source that is made when it is asked: its client takes as long as a question, and others are asked meanwhile."""

    name: str
    make: Callable[[], InspectSource]

    def ask(self, question: MessageQuestion) -> SourceAnswer:
        return self.make().ask(question)


def ask_all(sources: Sequence[InspectSource], question: MessageQuestion) -> list[AskedSource]:
    """Return the answers in the order of the sources."""
    answers = asking.ask_all([partial(source.ask, question) for source in sources], seconds=SECONDS)
    return [
        AskedSource(name=source.name, answer=answer.value or SourceAnswer(), problem=answer.error)
        for source, answer in zip(sources, answers, strict=True)
    ]
