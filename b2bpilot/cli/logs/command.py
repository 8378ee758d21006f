"""`b2bpilot logs`."""

from __future__ import annotations

import contextlib
from collections import deque
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING

import typer

from b2bpilot.cli.frame.context import Pilot, pilot_of
from b2bpilot.cli.frame.options import Reveal
from b2bpilot.cli.frame.settings import Format
from b2bpilot.cli.logs.options import (
    LEVELS,
    Filters,
    Follow,
    Functions,
    Level,
    Lines,
    MessageId,
    RequestId,
    Since,
    Subscriber,
    Until,
)
from b2bpilot.cli.text.durations import parse_duration, parse_period, parse_since
from b2bpilot.errors import AwsThrottled, AwsUnreachable, UsageError
from b2bpilot.pipeline.waiting import pause
from b2bpilot.plural import many

if TYPE_CHECKING:
    from b2bpilot.ops.logs.entry import LogEntry
    from b2bpilot.ops.logs.reading import Follower
    from b2bpilot.ops.logs.selection import LogSelection
    from b2bpilot.ops.ports import Log

POLL_SECONDS = 2.0
"""Four functions every two seconds stay below the account's FilterLogEvents calls a second."""
LOOKS_BACK = ("10m", "1h", "6h", "1d")
"""How far back, where no one says; `--lines` goes on until it has as many."""


def logs(
    ctx: typer.Context,
    functions: Functions = None,
    *,
    subscriber: Subscriber = None,
    follow: Follow = False,
    lines: Lines = None,
    since: Since = None,
    until: Until = None,
    message_id: MessageId = None,
    request_id: RequestId = None,
    level: Level = None,
    filters: Filters = None,
    reveal: Reveal = False,
) -> None:
    """Show the functions' log lines, merged by time.

    -o jsonl prints each line as it was logged, with its time and function.

    Example: b2bpilot logs -e prod processor --since 1h --filter event=failed
    """
    from b2bpilot.ops.logs import reading

    pilot = pilot_of(ctx)
    _require_one_owner(functions, subscriber)
    if follow and (until or pilot.output.format is Format.JSON):
        raise UsageError(
            "--follow cannot be used with --until or -o json",
            hint="leave out --until; in programs use -o jsonl",
        )
    if lines == 0 and not follow:
        raise UsageError("--lines: 0 shows nothing", hint="with --follow it shows only new lines")
    selection = _selection(message_id=message_id, request_id=request_id, level=level, filters=filters or [])
    _ = _periods(since, until, now=pilot.machine(), lines=lines)
    begins, end = _periods(since, until, now=pilot.now(), lines=lines)
    logs = _groups(pilot, functions or [], subscriber)

    def missing(function: str, group: str) -> None:
        pilot.output.notice(f"{function}: there is no log group {group} (yet): the function wrote nothing")

    last = None
    if lines:
        last = reading.newest(logs, selection, count=lines, begins=begins, until=end, missing=missing)
        begins = [last[0].at] if len(last) == lines else begins
    begin = pilot.now() if lines == 0 else begins[-1]
    if follow:
        follower = reading.Follower(logs, selection, since=begin, missing=missing)
        with contextlib.suppress(KeyboardInterrupt):  # it is how following ends
            _follow(pilot, follower, lines=lines, reveal=reveal)
        return
    found = reading.read(logs, selection, since=begin, until=end, missing=missing) if last is None else last
    shown = _show(pilot, found, reveal=reveal)
    if shown < (lines or 1):
        many_lines = f"Only {many(shown, 'line')}" if shown else "No lines"
        until_ = f" until {end:%Y-%m-%d %H:%M:%S}" if end else ""
        verb = "matches" if shown == 1 else "match"
        pilot.output.notice(f"{many_lines} {verb} since {begin:%Y-%m-%d %H:%M:%S}{until_} UTC.")


def _require_one_owner(functions: list[str] | None, subscriber: str | None) -> None:
    """Raises UsageError for functions of both, and for an empty variable of a script."""
    if subscriber is not None and functions:
        raise UsageError("--subscriber cannot be used with FUNCTION", hint="leave one of them out")
    if subscriber is not None and not subscriber.strip():
        raise UsageError(
            "--subscriber is empty", hint="name one, or leave it out for this environment's functions"
        )


def _groups(pilot: Pilot, functions: list[str], named: str | None) -> Mapping[str, Log]:
    if named is None:
        from b2bpilot.ops.logs.reading import groups

        return groups(pilot.environment, functions)
    from b2bpilot.ops.logs.of_subscriber import groups_of

    return groups_of(pilot.subscriber_named(pilot.environment, named.strip()), pilot.environment)


def _periods(
    since: str | None, until: str | None, *, now: datetime, lines: int | None
) -> tuple[list[datetime], datetime | None]:
    """Return the begins to try, the latest first, and the end. CloudWatch's lines have AWS's time. Raises UsageError."""
    if since is None and lines:
        _, end = parse_period(None, until, now=now)
        return [(end or now) - parse_duration(each, "--since") for each in LOOKS_BACK], end
    _, end = parse_period(since or LOOKS_BACK[0], until, now=now)
    return [parse_since(since or LOOKS_BACK[0], "--since", now=now)], end


def _selection(
    *, message_id: str | None, request_id: str | None, level: str | None, filters: list[str]
) -> LogSelection:
    from b2bpilot.ops.inspect import identify
    from b2bpilot.ops.logs import selection
    from b2bpilot.ops.logs.entry import level_named

    lowest = level_named(level) if level is not None else None
    if level is not None and lowest is None:
        raise UsageError(f"--level: {level!r} must be one of {', '.join(LEVELS)}")
    ids = [identify(message_id)] if message_id else []
    ids += [selection.request_id(request_id)] if request_id else []
    return selection.LogSelection(
        ids=ids,
        level=lowest,
        terms=[selection.term(text) for text in filters],
    )


def _follow(pilot: Pilot, follower: Follower, *, lines: int | None, reveal: bool) -> None:
    """Ask again and again: CloudWatch pushes nothing to who reads by FilterLogEvents. What passes (no network, too many
    calls) is said, and tried again."""
    if lines:
        _show(pilot, deque(follower.new(), maxlen=lines), reveal=reveal)
    while True:
        try:
            _show(pilot, follower.new(), reveal=reveal)
        except (AwsThrottled, AwsUnreachable) as exc:
            pilot.output.notice(f"{exc}; trying again")
        pause(POLL_SECONDS)


def _show(pilot: Pilot, found: Iterable[LogEntry], *, reveal: bool) -> int:
    """Print each line as it comes; one JSON document holds all of them."""
    from b2bpilot.cli.logs import log_line

    output, verbose = pilot.output, pilot.settings.verbose
    if output.format is Format.JSON:
        lines = [log_line.fields(entry, reveal=reveal) for entry in found]
        output.document["lines"] = lines
        return len(lines)
    count = 0
    for entry in found:
        if output.format is Format.JSONL:
            output.record(log_line.fields(entry, reveal=reveal), text=[])
        else:
            output.lines([log_line.text(entry, reveal=reveal, verbose=verbose)])
        count += 1
    output.finish()
    return count
