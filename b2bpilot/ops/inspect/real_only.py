"""What is known of a message whose id a test's row has, without the test's story."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from b2bpilot.ops.inspect.dead_letters import is_of_a_test
from b2bpilot.ops.inspect.source import AskedSource, SourceAnswer


def is_real(message_id: str, asked: Sequence[AskedSource]) -> bool:
    """Whether anything but the id shows that there is a real message."""
    answers = [one.answer for one in asked]
    return (
        any(
            dead_letter.message and not dead_letter.message.test
            for answer in answers
            for dead_letter in answer.dead_letters
        )
        or any(
            line.message_id == message_id and line.value("test") is False
            for answer in answers
            for line in answer.entries
        )
        or any(answer.at_twilio is not None and answer.at_twilio.received_at for answer in answers)
    )


def without_tests(asked: Sequence[AskedSource], message_id: str) -> list[AskedSource]:
    """Leave out what is known to be the test's: its runs, with what Lambda says of them, its journals, its dead letters."""
    requests = {
        line.request_id
        for one in asked
        for line in one.answer.entries
        if line.request_id and line.message_id == message_id and line.value("test") is True
    }
    return [replace(one, answer=_without(one.answer, requests)) for one in asked]


def _without(answer: SourceAnswer, requests: set[str]) -> SourceAnswer:
    return replace(
        answer,
        entries=[
            line
            for line in answer.entries
            if line.request_id not in requests and line.value("test") is not True
        ],
        moments=[moment for moment in answer.moments if not moment.is_of_a_test],
        dead_letters=[dead_letter for dead_letter in answer.dead_letters if not is_of_a_test(dead_letter)],
    )
