"""What the webhook could not publish, by its log: no metric tells why it answers a 5xx."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from itertools import islice

from b2bpilot.aws.logs import LogGroup, LogGroupMissing
from b2bpilot.ops.logs.entry import entry

MOST_LINES = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Unpublished:
    """How many messages, when the newest of them, and why. `is_complete` False: there were more than are read."""

    messages: int = 0
    last: datetime | None = None
    error: str | None = None
    is_complete: bool = True


def unpublished(group: LogGroup, *, since: datetime) -> Unpublished:
    """Read the webhook's log. One that was never written to holds none. Raises AwsError."""
    try:
        lines = list(islice(group.events(since=since, pattern='"publish_failed"'), MOST_LINES + 1))
    except LogGroupMissing:
        return Unpublished()
    found = [one for line in lines[:MOST_LINES] if (one := entry(line, "webhook")).event == "publish_failed"]
    if not found:
        return Unpublished()
    newest = max(found, key=lambda one: one.at)
    messages = {one.message_id or one.event_id for one in found}
    return Unpublished(
        messages=len(messages),
        last=newest.at,
        error=str(newest.value("error") or "the log does not say why"),
        is_complete=len(lines) <= MOST_LINES,
    )
