"""`b2bpilot logs`."""

from __future__ import annotations

from collections.abc import Iterable
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
    MessageId,
    RequestId,
    Since,
    Until,
)
from b2bpilot.cli.text.durations import parse_period, parse_since
from b2bpilot.errors import AwsThrottled, AwsUnreachable, UsageError
from b2bpilot.pipeline.waiting import pause

if TYPE_CHECKING:
    from b2bpilot.ops.logs.entry import LogEntry
    from b2bpilot.ops.logs.reading import Follower
    from b2bpilot.ops.logs.selection import LogSelection

POLL_SECONDS = 2.0
"""Four functions every two seconds stay below the account's FilterLogEvents calls a second."""


def logs(
    ctx: typer.Context,
    functions: Functions = None,
    *,
    follow: Follow = False,
    since: Since = "10m",
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
    if follow and (until or pilot.output.format is Format.JSON):
        raise UsageError(
            "--follow cannot be used with --until or -o json",
            hint="leave out --until; in programs use -o jsonl",
        )
    selection = _selection(message_id=message_id, request_id=request_id, level=level, filters=filters or [])
    _ = _period(since, until, now=pilot.machine())
    begin, end = _period(since, until, now=pilot.now())
    logs = reading.groups(pilot.environment, functions or [])

    def missing(function: str, group: str) -> None:
        pilot.output.notice(f"{function}: there is no log group {group} (yet): the function wrote nothing")

    if follow:
        _follow(pilot, reading.Follower(logs, selection, since=begin, missing=missing), reveal=reveal)
        return
    found = reading.read(logs, selection, since=begin, until=end, missing=missing)
    if _show(pilot, found, reveal=reveal) == 0:
        until_ = f" until {end:%Y-%m-%d %H:%M:%S}" if end else ""
        pilot.output.notice(f"No lines match since {begin:%Y-%m-%d %H:%M:%S}{until_} UTC.")


def _period(since: str, until: str | None, *, now: datetime) -> tuple[datetime, datetime | None]:
    """CloudWatch's lines have AWS's time. Raises UsageError."""
    _, end = parse_period(since, until, now=now)
    return parse_since(since, "--since", now=now), end


def _selection(
    *, message_id: str | None, request_id: str | None, level: str | None, filters: list[str]
) -> LogSelection:
    from b2bpilot.ops.inspect import identify
    from b2bpilot.ops.logs import selection
    from b2bpilot.ops.logs.entry import LogLevel

    if level is not None and level.lower() not in LEVELS:
        raise UsageError(f"--level: {level!r} must be one of {', '.join(LEVELS)}")
    ids = [identify(message_id)] if message_id else []
    ids += [selection.request_id(request_id)] if request_id else []
    return selection.LogSelection(
        ids=ids,
        level=LogLevel[level.upper()] if level else None,
        terms=[selection.term(text) for text in filters],
    )


def _follow(pilot: Pilot, follower: Follower, *, reveal: bool) -> None:
    """Ask again and again: CloudWatch pushes nothing to who reads by FilterLogEvents. What passes (no network, too many
    calls) is said, and tried again."""
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
            output.record({}, text=[log_line.text(entry, reveal=reveal, verbose=verbose)])
        count += 1
    output.finish()
    return count
