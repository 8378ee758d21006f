"""Reading again and again, without taking every dead letter or paying for every metric each time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta

from b2bpilot.ops.asking import InquiryAnswer
from b2bpilot.ops.status.dead_letters import DeadLetters, Look
from b2bpilot.ops.status.reading import Reading, StatusRequest
from b2bpilot.ops.status.traffic import Traffic

LOOK_EVERY = timedelta(minutes=1)
COUNT_EVERY = timedelta(minutes=1)
"""CloudWatch has no newer figures sooner, and charges for each metric of each call."""

Read = Callable[[StatusRequest], Reading]


def readings(read: Read, request: StatusRequest, *, clock: Callable[[], datetime]) -> Iterator[Reading]:
    """Yield readings for ever. Dead letters are looked at, and metrics read, once a minute; what was seen then is shown in between.

    Metrics that could not be read are asked for again each time.
    """
    look: Look | None = None
    dead_lettered: InquiryAnswer[int] = InquiryAnswer(error="the dead letters were not looked at")
    looked_at: datetime | None = None
    counted: Traffic | None = None
    counted_at: datetime | None = None
    while True:
        now = clock()
        is_due = looked_at is None or now - looked_at >= LOOK_EVERY
        if counted_at is None or now - counted_at >= COUNT_EVERY:
            counted, counted_at = None, now
        looks = request.looks_at_dead_letters and is_due
        reading = read(replace(request, looks_at_dead_letters=looks, counted=counted))
        counted = reading.traffic.value
        dead_letters = reading.dead_letters.value
        if is_due:
            look, looked_at, dead_lettered = (
                dead_letters.look if dead_letters else None,
                now,
                reading.dead_lettered,
            )
        elif dead_letters and look:
            reading = replace(
                reading,
                dead_letters=InquiryAnswer(value=remembered(dead_letters, look)),
                dead_lettered=dead_lettered,
            )
        yield reading


def remembered(dead_letters: DeadLetters, look: Look) -> DeadLetters:
    """Put an earlier look beside today's counters; it is incomplete when more dead letters have come since."""
    is_complete = look.is_complete and look.saw >= dead_letters.depth
    return replace(dead_letters, look=replace(look, is_complete=is_complete), no_look=None)
