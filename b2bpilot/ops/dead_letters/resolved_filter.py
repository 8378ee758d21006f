"""Which dead letters of the queue a run is about: decided once, written into its journal, read back by its resume."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Self

from b2bpilot.aws.queue import DeadLetterQueue
from b2bpilot.ops.dead_letters.causes import Cause, cause_of
from b2bpilot.ops.dead_letters.expression import Expression
from b2bpilot.ops.dead_letters.selection import Selection
from b2bpilot.ops.dead_letters.sweep import look
from b2bpilot.pipeline.dead_letter import DeadLetter, FailureKind
from b2bpilot.pipeline.message import format_time, parse_time

MASKED = re.compile(r"\+\d{4}\*{3}\d{4}")
"""What a journal makes of a phone number: a filter that held one cannot be read back."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """A selection without anything that only a look at the whole queue can tell: a group is its cause."""

    selection: Selection
    cause: Cause | None
    now: datetime

    @classmethod
    def of(cls, selection: Selection, queue: DeadLetterQueue, *, now: datetime) -> Self:
        """Look for the group, if one is named. Raises UsageError when it is not there, and AwsError."""
        cause = None
        if selection.group is not None:
            names = look(queue, selection=replace(selection, limit=1), now=now).names
            cause = next(cause for cause, name in names.items() if name == selection.group.upper())
        return cls(selection=replace(selection, group=None), cause=cause, now=now)

    def matches(self, dead_letter: DeadLetter) -> bool:
        """Raises UsageError when the expression cannot be used on what the dead letter holds."""
        is_of_group = self.cause is None or cause_of(dead_letter) == self.cause
        return is_of_group and self.selection.matches(dead_letter, now=self.now)

    def spelled(self) -> dict[str, object]:
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
    def from_journal(cls, spelled: Mapping[str, Any], *, now: datetime) -> Self | None:
        """Return what a run was about; None when its filters held a phone number, which no journal keeps."""
        if MASKED.search(str(spelled)):
            return None
        since, until, where = (spelled.get(name) for name in ("since", "until", "where"))
        kind, text = spelled.get("cause") or (None, None)
        selection = Selection(
            since=parse_time(since) if since else None,
            until=parse_time(until) if until else None,
            message_ids=frozenset(spelled.get("message_ids", ())),
            error=spelled.get("error"),
            from_number=spelled.get("from"),
            where=Expression.parse(where) if where else None,
        )
        cause = Cause(FailureKind(kind), str(text)) if kind else None
        return cls(selection=selection, cause=cause, now=now)
