"""Several functions' logs merged by time, read once or followed. Memory stays flat: a page of each at a time."""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from b2bpilot.aws.logs import LogGroup, LogGroupMissing
from b2bpilot.errors import UsageError
from b2bpilot.ops.environment import Environment
from b2bpilot.ops.logs.entry import LogEntry, entry
from b2bpilot.ops.logs.selection import LogSelection
from b2bpilot.ops.ports import Log

OVERLAP = timedelta(seconds=60)
"""A line may reach CloudWatch after younger ones; one that comes by so much later is still shown."""

FUNCTIONS = ("webhook", "processor", "express", "stale", "redriver")


Missing = Callable[[str, str], None]
"""Is told the function and its log group that does not exist."""


def function_names(environment: Environment) -> Mapping[str, str]:
    """Return the functions' full names by their short ones: without an express lane, none of it."""
    stack = environment.stack
    names = (
        stack.webhook_function_name,
        stack.processor_function_name,
        stack.express_function_name,
        stack.stale_function_name,
        stack.redriver_function_name,
    )
    return {short: full for short, full in zip(FUNCTIONS, names, strict=True) if full}


def groups(environment: Environment, chosen: Sequence[str] = ()) -> dict[str, Log]:
    """Return the logs of the chosen functions, of all when none is; a full name serves, too. Raises UsageError."""
    names = function_names(environment)
    short = {full: name for name, full in names.items()} | {name: name for name in names}
    if unknown := [name for name in chosen if name not in short]:
        raise UsageError(f"there is no function {unknown[0]!r}", hint=f"one of {', '.join(names)}")
    wanted = {short[name] for name in chosen} or set(names)
    return {
        name: LogGroup.of_function(full, access=environment.access)
        for name, full in names.items()
        if name in wanted
    }


def read(
    logs: Mapping[str, Log],
    selection: LogSelection,
    *,
    since: datetime,
    until: datetime | None,
    missing: Missing,
) -> Iterator[LogEntry]:
    """Yield what is there now, oldest first. Raises AwsError."""
    each = [
        _present(name, group, _entries(name, group, selection, since=since, until=until), missing)
        for name, group in logs.items()
    ]
    return heapq.merge(*each, key=lambda found: found.at)


def newest(
    logs: Mapping[str, Log],
    selection: LogSelection,
    *,
    count: int,
    begins: Sequence[datetime],
    until: datetime | None,
    missing: Missing,
) -> list[LogEntry]:
    """Return the last `count` lines since the first of `begins` that has as many, oldest first. Raises AwsError."""
    told: set[str] = set()

    def once(function: str, group: str) -> None:
        if function not in told:
            told.add(function)
            missing(function, group)

    found: deque[LogEntry] = deque(maxlen=count)
    for begin in begins:
        found = deque(read(logs, selection, since=begin, until=until, missing=once), maxlen=count)
        if len(found) == count:
            break
    return list(found)


class Follower:
    """Reads again and again what is new. Each line once, and none left out that arrives within OVERLAP."""

    def __init__(
        self, logs: Mapping[str, Log], selection: LogSelection, *, since: datetime, missing: Missing
    ) -> None:
        self._logs = logs
        self._selection = selection
        self._cursors = {name: _Cursor(newest=since, begin=since) for name in logs}
        self._missing = missing
        self._told: set[str] = set()

    def new(self) -> Iterator[LogEntry]:
        """Yield the lines that were not yielded before, by time. Raises AwsError; then the next call goes on.

        A line counts as read when it is handed out, not when it is fetched: a group that fails takes none with it.
        """
        each = [
            _present(name, group, self._of(name, group), self._tell) for name, group in self._logs.items()
        ]
        for found in heapq.merge(*each, key=lambda found: found.at):
            self._cursors[found.function].take(found)
            yield found

    def _of(self, name: str, group: Log) -> Iterator[LogEntry]:
        cursor = self._cursors[name]
        for found in group.events(since=cursor.start, pattern=self._selection.pattern):
            parsed = entry(found, name)
            if not self._selection.matches(parsed):
                cursor.advance(found.at)
            elif cursor.is_new(parsed):
                yield parsed

    def _tell(self, function: str, group: str) -> None:
        if function not in self._told:
            self._told.add(function)
            self._missing(function, group)


@dataclass(slots=True, kw_only=True)
class _Cursor:
    """How far one group was read. It moves with the lines' own times: this machine's clock may differ from AWS's."""

    begin: datetime
    newest: datetime
    _order: deque[tuple[datetime, str]] = field(default_factory=deque)
    _seen: set[str] = field(default_factory=set)

    @property
    def start(self) -> datetime:
        return max(self.begin, self.newest - OVERLAP)

    def is_new(self, log_entry: LogEntry) -> bool:
        return log_entry.event_id not in self._seen

    def take(self, log_entry: LogEntry) -> None:
        self._seen.add(log_entry.event_id)
        self._order.append((log_entry.at, log_entry.event_id))
        self.advance(log_entry.at)

    def advance(self, to: datetime) -> None:
        """Move on, and forget what lies before the next start: it is not read again."""
        self.newest = max(self.newest, to)
        while self._order and self._order[0][0] < self.start:
            self._seen.discard(self._order.popleft()[1])


def _entries(
    name: str, group: Log, selection: LogSelection, *, since: datetime, until: datetime | None
) -> Iterator[LogEntry]:
    for found in group.events(since=since, until=until, pattern=selection.pattern):
        parsed = entry(found, name)
        if selection.matches(parsed):
            yield parsed


def _present(name: str, group: Log, entries: Iterator[LogEntry], missing: Missing) -> Iterator[LogEntry]:
    try:
        yield from entries
    except LogGroupMissing:
        missing(name, group.name)
