"""What the processor's log says of the database that it is connected to."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from b2bpilot.aws.logs import LogEvent
from b2bpilot.ops.logs.entry import entry

FIELD = "database_identity"
WINDOWS = (timedelta(minutes=15), timedelta(days=1), timedelta(days=14))
"""CloudWatch gives the oldest line first, so that the last one is looked for in a short time before a long one."""


class Log(Protocol):
    """The part of LogGroup that is asked."""

    def events(
        self, *, since: datetime, until: datetime | None = None, pattern: str | None = None
    ) -> Iterator[LogEvent]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """The identity (see queries.IDENTITY) that the processor wrote, and when."""

    at: datetime
    identity: str


def last_written(log: Log, *, now: datetime) -> Written | None:
    """Return the newest line's word; None when there is none in fourteen days. Raises AwsError."""
    for window in WINDOWS:
        found: Written | None = None
        for event in log.events(since=now - window, pattern=f'"{FIELD}"'):
            identity = entry(event, "processor").value(FIELD)
            if isinstance(identity, str) and identity:
                found = Written(at=event.at, identity=identity)
        if found is not None:
            return found
    return None
