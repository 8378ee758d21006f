"""Runs that no new message explains: retries, and messages that come again and again."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from b2bpilot.advice import Command, our_command
from b2bpilot.ops.cost.usage import Usage
from b2bpilot.plural import many

SUSPICIOUS_RATIO = 1.5
LEAST_EXCESS = 50
"""A few retries are no loop."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Loop:
    """`actual` of something where about `expected` would do. `command` is what to run next."""

    text: str
    actual: int
    expected: int
    command: Command


def loops(used: Usage) -> list[Loop]:
    """Return what looks like a loop; what CloudWatch has no data of is not judged."""
    return list(_found(used))


def _found(used: Usage) -> Iterator[Loop]:
    processor = used.functions["processor"]
    if pair := _excess(processor.invocations, used.received_events):
        yield _loop(
            pair,
            ("time", "times"),
            ("event", "events"),
            "the processor ran {} for {}: Lambda repeats runs that fail",
            our_command("diagnose", "errors"),
        )
    if pair := _excess(used.published, used.webhook_requests):
        yield _loop(
            pair,
            ("message was", "messages were"),
            ("request", "requests"),
            "{} published for {} to the webhook: the stale processor, a redrive through the "
            "topic or a command published the others",
            our_command("logs"),
        )
    if pair := _excess(_sum(used.stored, used.duplicates), _expected(used)):
        yield _loop(
            pair,
            ("message", "messages"),
            ("was", "were"),
            "{} arrived, and only {} new",
            our_command("diagnose", "duplicates"),
        )


def _expected(used: Usage) -> float | None:
    """An urgent message arrives at the express processor as well, and is a duplicate there or at the processor."""
    express = used.functions.get("express")
    if express is None or not express.invocations:
        return used.stored
    if used.express_errors is None:
        return None
    return _sum(used.stored, max(express.invocations - used.express_errors, 0))


def _loop(
    pair: tuple[int, int], actually: tuple[str, str], expectedly: tuple[str, str], text: str, command: Command
) -> Loop:
    actual, expected = pair
    told = text.format(many(actual, *actually), many(expected, *expectedly))
    return Loop(text=told, actual=actual, expected=expected, command=command)


def _excess(actual: float | None, expected: float | None) -> tuple[int, int] | None:
    if actual is None or expected is None:
        return None
    if actual - expected < LEAST_EXCESS or actual < expected * SUSPICIOUS_RATIO:
        return None
    return round(actual), round(expected)


def _sum(first: float | None, second: float | None) -> float | None:
    return None if first is None or second is None else first + second
