"""Reading again and again, without taking every dead letter each time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta

from b2bpilot.ops.status.asking import Answer
from b2bpilot.ops.status.letters import Letters, Look
from b2bpilot.ops.status.reading import Reading, Wanted

LOOK_EVERY = timedelta(minutes=1)

Read = Callable[[Wanted], Reading]


def readings(read: Read, wanted: Wanted, *, clock: Callable[[], datetime]) -> Iterator[Reading]:
    """Yield readings for ever. The letters are looked at once a minute; what was seen then is shown in between."""
    look: Look | None = None
    lettered: Answer[int] = Answer(error="the dead letters were not looked at")
    looked_at: datetime | None = None
    while True:
        now = clock()
        is_due = looked_at is None or now - looked_at >= LOOK_EVERY
        reading = read(replace(wanted, looks_at_letters=wanted.looks_at_letters and is_due))
        letters = reading.letters.value
        if is_due:
            look, looked_at, lettered = letters.look if letters else None, now, reading.lettered
        elif letters and look:
            reading = replace(reading, letters=Answer(value=remembered(letters, look)), lettered=lettered)
        yield reading


def remembered(letters: Letters, look: Look) -> Letters:
    """Put an earlier look beside today's counters; it is incomplete when more letters have come since."""
    is_complete = look.is_complete and look.saw >= letters.depth
    return replace(letters, look=replace(look, is_complete=is_complete), no_look=None)
