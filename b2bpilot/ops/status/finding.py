"""One thing that is wrong, when it was last seen, and the order in which such things are shown: causes before symptoms."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum

from b2bpilot.advice import Words


class Gravity(IntEnum):
    """How bad it is, worst first."""

    LOST = 1
    """Messages are lost, or will be."""
    STOPPED = 2
    """Messages do not get through now."""
    WAITING = 3
    """Messages wait for somebody."""
    NOTICE = 4


class Kind(IntEnum):
    """What is wrong. None brings about one that stands before it."""

    DATABASE_UNREADABLE = 1
    """From this machine: whether the processor reaches it, only its own counts tell."""
    NOT_SUBSCRIBED = 2
    NO_RESERVE = 3
    REDRIVER_LEFT_ON = 4
    NOT_PUBLISHED = 5
    """The webhook could not."""
    NOT_DELIVERED = 6
    FILTERED_OUT = 7
    THROTTLED = 8
    RUNS_FAIL = 9
    LONG_WAIT = 10
    DEAD_LETTERS_UNWRITTEN = 11
    REDRIVES_FAILED = 12
    WEBHOOK_5XX = 13
    MESSAGES_REFUSED = 14
    WEBHOOK_4XX = 15
    EXPIRING = 16
    OTHERS_DEAD_LETTERS = 17
    DEAD_LETTERS = 18
    MESSAGES_LEFT = 19
    """In the message queue, which nothing empties."""
    ABANDONED = 20
    FAILED = 21
    UNREADABLE = 22
    NO_LEASE = 23
    REPLIES_UNKNOWN = 24
    RUN_INTERRUPTED = 25
    REQUESTS_REFUSED = 26
    STATUS_CALLBACKS = 27
    ALARMS = 28
    SUBSCRIBER_GETS_NOTHING = 29
    """One beside the processor, which stores all the same."""
    SUBSCRIBER_DEAD_LETTERS = 30
    SUBSCRIBER_LOSES = 31
    """What SNS cannot deliver to it: no dead letter of it can be written."""


_OF_FAILED_RUNS = frozenset(
    {Kind.DEAD_LETTERS_UNWRITTEN, Kind.DEAD_LETTERS, Kind.ABANDONED, Kind.FAILED, Kind.NO_LEASE}
)
BRINGS_ABOUT: Mapping[Kind, frozenset[Kind]] = {
    Kind.NO_RESERVE: frozenset({Kind.DEAD_LETTERS_UNWRITTEN, Kind.DEAD_LETTERS}),
    Kind.NOT_PUBLISHED: frozenset({Kind.WEBHOOK_5XX}),
    Kind.NOT_DELIVERED: frozenset({Kind.REDRIVES_FAILED, Kind.DEAD_LETTERS}),
    Kind.THROTTLED: frozenset({Kind.LONG_WAIT}),
    Kind.RUNS_FAIL: _OF_FAILED_RUNS,
    Kind.LONG_WAIT: frozenset({Kind.DEAD_LETTERS}),
}
"""What each may be the cause of. A cause is shown no later than the gravest of what it brings about."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """When something was last seen: between two times, as CloudWatch counts in periods; both are one where it is exact."""

    since: datetime
    until: datetime

    def not_after(self, moment: datetime) -> Seen:
        """A period that has not ended yet says nothing of the time to come."""
        return Seen(since=min(self.since, moment), until=min(self.until, moment))

    @classmethod
    def at(cls, moment: datetime) -> Seen:
        return cls(since=moment, until=moment)


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that is wrong. `command` is what to run next, `then` what after it. `is_over`: it was seen in the time that is looked at, and not
    lately; what came since is in the text."""

    kind: Kind
    gravity: Gravity
    text: str
    command: Words
    last: Seen
    is_over: bool = False
    hint: Words | None = None
    then: Words | None = None


def in_order(findings: Iterable[Finding]) -> list[Finding]:
    """Return what is wrong now before what is over; of each the database first, then the worst, a cause before its symptoms."""
    listed = list(findings)
    gravities = {is_over: _worst(listed, is_over=is_over) for is_over in (False, True)}
    return sorted(
        listed,
        key=lambda one: (
            one.is_over,
            one.kind is not Kind.DATABASE_UNREADABLE,
            _effective(one.kind, gravities[one.is_over]),
            one.kind,
        ),
    )


def _worst(findings: Iterable[Finding], *, is_over: bool) -> dict[Kind, Gravity]:
    worst: dict[Kind, Gravity] = {}
    for one in findings:
        if one.is_over is is_over:
            worst[one.kind] = min(one.gravity, worst.get(one.kind, one.gravity))
    return worst


def _effective(kind: Kind, present: Mapping[Kind, Gravity]) -> Gravity:
    """What is not there brings nothing about."""
    symptoms = (one for one in BRINGS_ABOUT.get(kind, ()) if one in present)
    return min([present[kind], *(_effective(one, present) for one in symptoms)])
