"""`b2bpilot inspect`."""

from __future__ import annotations

from typing import Annotated

import typer

from b2bpilot.cli import submission
from b2bpilot.cli.context import pilot_of


def inspect(
    ctx: typer.Context,
    message_id: Annotated[
        str, typer.Argument(help="A message_id, or Twilio's MessageSid.", metavar="MESSAGE_ID")
    ],
    *,
    reveal: Annotated[bool, typer.Option("--reveal", help="Show numbers and texts in full.")] = False,
) -> None:
    """Show what is known of one message: its row in the database.

    Example: b2bpilot inspect -e prod SM00000000000000000000000000000001
    """
    from b2bpilot.ops import inspect as operation

    pilot = pilot_of(ctx)
    with pilot.database() as database:
        row = operation.find(message_id, database)
    fields = {**submission.fields(row, reveal=reveal), "params": submission.params(row, reveal=reveal)}
    pilot.output.pairs({"submission": fields}, text=submission.story(row, reveal=reveal, now=pilot.now()))
