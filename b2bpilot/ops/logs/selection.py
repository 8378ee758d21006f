"""Which lines are meant: by id, by level, by text or field."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass

from b2bpilot.errors import UsageError
from b2bpilot.ops.logs.entry import LogEntry, LogLevel

FIELD = re.compile(r"(?P<path>[A-Za-z_][\w.]*)=(?P<value>.*)", re.DOTALL)
PLAIN_ID = re.compile(r"[A-Za-z0-9-]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Term:
    """`event=failed`: that field has that value. Without a path: the line contains the text."""

    value: str
    path: str | None = None

    def matches(self, entry: LogEntry) -> bool:
        if self.path is None:
            return self.value in entry.text
        found = entry.value(self.path)
        return self.value == (found if isinstance(found, str) else json.dumps(found))


@dataclass(frozen=True, slots=True, kw_only=True)
class LogSelection:
    """All of it must be true of a line."""

    ids: Sequence[str] = ()
    """Of a message or a request."""
    level: LogLevel | None = None
    terms: Sequence[Term] = ()

    def matches(self, entry: LogEntry) -> bool:
        return (
            (self.level is None or entry.level >= self.level)
            and all(wanted in entry.text for wanted in self.ids)
            and all(term.matches(entry) for term in self.terms)
        )

    @property
    def pattern(self) -> str | None:
        """What CloudWatch may filter by before it sends: ids only, since they stand whole in a line, and an emulator
        understands little more. `matches` still decides."""
        return " ".join(f'"{wanted}"' for wanted in self.ids) or None


def term(text: str) -> Term:
    """Raises UsageError for a filter that leaves nothing out: a variable that was empty, as a rule."""
    if not text:
        raise UsageError("--filter: '' matches every line", hint="write a text or FIELD=VALUE")
    found = FIELD.fullmatch(text)
    return Term(path=found["path"], value=found["value"]) if found else Term(value=text)


def request_id(text: str) -> str:
    """Raises UsageError for what no request is called."""
    if not PLAIN_ID.fullmatch(text):
        raise UsageError(f"--request-id: {text!r} is not a request id", hint="letters, digits and dashes")
    return text
