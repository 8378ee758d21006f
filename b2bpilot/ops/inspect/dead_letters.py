"""The message's dead letters. A short look: what it sees is given back at once."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from b2bpilot.aws.queue_attributes import Counters
from b2bpilot.ops.dead_letters.selection import Selection
from b2bpilot.ops.dead_letters.sweep import Queue, look
from b2bpilot.ops.inspect.source import Answer, Moment, Question, Step
from b2bpilot.pipeline.dead_letter import DeadLetter, Shape
from b2bpilot.plural import many

SECONDS = 3.0
"""So long new dead letters are taken; a thousand a second, about."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetters:
    """The dead-letter queue. Satisfies Source."""

    queue: Queue
    name: str = "dead-letter queue"
    monotonic: Callable[[], float] = time.monotonic

    def ask(self, question: Question) -> Answer:
        tap = _Tap(self.queue, question, until=self.monotonic() + SECONDS, monotonic=self.monotonic)
        seen = look(
            tap, now=question.until, selection=Selection(message_ids=frozenset({question.message_id}))
        )
        dead_letters = sorted(
            tap.found.values(), key=lambda dead_letter: dead_letter.sent_at or question.until
        )
        note = None if seen.is_complete else f"saw {seen.saw:,} of about {many(seen.about, 'dead letter')}"
        return Answer(
            moments=[_moment(dead_letter, question) for dead_letter in dead_letters],
            dead_letters=dead_letters,
            note=note,
        )


class _Tap:
    """A queue that keeps aside what is about the message, and that seems empty when the time is over.

    Where the counters say that it is empty, one long poll makes sure: eight at once would say no more.
    """

    def __init__(
        self, queue: Queue, question: Question, *, until: float, monotonic: Callable[[], float]
    ) -> None:
        self.found: dict[str, DeadLetter] = {}
        self.extend, self.release = queue.extend, queue.release
        self._queue, self._question = queue, question
        self._until, self._monotonic = until, monotonic
        self._seems_empty = False
        self._making_sure = threading.Lock()

    def counters(self) -> Counters:
        found = self._queue.counters()
        self._seems_empty = found.total == 0
        return found

    def receive(self, *, hidden_seconds: int, wait_seconds: int) -> list[DeadLetter]:
        if self._monotonic() > self._until:
            return []
        if not self._seems_empty:
            return self._receive(hidden_seconds, wait_seconds)
        if not wait_seconds or not self._making_sure.acquire(blocking=False):
            return []
        try:
            return self._receive(hidden_seconds, wait_seconds)
        finally:
            self._making_sure.release()

    def _receive(self, hidden_seconds: int, wait_seconds: int) -> list[DeadLetter]:
        dead_letters = self._queue.receive(hidden_seconds=hidden_seconds, wait_seconds=wait_seconds)
        self._seems_empty = self._seems_empty and not dead_letters
        for dead_letter in dead_letters:
            if _is_about(dead_letter, self._question):
                self.found.setdefault(dead_letter.queue_message_id, dead_letter)
        return dead_letters


def sns_message_id(dead_letter: DeadLetter) -> str | None:
    """Return the id that SNS gave the message in the dead letter."""
    try:
        return str(dead_letter.event["Records"][0]["Sns"]["MessageId"]) if dead_letter.event else None
    except (KeyError, TypeError):
        return None


def is_of_a_test(dead_letter: DeadLetter) -> bool:
    return dead_letter.message is not None and dead_letter.message.test


def _is_about(dead_letter: DeadLetter, question: Question) -> bool:
    if question.from_number is not None:
        return Selection(from_number=question.from_number).matches(dead_letter, now=question.until)
    named = (dead_letter.queue_message_id, dead_letter.failure.request_id, sns_message_id(dead_letter))
    message_id = dead_letter.message_id
    return message_id == question.message_id or any(one in question.ids for one in named)


def _moment(dead_letter: DeadLetter, question: Question) -> Moment:
    by = "SNS" if dead_letter.shape is Shape.SUBSCRIPTION else "Lambda"
    text = dead_letter.unreadable or dead_letter.failure.text
    again = f", after {many(dead_letter.redrives, 'redrive')}" if dead_letter.redrives else ""
    whose = "" if dead_letter.owner.rows_count else f" (a dead letter of {dead_letter.owner})"
    what = f"{by} gave up: {dead_letter.failure.kind}{f', {text}' if text else ''}{again}{whose}"
    return Moment(
        at=dead_letter.sent_at or question.until,
        source="queue",
        what=what,
        step=Step.GIVEN_UP,
        is_of_a_test=is_of_a_test(dead_letter),
    )
