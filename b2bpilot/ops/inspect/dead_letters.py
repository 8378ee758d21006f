"""The message's dead letters. A short look: what it sees is given back at once."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from b2bpilot.ops.dead_letters.filters import Selection
from b2bpilot.ops.dead_letters.peek import peek
from b2bpilot.ops.inspect.source import EventOrder, MessageEvent, MessageQuestion, SourceAnswer
from b2bpilot.ops.ports import VisibilityQueue
from b2bpilot.pipeline.dead_letter import DeadLetter, Shape
from b2bpilot.plural import many

SECONDS = 3.0
"""So long new dead letters are taken; a thousand a second, about."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetterSource:
    """The dead-letter queue. Satisfies InspectSource."""

    queue: VisibilityQueue
    name: str = "dead-letter queue"
    monotonic: Callable[[], float] = time.monotonic

    def ask(self, question: MessageQuestion) -> SourceAnswer:
        """The time ends a long queue. One that shows nothing is asked to its end, which two empty polls make."""
        until = self.monotonic() + SECONDS
        dead_letters: list[DeadLetter] = []
        has_seen = threading.Event()

        def visit(dead_letter: DeadLetter) -> None:
            has_seen.set()
            if _is_about(dead_letter, question):
                dead_letters.append(dead_letter)

        seen = peek(
            self.queue,
            now=question.until,
            visit=visit,
            is_enough=lambda: has_seen.is_set() and self.monotonic() > until,
        )
        dead_letters.sort(key=lambda dead_letter: dead_letter.sent_at or question.until)
        note = None if seen.is_complete else f"saw {seen.saw:,} of about {many(seen.about, 'dead letter')}"
        return SourceAnswer(
            moments=[_moment(dead_letter, question) for dead_letter in dead_letters],
            dead_letters=dead_letters,
            note=note,
        )


def sns_message_id(dead_letter: DeadLetter) -> str | None:
    """Return the id that SNS gave the message in the dead letter."""
    try:
        return str(dead_letter.event["Records"][0]["Sns"]["MessageId"]) if dead_letter.event else None
    except (KeyError, TypeError):
        return None


def is_of_a_test(dead_letter: DeadLetter) -> bool:
    return dead_letter.message is not None and dead_letter.message.test


def _is_about(dead_letter: DeadLetter, question: MessageQuestion) -> bool:
    if question.from_number is not None:
        return Selection(from_number=question.from_number).matches(dead_letter, now=question.until)
    named = (dead_letter.queue_message_id, dead_letter.failure.request_id, sns_message_id(dead_letter))
    message_id = dead_letter.message_id
    return message_id == question.message_id or any(one in question.ids for one in named)


def _moment(dead_letter: DeadLetter, question: MessageQuestion) -> MessageEvent:
    by = "SNS" if dead_letter.shape is Shape.SUBSCRIPTION else "Lambda"
    text = dead_letter.unreadable or dead_letter.failure.text
    again = f", after {many(dead_letter.redrives, 'redrive')}" if dead_letter.redrives else ""
    whose = "" if dead_letter.owner.rows_count else f" (a dead letter of {dead_letter.owner})"
    what = f"{by} gave up: {dead_letter.failure.kind}{f', {text}' if text else ''}{again}{whose}"
    return MessageEvent(
        at=dead_letter.sent_at or question.until,
        source="queue",
        what=what,
        step=EventOrder.GIVEN_UP,
        is_of_a_test=is_of_a_test(dead_letter),
    )
