"""What the logs of those that store messages say of some: which delivery stored them, and which was skipped."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from b2bpilot.aws.logs import LogGroup
from b2bpilot.errors import AwsError
from b2bpilot.ops.environment import Environment
from b2bpilot.pipeline.message import Priority
from b2bpilot.pipeline.waiting import wait_until

EVENTS = frozenset({"stored", "duplicate", "in_progress", "discarded", "failed"})
MOST_LINES = 200
MOST_MESSAGES = 20
"""One query each: what is asked of the log is about a handful of messages."""
PATIENCE_SECONDS, PAUSE_SECONDS = 10.0, 0.25


@dataclass(frozen=True, slots=True, kw_only=True)
class Echo:
    """How often each event stands in the log, by message_id; `error` says why the log could not be asked."""

    events: Mapping[str, Counter[str]]
    error: str | None = None


def logs_of(environment: Environment) -> list[LogGroup]:
    """The processor's, and the express one's where there is an express lane."""
    return [LogGroup.of_function(name, access=environment.access) for name in environment.stack.processors]


def deliveries_of_one(environment: Environment, priority: Priority) -> int:
    """Into how many deliveries each sending becomes: one for each processor that messages of this priority reach."""
    return len(environment.stack.processors) if priority is Priority.HIGH else 1


def listen(
    logs: Sequence[LogGroup],
    deliveries: Mapping[str, int],
    *,
    since: datetime,
    now: Callable[[], datetime],
) -> Echo:
    """Read the logs until they tell of every delivery of these messages, or for ten seconds: they lag."""
    events: dict[str, Counter[str]] = {message_id: Counter() for message_id in deliveries}

    def is_open(id_: str) -> bool:
        return events[id_].total() < deliveries[id_]

    def is_heard() -> bool:
        for id_ in filter(is_open, deliveries):
            told = [_events(log, id_, since=since, until=now()) for log in logs]
            events[id_] = sum(told, Counter[str]())
        return not any(map(is_open, deliveries))

    try:
        wait_until(is_heard, seconds=PATIENCE_SECONDS, pause_seconds=PAUSE_SECONDS)
    except AwsError as exc:
        return Echo(events=events, error=str(exc))
    return Echo(events=events)


def _events(log: LogGroup, message_id: str, *, since: datetime, until: datetime) -> Counter[str]:
    lines = log.lines_with(
        message_id, since=since - timedelta(seconds=1), until=until + timedelta(seconds=1), limit=MOST_LINES
    )
    return Counter(event for line in lines if (event := _event(line.text, message_id)))


def _event(text: str, message_id: str) -> str | None:
    try:
        entry = json.loads(text)
    except ValueError:
        return None
    if not isinstance(entry, dict) or entry.get("message_id") != message_id:
        return None
    event = entry.get("event")
    return event if event in EVENTS else None


def sentence(events: Mapping[str, int], deliveries: int) -> str:
    """Return what became of a message's deliveries, in one phrase."""
    known: Sequence[tuple[str, str]] = (
        ("stored", "stored"),
        ("duplicate", "skipped as a duplicate"),
        ("in_progress", "left alone, because a lease on it held"),
        ("discarded", "not stored, because it was discarded"),
        ("failed", "failed"),
    )
    parts = [f"{events[event]} {text}" for event, text in known if events.get(event)]
    silent = deliveries - sum(events.values())
    if silent > 0:
        parts.append(f"{silent} not in the log yet")
    return ", ".join(parts)
