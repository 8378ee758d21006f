"""`b2bpilot submissions`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

import typer

from b2bpilot.cli import submission
from b2bpilot.cli.commands import Command, Group
from b2bpilot.cli.context import pilot_of
from b2bpilot.cli.durations import parse_since
from b2bpilot.cli.output import Row
from b2bpilot.pipeline.models import SubmissionStatus

app = typer.Typer(cls=Group, rich_markup_mode=None, help="Read the table of submissions.")

STATUSES = ", ".join(SubmissionStatus)


@app.command("list", cls=Command)
def list_(
    ctx: typer.Context,
    *,
    status: Annotated[
        SubmissionStatus | None, typer.Option(help=f"Only rows in this state: {STATUSES}.", metavar="STATUS")
    ] = None,
    since: Annotated[
        str | None,
        typer.Option(help="Only rows created since: 30m, 2h, 1d, or ISO 8601 (UTC).", metavar="WHEN"),
    ] = None,
    limit: Annotated[int, typer.Option(min=1, help="At most so many.", show_default=True, metavar="N")] = 20,
    reveal: Annotated[bool, typer.Option("--reveal", help="Show numbers and texts in full.")] = False,
) -> None:
    """List submissions, newest first.

    Example: b2bpilot submissions list -e prod --status failed --since 2h
    """
    from b2bpilot.ops.submissions import Query, select

    pilot = pilot_of(ctx)
    now = pilot.now()
    query = Query(status=status, since=parse_since(since, "--since", now=now) if since else None, limit=limit)

    with pilot.database() as database:
        rows: Iterator[Row] = (
            Row(
                fields=submission.fields(row, reveal=reveal),
                columns=submission.columns(row, reveal=reveal, now=now),
            )
            for row in select(database, query)
        )
        count = pilot.output.rows("submissions", rows)
    if count == 0:
        pilot.output.notice("No submissions match.")
    elif count == limit:
        pilot.output.notice(f"The newest {count}; there may be more: --limit N")
