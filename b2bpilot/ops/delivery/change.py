"""A change of mode: the deploys that it takes, and what to wait for after each (docs/decisions/0039-delivery-as-a-mode.md)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta

from b2bpilot.aws.mappings import MappingState
from b2bpilot.aws.modes import BY_BOTH, BY_TOPIC, PROTOCOLS
from b2bpilot.ops.delivery.reading import DeliveryReading
from b2bpilot.plural import many

SETTLING = timedelta(minutes=5)
"""SNS does not say how soon a new subscription gets messages: our choice, and long beside what was ever reported."""
WAYS = {"lambda": "SNS to the processor", "sqs": "SNS to the message queue"}


@dataclass(frozen=True, slots=True, kw_only=True)
class ModeStep:
    """One deploy, and what has to be so before the next, or at the end."""

    mode: str
    until: str


def steps(mode: str, to: str) -> list[ModeStep]:
    """Return the deploys from one mode to another: through both, so that the second delivers before the first ends."""
    if mode == to:
        return []
    through = [] if BY_BOTH in (mode, to) else [BY_BOTH]
    return [ModeStep(mode=each, until=_until(each, to)) for each in (*through, to)]


def _until(mode: str, to: str) -> str:
    if mode != BY_BOTH:
        left = "one subscription is left"
        return (
            f"{left}, and the message queue is empty" if mode == BY_TOPIC else f"{left}, the message queue's"
        )
    both = f"both subscriptions are there, the mapping is on, and {SETTLING.seconds // 60} minutes are over"
    return f"{both}, and nothing in the message queue is older than this deploy" if to == BY_TOPIC else both


def waiting_for(reading: DeliveryReading, to: str) -> list[str]:
    """Return what is not so yet: of the step that the stack is at, on its way to a mode."""
    return list(_waiting_for(reading, to))


def _waiting_for(reading: DeliveryReading, to: str) -> Iterator[str]:
    if reading.change.is_changing:
        yield f"the stack is {reading.change.status}"
    for protocol in sorted(PROTOCOLS[reading.mode] - reading.protocols):
        yield f"there is no subscription from {WAYS[protocol]}"
    for protocol in sorted(reading.protocols - PROTOCOLS[reading.mode]):
        yield f"the subscription from {WAYS[protocol]} is still there"
    wanted = MappingState.DISABLED if reading.mode == BY_TOPIC else MappingState.ENABLED
    if reading.mapping.state is not wanted:
        yield f"the message queue's mapping is {reading.mapping.state}, not {wanted}"
    if reading.mode == BY_TOPIC and to == BY_TOPIC and reading.queue.total:
        yield f"about {many(reading.queue.total, 'message')} in the message queue, and nothing takes them"
    if reading.mode == BY_BOTH and to != BY_BOTH:
        yield from _both_ways_for_long_enough(reading, to)


def _both_ways_for_long_enough(reading: DeliveryReading, to: str) -> Iterator[str]:
    if reading.since_change < SETTLING:
        yield f"{SETTLING.seconds // 60} minutes since the deploy are not over"
    if to != BY_TOPIC or not reading.queue.total:
        return
    if reading.oldest is None:
        yield "CloudWatch does not say how old the oldest message in the message queue is"
    elif reading.oldest >= reading.since_change:
        yield "a message in the message queue is older than the deploy: it came by the queue alone"
