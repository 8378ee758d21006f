"""Which dead letters a command is about: what was asked for, and what it means in the queue as it is."""

from __future__ import annotations

import re
import threading
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from datetime import datetime, timedelta
from typing import Any, Self

from b2bpilot.advice import Words, our_command
from b2bpilot.aws.queue_attributes import Counters
from b2bpilot.errors import PartlyFailed, Refused, UsageError
from b2bpilot.ops.dead_letters.causes import Cause, cause_of, numbered
from b2bpilot.ops.dead_letters.expression import Expression
from b2bpilot.ops.dead_letters.holding import Hiding
from b2bpilot.ops.dead_letters.sweep import (
    LOOK_HIDDEN_SECONDS,
    MOST_HELD,
    UNSEEN_HINT,
    Sweep,
    unseen_in_words,
)
from b2bpilot.ops.ports import VisibilityQueue
from b2bpilot.ops.visible import one_line
from b2bpilot.pipeline.dead_letter import DeadLetter, FailureKind
from b2bpilot.pipeline.message import format_time, parse_time

NONE_UNSEEN = Counters(visible=0, hidden=0, delayed=0)
LIST_HINT = "see " + our_command("dlq", "list") + " without --group"
MASKED = re.compile(r"\+\d{4}\*{3}\d{4}")
"""What a journal makes of a phone number: a filter that held one cannot be read back."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedGroup:
    """What a group was when this machine listed it last: its cause in words, and when."""

    cause: str
    at: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """What is None or empty does not filter. Times are those of the dead letter, not of the message in it."""

    group: str | None = None
    """Such as `G1`. Groups are numbered over the whole queue, so only `look` can tell which dead letters these are."""
    listed: ListedGroup | None = field(default=None, compare=False)
    """What that group has to be still; None where nobody on this machine saw it."""
    since: datetime | None = None
    until: datetime | None = None
    """Before this moment, itself not included, so that `until` of one run and `since` of the next do not overlap."""
    older_than: timedelta | None = None
    message_ids: frozenset[str] = frozenset()
    """Of the messages or of the dead letters in the queue; one of them must be the dead letter's."""
    error: str | None = None
    """A part of the failure's text or code, or of the reason why a dead letter cannot be read; case does not matter."""
    from_number: str | None = None
    """The sender in full, with or without its channel (`whatsapp:`)."""
    limit: int | None = None
    """How many at most; `look` keeps to it."""
    where: Expression | None = None

    @property
    def is_everything(self) -> bool:
        """Whether nothing was asked for, not even a limit."""
        return self == Selection()

    @property
    def has_filter(self) -> bool:
        """Whether it says which dead letters are meant. A limit only says how many: a high one means the whole queue."""
        return replace(self, limit=None) != Selection()

    def is_met_by(self, queue_message_ids: Iterable[str]) -> bool:
        """Tell whether it names dead letters by their ids in the queue, and all of them are these: no other can be meant."""
        return bool(self.message_ids) and self.message_ids <= set(queue_message_ids)

    def matches(self, dead_letter: DeadLetter, *, now: datetime) -> bool:
        """Tell whether the dead letter passes every filter but `group` and `limit`, which no single dead letter can answer.

        Raises UsageError when the expression cannot be used on what the dead letter holds.
        """
        return (
            self._is_in_time(dead_letter.sent_at, now=now)
            and self._is_named(dead_letter)
            and self._has_error(dead_letter)
            and self._is_from(dead_letter)
            and (self.where is None or self.where.matches(dead_letter))
        )

    def _is_in_time(self, sent_at: datetime | None, *, now: datetime) -> bool:
        if self.since is None and self.until is None and self.older_than is None:
            return True
        return (
            sent_at is not None
            and (self.since is None or sent_at >= self.since)
            and (self.until is None or sent_at < self.until)
            and (self.older_than is None or now - sent_at >= self.older_than)
        )

    def _is_named(self, dead_letter: DeadLetter) -> bool:
        if not self.message_ids:
            return True
        message_id = dead_letter.message_id
        return dead_letter.queue_message_id in self.message_ids or message_id in self.message_ids

    def _has_error(self, dead_letter: DeadLetter) -> bool:
        if self.error is None:
            return True
        texts = (dead_letter.failure.text, dead_letter.failure.code, dead_letter.unreadable)
        return any(self.error.casefold() in text.casefold() for text in texts if text)

    def _is_from(self, dead_letter: DeadLetter) -> bool:
        if self.from_number is None:
            return True
        sender = dead_letter.message.params.get("From", "") if dead_letter.message else ""
        return self.from_number in (sender, sender.rpartition(":")[2])


@dataclass(frozen=True, slots=True, kw_only=True)
class ResolvedFilter:
    """A selection without anything that only the whole queue can tell: a group is its cause."""

    selection: Selection
    cause: Cause | None
    now: datetime

    def matches(self, dead_letter: DeadLetter) -> bool:
        """Raises UsageError when the expression cannot be used on what the dead letter holds."""
        is_of_group = self.cause is None or cause_of(dead_letter) == self.cause
        return is_of_group and self.selection.matches(dead_letter, now=self.now)

    def to_journal(self) -> dict[str, object]:
        """Return it as the journal keeps it; ages have become times."""
        chosen = self.selection
        until = [chosen.until] if chosen.until else []
        until += [self.now - chosen.older_than] if chosen.older_than else []
        fields = {
            "cause": list(self.cause) if self.cause else None,
            "since": format_time(chosen.since) if chosen.since else None,
            "until": format_time(min(until)) if until else None,
            "message_ids": sorted(chosen.message_ids),
            "error": chosen.error,
            "from": chosen.from_number,
            "where": chosen.where.text if chosen.where else None,
        }
        return {name: value for name, value in fields.items() if value}

    @classmethod
    def from_journal(cls, kept: Mapping[str, Any], *, now: datetime) -> Self | None:
        """Return what a run was about; None when its filters held a phone number, which no journal keeps."""
        if MASKED.search(str(kept)):
            return None
        since, until, where = (kept.get(name) for name in ("since", "until", "where"))
        kind, text = kept.get("cause") or (None, None)
        selection = Selection(
            since=parse_time(since) if since else None,
            until=parse_time(until) if until else None,
            message_ids=frozenset(kept.get("message_ids", ())),
            error=kept.get("error"),
            from_number=kept.get("from"),
            where=Expression.parse(where) if where else None,
        )
        cause = Cause(FailureKind(kind), str(text)) if kind else None
        return cls(selection=selection, cause=cause, now=now)


def resolve(selection: Selection, queue: VisibilityQueue, *, now: datetime) -> ResolvedFilter:
    """Return what the selection means for the dead letters that are in the queue; a group is looked for among all of them.

    Raises what `cause_named` raises, and AwsError.
    """
    if selection.group is None:
        return ResolvedFilter(selection=selection, cause=None, now=now)
    names, unseen = _causes_in(queue)
    cause = cause_named(names, selection.group, listed=selection.listed, unseen=unseen)
    return ResolvedFilter(selection=replace(selection, group=None), cause=cause, now=now)


def cause_named(
    names: Mapping[Cause, str],
    group: str,
    *,
    place: str = "the queue",
    hint: Words = LIST_HINT,
    listed: ListedGroup | None = None,
    unseen: Counters = NONE_UNSEEN,
) -> Cause:
    """Return what a group's dead letters have in common. Its number holds for these dead letters only: with others in the queue
    the same cause may have another one. Raises UsageError, Refused where it is not what was listed, and PartlyFailed where it
    may be among those that were not seen."""
    for cause, name in names.items():
        if name == group.upper():
            _require_as_listed(name, cause, listed)
            return cause
    if unseen.total:
        seen = (
            f"there is no group {group} among the causes that were seen"
            if names
            else "no dead letter was seen"
        )
        raise PartlyFailed(f"{seen}: {unseen_in_words(unseen)}", hint=UNSEEN_HINT)
    known = f"{place} has G1 to G{len(names)}" if len(names) > 1 else f"{place} has only G1"
    raise UsageError(f"there is no group {group}; {known if names else 'no dead letter was seen'}", hint=hint)


def _require_as_listed(name: str, cause: Cause, listed: ListedGroup | None) -> None:
    """Who types a group means the cause that stood beside it. Raises Refused."""
    if listed is not None and listed.cause != str(cause):
        raise Refused(
            f"{name} is another group now: {one_line(str(cause))}; when it was listed at {listed.at} it was "
            f"{one_line(listed.cause)}",
            hint=our_command("dlq", "list") + " shows the groups as they are now",
        )


def _causes_in(queue: VisibilityQueue) -> tuple[Mapping[Cause, str], Counters]:
    """Return the groups by their causes, and what SQS counts beside what was seen."""
    counts: Counter[Cause] = Counter()
    lock = threading.Lock()

    def see(dead_letters: Sequence[DeadLetter]) -> None:
        with lock:
            counts.update(map(cause_of, dead_letters))

    with Hiding(queue, hidden_seconds=LOOK_HIDDEN_SECONDS) as held:
        sweep = Sweep(held, see=see, is_enough=lambda: sweep.saw >= MOST_HELD)
        sweep.run()
        return numbered(counts), held.beside()


def for_journal(selection: Selection, names: Mapping[Cause, str]) -> dict[str, object]:
    """Return what was asked for. A group is there with its cause: its number holds only for what was in the queue then."""
    given = {each.name: getattr(selection, each.name) for each in fields(selection) if each.compare}
    chosen = {name: _plain(value) for name, value in given.items() if value}
    cause = cause_named(names, selection.group) if selection.group else None
    return chosen | ({"cause": str(cause)} if cause else {})


def _plain(value: object) -> object:
    return sorted(value) if isinstance(value, frozenset) else str(value)
