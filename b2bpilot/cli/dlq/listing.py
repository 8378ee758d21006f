"""`b2bpilot dlq list`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import typer

from b2bpilot.cli.dlq import group_view
from b2bpilot.cli.dlq.options import dead_letters
from b2bpilot.cli.dlq.selection import selection_of
from b2bpilot.cli.frame.context import Pilot, pilot_of
from b2bpilot.cli.frame.options import FOUND_SOMETHING, exit_code_if
from b2bpilot.cli.frame.settings import Format
from b2bpilot.cli.output import Row
from b2bpilot.pipeline.arn import name_of

if TYPE_CHECKING:
    from b2bpilot.aws.queue import DeadLetterQueue
    from b2bpilot.aws.queue_attributes import QueueAttributes, RedrivePolicy
    from b2bpilot.ops.dead_letters.filters import Selection
    from b2bpilot.ops.dead_letters.listing import DeadLetterListing


def list_(
    ctx: typer.Context,
    *,
    watch: Annotated[
        bool, typer.Option("--watch", help="Look again until Ctrl-C; with -o jsonl, one line per look.")
    ] = False,
    interval: Annotated[
        str, typer.Option(help="Time between looks, with --watch.", show_default=True, metavar="DURATION")
    ] = "60s",
    every: Annotated[
        bool, typer.Option("--all", help="Those of every subscriber, each under its name.")
    ] = False,
    exit_code: Annotated[bool, exit_code_if("there are any, or some could not be seen")] = False,
) -> None:
    """List dead letters by cause, with what the database says about them. They stay visible to others.

    --watch ends at Ctrl-C with exit code 0; between two looks nothing is kept from a redrive. With --all a subscriber that
    cannot be read is named, and the exit code is 4; so is the other side of a pair, which is listed below this one's.

    Example: b2bpilot dlq list -e prod --since 2h --where "failure.kind == 'timeout'"
    """
    from b2bpilot.cli.dlq import every_subscriber, other_side

    pilot = pilot_of(ctx)
    selection = selection_of(ctx, pilot)
    if every:
        every_subscriber.require_alone(pilot, watch=watch)
        listed = every_subscriber.each(pilot, lambda one: _listed(one, selection))
        found_any = any(one.get("matched") or not one.get("complete", True) for one in listed)
    elif watch:
        _watch(pilot, selection, interval, exit_code=exit_code)
        return
    else:
        look = _list(pilot, selection, side=other_side.name_of_this(pilot)).look
        found_any = bool(look.found) or not look.is_complete
        if pilot.subscriber is None:
            there = other_side.list_other(pilot, lambda one, side: _listed(one, selection, side=side))
            found_any = found_any or bool(there.get("matched")) or not there.get("complete", True)
    if every or pilot.subscriber:
        other_side.tell_unasked(pilot)
    if exit_code and found_any:
        raise typer.Exit(FOUND_SOMETHING)


def _watch(pilot: Pilot, selection: Selection, interval: str, *, exit_code: bool) -> None:
    from b2bpilot.cli.dlq import watching

    every = watching.interval_of(pilot, interval, exit_code=exit_code)
    queue = pilot.environment.queue()
    attributes = queue.attributes()
    watching.require_harmless(attributes.redrive_policy)
    watching.watch(pilot, lambda: _look(pilot, queue, attributes, selection), selection, interval=every)


def _listed(pilot: Pilot, selection: Selection, *, side: str | None = None) -> dict[str, object]:
    """List one of several subscribers' dead letters, or the other side's, and return for programs what there is."""
    found = _list(pilot, selection, is_one_of_several=True, side=side)
    groups = [group_view.fields(group) for group in found.groups]
    return {"groups": groups, **group_view.summary_fields(found), "error": None}


def _list(
    pilot: Pilot, selection: Selection, *, is_one_of_several: bool = False, side: str | None = None
) -> DeadLetterListing:
    queue = pilot.environment.queue()
    attributes = queue.attributes()
    _warn(pilot, attributes.redrive_policy)
    name = side or _named(pilot, is_one_of_several=is_one_of_several)
    of = f" of {name[:1].lower()}{name[1:]}" if name else ""
    with pilot.output.progress(f"Reading the dead-letter queue{of}") as tell:
        found = _look(pilot, queue, attributes, selection, tell)
    if selection.is_everything and not (side and is_one_of_several):
        pilot.remember_groups({group.id: f"{group.count:,} {group.cause}" for group in found.groups})
    if name:
        pilot.output.lines([f"{name}:{'' if found.groups else f' {group_view.nothing(found)}'}"])
    _show(pilot, found, now=pilot.now(), is_one_of_several=is_one_of_several)
    is_told = bool(name) and pilot.output.format is Format.TABLE
    for line in group_view.summary(found, selection, is_emptiness_told=is_told):
        pilot.output.notice(f"{name}: " + line if name else line)
    if found.look.about == 0 and (not name or (side and not is_one_of_several)) and pilot.knows_others:
        pilot.output.notice(
            "That is the processor's. Other subscribers have queues of their own: --all lists those, too."
        )
    for step in group_view.next_steps(found, selection):
        pilot.output.notice(step)
    return found


def _named(pilot: Pilot, *, is_one_of_several: bool) -> str | None:
    """Return in words whose they are, where that has to be said: what is said of a queue does not stand beside its subscriber's name."""
    from b2bpilot.ops.recipient import PROCESSOR

    subscriber = pilot.environment.subscriber or (PROCESSOR if is_one_of_several else None)
    return f"Subscriber {subscriber}" if subscriber else None


def _look(
    pilot: Pilot,
    queue: DeadLetterQueue,
    attributes: QueueAttributes,
    selection: Selection,
    tell: Callable[[str], None] = lambda _: None,
) -> DeadLetterListing:
    from b2bpilot.ops.dead_letters.listing import list_dead_letters

    found = list_dead_letters(
        queue,
        selection=selection,
        retention=attributes.retention,
        table=pilot.table,
        now=pilot.now(),
        observe=lambda saw, about: tell(f"Saw {saw:,} of about {dead_letters(about)}"),
    )
    group_view.remember(pilot, queue.url, found)
    return found


def _warn(pilot: Pilot, policy: RedrivePolicy | None) -> None:
    if policy is not None:
        target = name_of(policy.target_arn)
        pilot.output.notice(
            f"Warning: this queue has a redrive policy of its own. SQS moves what was received "
            f"{policy.max_receive_count} times to {target}, and every look receives"
        )


def _show(pilot: Pilot, found: DeadLetterListing, *, now: datetime, is_one_of_several: bool = False) -> None:
    output = pilot.output
    if output.format is Format.TABLE:
        for group in found.groups:
            output.lines(group_view.lines(group, now=now))
        return
    if is_one_of_several:
        return
    rows: Iterator[Row] = (Row(fields=group_view.fields(group), columns={}) for group in found.groups)
    output.rows("groups", rows)
    if output.format is Format.JSON:
        subscriber = pilot.environment.subscriber
        whose = {"subscriber": subscriber} if subscriber else {}
        output.record({**whose, **group_view.summary_fields(found)}, text=())
