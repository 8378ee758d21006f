"""`b2bpilot dlq list --watch`: the list again and again, until Ctrl-C."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from b2bpilot.cli.dlq import group_view
from b2bpilot.cli.frame.context import Pilot
from b2bpilot.cli.frame.settings import Format
from b2bpilot.cli.output import Line
from b2bpilot.cli.text.durations import parse_duration
from b2bpilot.errors import AwsThrottled, AwsUnreachable, UsageError
from b2bpilot.pipeline.message import format_time
from b2bpilot.pipeline.waiting import pause

if TYPE_CHECKING:
    from b2bpilot.aws.queue_attributes import RedrivePolicy
    from b2bpilot.ops.dead_letters.filters import Selection
    from b2bpilot.ops.dead_letters.listing import DeadLetterListing

SHORTEST_INTERVAL = timedelta(seconds=10)
"""A look keeps dead letters out of others' sight while it lasts; in between they are free for a redrive."""


def interval_of(pilot: Pilot, text: str, *, exit_code: bool) -> timedelta:
    """Raises UsageError."""
    interval = parse_duration(text, "--interval")
    if interval < SHORTEST_INTERVAL:
        raise UsageError(
            f"--interval: {text} is shorter than 10 seconds",
            hint="each look hides what it receives from others",
        )
    if exit_code:
        raise UsageError("--exit-code cannot be used with --watch", hint="leave one of them out")
    if pilot.output.format is Format.JSON:
        raise UsageError("-o json is one document; --watch has many", hint="use -o jsonl")
    return interval


def require_harmless(policy: RedrivePolicy | None) -> None:
    """Raises UsageError: a queue with a redrive policy of its own moves what was received often enough."""
    if policy is not None:
        raise UsageError(
            f"--watch would receive each dead letter again and again, and this queue moves what was received "
            f"{policy.max_receive_count} times",
            hint="list without --watch",
        )


def watch(
    pilot: Pilot, look: Callable[[], DeadLetterListing], selection: Selection, *, interval: timedelta
) -> None:
    """Ctrl-C is how it ends, so that is no failure. What passes (no network, too many calls) is said, and tried again."""
    try:
        with pilot.output.screen() as draw:
            while True:
                try:
                    _show(pilot, look(), selection, draw, interval=interval)
                except (AwsThrottled, AwsUnreachable) as exc:
                    draw([Line(f"{exc}; trying again in {interval.total_seconds():g} s")])
                pause(interval.total_seconds())
    except KeyboardInterrupt:
        return


def _show(
    pilot: Pilot,
    found: DeadLetterListing,
    selection: Selection,
    draw: Callable[[Sequence[Line]], None],
    *,
    interval: timedelta,
) -> None:
    now = pilot.now()
    if pilot.output.format is Format.TABLE:
        draw(list(_lines(found, selection, now=now, interval=interval)))
        return
    groups = [group_view.fields(group) for group in found.groups]
    fields = {"at": format_time(now), "groups": groups, **group_view.summary_fields(found)}
    pilot.output.record({"dead_letters": fields}, text=())
    pilot.output.stdout.flush()


def _lines(
    found: DeadLetterListing, selection: Selection, *, now: datetime, interval: timedelta
) -> Iterator[Line]:
    for group in found.groups:
        for line in group_view.lines(group, now=now):
            yield line if isinstance(line, Line) else Line(line)
    for said in group_view.summary(found, selection):
        yield Line(said)
    yield Line(
        f"As of {now:%H:%M:%S} UTC, again every {interval.total_seconds():g} s; Ctrl-C ends it. Between two looks the dead "
        "letters are free."
    )
