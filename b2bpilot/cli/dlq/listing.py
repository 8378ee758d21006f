"""`b2bpilot dlq list`."""

from __future__ import annotations

from collections.abc import Iterator
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

if TYPE_CHECKING:
    from b2bpilot.aws.queue_attributes import RedrivePolicy
    from b2bpilot.ops.dead_letters.listing import DeadLetterListing


def list_(
    ctx: typer.Context,
    *,
    exit_code: Annotated[bool, exit_code_if("there are any, or some could not be seen")] = False,
) -> None:
    """List dead letters by cause, with what the database says about them. They stay visible to others.

    Example: b2bpilot dlq list -e prod --since 2h --where "failure.kind == 'timeout'"
    """
    from b2bpilot.ops.dead_letters.listing import list_dead_letters

    pilot = pilot_of(ctx)
    selection = selection_of(ctx, pilot)
    now = pilot.now()
    queue = pilot.environment.queue()
    attributes = queue.attributes()
    _warn(pilot, attributes.redrive_policy)

    with pilot.output.progress("Reading the dead-letter queue") as tell:
        found = list_dead_letters(
            queue,
            selection=selection,
            retention=attributes.retention,
            table=pilot.table,
            now=now,
            observe=lambda saw, about: tell(f"Saw {saw:,} of about {dead_letters(about)}"),
        )
    if selection.is_everything:
        pilot.remember_groups({group.id: f"{group.count:,} {group.cause}" for group in found.groups})
    _show(pilot, found, now=pilot.now())
    for line in group_view.summary(found, selection):
        pilot.output.notice(line)
    if exit_code and (found.look.found or not found.look.is_complete):
        raise typer.Exit(FOUND_SOMETHING)


def _warn(pilot: Pilot, policy: RedrivePolicy | None) -> None:
    if policy is not None:
        target = policy.target_arn.rpartition(":")[2]
        pilot.output.notice(
            f"Warning: this queue has a redrive policy of its own. SQS moves what was received "
            f"{policy.max_receive_count} times to {target}, and every look receives"
        )


def _show(pilot: Pilot, found: DeadLetterListing, *, now: datetime) -> None:
    output = pilot.output
    if output.format is Format.TABLE:
        for group in found.groups:
            output.lines(group_view.lines(group, now=now))
        return
    rows: Iterator[Row] = (Row(fields=group_view.fields(group), columns={}) for group in found.groups)
    output.rows("groups", rows)
    if output.format is Format.JSON:
        output.record(group_view.summary_fields(found), text=())
