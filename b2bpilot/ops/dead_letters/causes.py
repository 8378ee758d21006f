"""Dead letters by cause: what kind of failure, and its text without what differs from dead letter to dead letter."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import lru_cache
from typing import NamedTuple

from b2bpilot.errors import NotOurs
from b2bpilot.ops.table.row_state import Asked, RowState
from b2bpilot.pipeline.dead_letter import DeadLetter, FailureKind
from b2bpilot.pipeline.owner import NOBODY_ASKED, Owner, Ownership

NOT_DELIVERED = "SNS could not deliver the message to the function"
NOT_DELIVERED_ELSEWHERE = "SNS could not deliver the message to a subscriber"
"""Whether that was the function, nobody knows of what is not known to be ours, or was only adopted."""
UNKNOWN = "no error was recorded"
TIMED_OUT = "Task timed out"
EXPIRING_TOGETHER = timedelta(days=1)

LENGTH = 300
LONGEST = 4_096
"""Nobody looks further: a stranger's error may be a megabyte, and texts are remembered."""
CAUSES = 4_096
"""More different raw texts than this are worked out again, not remembered."""

DETAIL = re.compile(r"\b(DETAIL|CONTEXT):")
"""What PostgreSQL adds to an error: the whole row at times, numbers and texts of people in it."""
PROTECTED = re.compile(
    r"\b(?:HTTP(?:/\d(?:\.\d)?)?|status(?:[ _]?code)?|code|errno|SQLSTATE)(?:\s*[=:]\s*|\s+)\d{1,5}\b|\bx86_64\b",
    re.IGNORECASE,
)
"""A status or an error code is the cause itself: 503 and 400 are two of them. So is a processor's name."""
VARYING = re.compile(
    r"""
      (?P<kept><(?:id|time|host|n)>)
    | (?P<id>
          \b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b
        | \b0x[0-9a-f]+\b
        | \b[A-Z]{2}[0-9a-f]{32}\b
        | \b(?=[0-9a-f]*[0-9])(?=[0-9a-f]*[a-f])[0-9a-f]{8,}\b
        | \b(?=(?:[a-z_-]*[0-9]){4})(?=[0-9_-]*[a-z])[a-z0-9_-]{24,}\b
      )
    | (?P<time>
          \b\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:[.,]\d+)?)?(?:Z|\s?[+-]\d\d:?\d\d)?)?
        | \b\d\d:\d\d:\d\d(?:[.,]\d+)?\b
      )
    | (?P<host>
          (?<=://)[^\s/'"<>]+
        | \b\d{1,3}(?:\.\d{1,3}){3}(?::\d+)?\b
        | (?<![\w:])(?=[a-f:]*[0-9])(?=[0-9a-f:]*::|(?:[0-9a-f]{1,4}:){7})[0-9a-f:]{3,39}(?![\w:])
        | \b(?:[a-z0-9](?:[a-z0-9-]*[a-z0-9])?\.)+(?:com|net|org|io|dev|app|cloud|local|internal|test|example|eu|de|uk|us)\b(?::\d+)?
        | \blocalhost(?::\d+)?
        | (?<=[\s'"(])[a-z][a-z0-9.-]*:\d{2,5}\b(?!:)
      )
    | (?P<n> \+?(?<![A-Za-z\d])\d+(?:[.,]\d+)* | (?<=[A-Za-z])\d{3,} )
    """,
    re.VERBOSE | re.IGNORECASE,
)


class Cause(NamedTuple):
    """What the dead letters of a group have in common."""

    kind: FailureKind
    text: str

    def __str__(self) -> str:
        return f"{self.kind}: {self.text}"


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenDeadLetter:
    """What is remembered of a dead letter after a look: no body, no number."""

    queue_message_id: str
    message_id: str | None
    """None for a dead letter that cannot be read."""
    cause: Cause
    sent_at: datetime | None
    redrives: int
    receive_count: int
    owner: Owner = NOBODY_ASKED
    test: bool = False

    @property
    def kind(self) -> FailureKind:
        return self.cause.kind

    @property
    def asked(self) -> Asked | None:
        """What the table is asked about; None for a dead letter that cannot be read, or is not ours."""
        return Asked(self.message_id, self.test) if self.message_id and self.owner.rows_count else None

    @property
    def group_key(self) -> str:
        return self.cause.text


@dataclass(frozen=True, slots=True, kw_only=True)
class Expiry:
    """When SQS deletes the first dead letter of a group, and how many go within a day of it."""

    at: datetime
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Dead letters with one cause. `sample` is the oldest one's message_id, or its id in the queue."""

    id: str
    cause: Cause
    count: int
    oldest: datetime | None
    newest: datetime | None
    expiry: Expiry | None
    sample: str
    states: Mapping[RowState, int] | None = field(default=None)
    """In messages."""
    repeated: int = 0
    """Dead letters of a message that has another one in the group."""
    """What the database says of the messages of those that are ours; None when it was not asked."""
    owners: Mapping[Owner, int] = field(default_factory=dict)
    """Whose those are that are not ours, or were adopted."""
    of_express: int = 0
    """Dead letters of ours that the express lane gave up, or did not get."""
    row_errors: Mapping[str, int] = field(default_factory=dict)
    """What failed rows say, in messages, where it is something else: a dead letter keeps what it was written with, also
    when its message was tried again and failed of another cause."""


def group_key(dead_letter: DeadLetter) -> str:
    """Return the text that dead letters of one cause share."""
    return cause_of(dead_letter).text


def cause_of(dead_letter: DeadLetter) -> Cause:
    kind = dead_letter.failure.kind
    match kind:
        case FailureKind.UNREADABLE:
            text = dead_letter.unreadable or UNKNOWN
        case FailureKind.NOT_DELIVERED:
            text = NOT_DELIVERED if dead_letter.owner.rows_count else NOT_DELIVERED_ELSEWHERE
        case FailureKind.TIMEOUT:
            text = TIMED_OUT + (dead_letter.failure.text or "").rpartition(TIMED_OUT)[2]
        case _:
            text = dead_letter.failure.text or UNKNOWN
    return Cause(kind, without_details(text))


def without_details(text: str) -> str:
    """Return the text on one line with ids, times, hosts and numbers as `<id>`, `<time>`, `<host>` and `<n>`.

    Digits that belong to a short name stay (`MediaUrl0`, `utf8`), and so do status codes.
    """
    return _without_details(text[:LONGEST])


@lru_cache(CAUSES)
def _without_details(text: str) -> str:
    line = " ".join(DETAIL.split(text, maxsplit=1)[0].split())[:LENGTH]
    parts: list[str] = []
    end = 0
    for code in PROTECTED.finditer(line):
        parts += [VARYING.sub(_placeholder, line[end : code.start()]), code[0]]
        end = code.end()
    return "".join([*parts, VARYING.sub(_placeholder, line[end:])])


def _placeholder(match: re.Match[str]) -> str:
    return match[0] if match.lastgroup == "kept" else f"<{match.lastgroup}>"


def numbered(counts: Mapping[Cause, int]) -> dict[Cause, str]:
    """Name the causes `G1`, `G2`, ...: the most frequent first, then by text, so that equal queues give equal names."""
    ordered = sorted(counts, key=lambda cause: (-counts[cause], cause.text, cause.kind))
    return {cause: f"G{place}" for place, cause in enumerate(ordered, 1)}


def grouped(
    dead_letters: Iterable[SeenDeadLetter],
    names: Mapping[Cause, str],
    *,
    retention: timedelta,
    states: Mapping[Asked, RowState] | None,
    row_errors: Mapping[Asked, str] | None = None,
) -> list[Group]:
    """Return the groups of what was found, in the order of their names. `row_errors` is what failed rows say."""
    by_cause: dict[Cause, list[SeenDeadLetter]] = {}
    for dead_letter in dead_letters:
        by_cause.setdefault(dead_letter.cause, []).append(dead_letter)
    ordered = sorted(by_cause, key=list(names).index)
    return [_group(names[cause], by_cause[cause], retention, states, row_errors or {}) for cause in ordered]


def _group(
    name: str,
    dead_letters: list[SeenDeadLetter],
    retention: timedelta,
    states: Mapping[Asked, RowState] | None,
    row_errors: Mapping[Asked, str],
) -> Group:
    times = sorted(dead_letter.sent_at for dead_letter in dead_letters if dead_letter.sent_at)
    oldest = min(dead_letters, key=in_order)
    return Group(
        id=name,
        cause=oldest.cause,
        count=len(dead_letters),
        oldest=times[0] if times else None,
        newest=times[-1] if times else None,
        expiry=_expiry(times, retention),
        sample=oldest.message_id or oldest.queue_message_id,
        states=None if states is None else _states(dead_letters, states),
        owners=owners_of(dead_letters),
        of_express=sum(one.owner.lane is not None for one in dead_letters),
        repeated=_repeated(dead_letters),
        row_errors=_other_errors(dead_letters, row_errors),
    )


def _other_errors(dead_letters: list[SeenDeadLetter], row_errors: Mapping[Asked, str]) -> dict[str, int]:
    """Count what rows say that the dead letters do not, the most frequent first."""
    messages = {one.asked: one.cause.text for one in dead_letters if one.asked}
    texts = (
        (without_details(row_errors[asked]), own) for asked, own in messages.items() if asked in row_errors
    )
    return dict(Counter(text for text, own in texts if text != own).most_common())


def _repeated(dead_letters: list[SeenDeadLetter]) -> int:
    named = [dead_letter.message_id for dead_letter in dead_letters if dead_letter.message_id]
    return len(named) - len(set(named))


def owners_of(dead_letters: Iterable[SeenDeadLetter]) -> dict[Owner, int]:
    """Count those that are not simply ours by whose they are, most first."""
    counts = Counter(one.owner for one in dead_letters if not one.owner.is_simply_ours)
    return dict(counts.most_common())


def in_order(dead_letter: SeenDeadLetter) -> tuple[bool, datetime | None, str]:
    """Sort by time; a dead letter without one comes last."""
    return dead_letter.sent_at is None, dead_letter.sent_at, dead_letter.queue_message_id


def all_others(owners: Mapping[Owner, int]) -> NotOurs:
    """Return the error of a command that found nothing but what is not this environment's."""
    named = "; ".join(f"{count:,} {owner.whose}" for owner, count in owners.items())
    gone = [owner.subscription_arn for owner in owners if owner.ownership is Ownership.GONE]
    hint = "their owners send them again; nothing of theirs is touched from here"
    if gone:
        hint = f"--adopt {gone[0]} takes those for {next(iter(owners)).adopter}"
    asker = next((owner.asker for owner in owners), "this environment")
    return NotOurs(f"nothing there is known to be {asker}'s. {named}", hint=hint)


def _expiry(times: list[datetime], retention: timedelta) -> Expiry | None:
    if not times:
        return None
    together = sum(sent_at < times[0] + EXPIRING_TOGETHER for sent_at in times)
    return Expiry(at=times[0] + retention, count=together)


def _states(dead_letters: list[SeenDeadLetter], states: Mapping[Asked, RowState]) -> dict[RowState, int]:
    """Count messages, in the order of RowState: one may have several dead letters, and has one row. Dead letters that cannot be
    read have no row to ask for, and of what is not ours no row says anything."""
    messages = {dead_letter.asked for dead_letter in dead_letters if dead_letter.asked}
    counts = Counter(states.get(message, RowState.UNKNOWN) for message in messages)
    return {state: counts[state] for state in RowState if counts[state]}
