"""The dead letters: how many, how old, and how many SQS will delete soon."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from b2bpilot.aws.queue import DeadLetterQueue
from b2bpilot.ops.dead_letters.peek import peek
from b2bpilot.ops.table.row_state import Asked
from b2bpilot.pipeline.dead_letter import DeadLetter
from b2bpilot.pipeline.owner import Owner

SOON = timedelta(days=2)
LOOK_SECONDS = 4.0
HIDDEN_SECONDS = 20
"""A look that is cut off by kill -9 keeps dead letters from others for so long."""

REDRIVES = "the queue has a redrive policy of its own, so that looking would move dead letters on"
NOT_WANTED = "not looked at"


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What was seen of single dead letters. An incomplete look has seen some of them only."""

    saw: int
    oldest: datetime | None
    expiring: int
    is_complete: bool
    others: Mapping[Owner, int] = field(default_factory=dict)
    """How many of them are not this environment's, by their owners."""
    messages: frozenset[Asked] = frozenset()
    """Of which messages there are dead letters of this environment's among them."""
    newest: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetters:
    """By SQS's counters, which lag a minute; by a look where there was one, else `no_look` says why not."""

    depth: int
    hidden: int
    retention: timedelta
    look: Look | None
    no_look: str | None = None


def dead_letters(
    queue: DeadLetterQueue, *, wants_look: bool, now: datetime, stop: threading.Event
) -> DeadLetters:
    """Read the counters and look at every dead letter for a few seconds. All are given back, also when `stop` is set.

    Raises AwsError.
    """
    counters, attributes = queue.counters(), queue.attributes()
    seen, no_look = None, NOT_WANTED
    if attributes.redrive_policy is not None:
        no_look = REDRIVES
    elif wants_look:
        seen = _look(queue, retention=attributes.retention, now=now, stop=stop, about=counters.total)
    return DeadLetters(
        depth=max(counters.total, seen.saw if seen else 0),
        hidden=counters.hidden,
        retention=attributes.retention,
        look=seen,
        no_look=None if seen else no_look,
    )


def _look(
    queue: DeadLetterQueue, *, retention: timedelta, now: datetime, stop: threading.Event, about: int
) -> Look:
    if not about:
        return Look(saw=0, oldest=None, expiring=0, is_complete=True)
    seen = _Seen(stop=stop, monotonic=time.monotonic)
    found = peek(queue, now=now, visit=seen.visit, is_enough=seen.is_enough, hidden_seconds=HIDDEN_SECONDS)
    return Look(
        saw=len(seen.times),
        oldest=min((at for at in seen.times if at), default=None),
        expiring=sum(at is not None and at + retention <= now + SOON for at in seen.times),
        is_complete=found.is_complete,
        others=dict(seen.others.most_common()),
        messages=frozenset(seen.messages),
        newest=max((at for at in seen.times if at), default=None),
    )


class _Seen:
    """When the dead letters that were seen were written, and whether it is enough."""

    def __init__(self, *, stop: threading.Event, monotonic: Callable[[], float]) -> None:
        self.times: list[datetime | None] = []
        self.others: Counter[Owner] = Counter()
        self.messages: set[Asked] = set()
        self._stop = stop
        self._monotonic = monotonic
        self._deadline = monotonic() + LOOK_SECONDS

    def visit(self, dead_letter: DeadLetter) -> None:
        self.times.append(dead_letter.sent_at)
        if not dead_letter.owner.is_ours:
            self.others[dead_letter.owner] += 1
        elif dead_letter.message:
            self.messages.add(Asked.of(dead_letter.message))

    def is_enough(self) -> bool:
        return self._stop.is_set() or self._monotonic() > self._deadline
