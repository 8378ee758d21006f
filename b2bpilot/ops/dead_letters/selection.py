"""Which dead letters a command is about: the same filters for every command, all of which must hold."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields, replace
from datetime import datetime, timedelta

from b2bpilot.ops.dead_letters.causes import Cause, cause_of_group
from b2bpilot.ops.dead_letters.expression import Expression
from b2bpilot.pipeline.dead_letter import DeadLetter


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """What is None or empty does not filter. Times are those of the dead letter, not of the message in it."""

    group: str | None = None
    """Such as `G1`. Groups are numbered over the whole queue, so only `look` can tell which dead letters these are."""
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


def for_journal(selection: Selection, names: Mapping[Cause, str]) -> dict[str, object]:
    """Return what was asked for. A group is there with its cause: its number holds only for what was in the queue then."""
    given = {each.name: getattr(selection, each.name) for each in fields(selection)}
    chosen = {name: _plain(value) for name, value in given.items() if value}
    cause = cause_of_group(names, selection.group) if selection.group else None
    return chosen | ({"cause": str(cause)} if cause else {})


def _plain(value: object) -> object:
    return sorted(value) if isinstance(value, frozenset) else str(value)
