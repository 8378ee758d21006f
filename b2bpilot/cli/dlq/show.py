"""`b2bpilot dlq show`."""

from __future__ import annotations

import typer

from b2bpilot.cli.dlq import dead_letter_view
from b2bpilot.cli.dlq.options import DeadLetterId, dead_letters
from b2bpilot.cli.frame.context import pilot_of
from b2bpilot.cli.frame.options import Reveal
from b2bpilot.cli.output import pairs
from b2bpilot.cli.runs.running import failed_before


def show(
    ctx: typer.Context,
    dead_letter_id: DeadLetterId,
    *,
    reveal: Reveal = False,
) -> None:
    """Show one dead letter in full: failure, timeline, message, row, log lines, and what a redrive would do.

    Example: b2bpilot dlq show -e prod SM00000000000000000000000000000001
    """
    from b2bpilot.aws.logs import LogGroup
    from b2bpilot.ops.dead_letters.listing import show_dead_letter
    from b2bpilot.ops.inspect import identify

    pilot = pilot_of(ctx)
    wanted = identify(dead_letter_id)
    environment, now = pilot.environment, pilot.now()
    queue = environment.queue()
    with pilot.output.progress("Looking for the dead letter") as tell:
        shown = show_dead_letter(
            queue,
            wanted,
            retention=queue.attributes().retention,
            table=pilot.table,
            log=lambda: LogGroup.of_function(environment.function().short_name, access=environment.access),
            failed_before=failed_before(pilot),
            now=now,
            observe=lambda saw, about: tell(f"Saw {saw:,} of about {dead_letters(about)}"),
        )
    pilot.output.record(
        {"dead_letter": dead_letter_view.fields(shown, reveal=reveal)},
        text=pairs(dead_letter_view.story(shown, reveal=reveal, now=now)),
    )
