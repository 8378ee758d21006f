"""`b2bpilot dlq`: the group; each command has a file of its own."""

from __future__ import annotations

import typer

from b2bpilot.cli.dlq import archive, listing, redrive, replay, show
from b2bpilot.cli.dlq.selection import SelectingCommand
from b2bpilot.cli.frame.commands import Command, Group
from b2bpilot.cli.runs.kind import KINDS, RunKind

app = typer.Typer(
    cls=Group, rich_markup_mode=None, help="See the dead letters, understand them, send them back."
)

app.command("list", cls=SelectingCommand)(listing.list_)
app.command("show", cls=Command)(show.show)
app.command("redrive", cls=SelectingCommand)(redrive.redrive)
app.command("replay", cls=SelectingCommand)(replay.replay)
archive.register(app)
KINDS[replay.COMMAND] = RunKind(
    typed="dlq replay",
    well="accepted",
    perhaps={"sending": "perhaps processed", "unknown": "perhaps processed"},
    words={"accepted": "processed"},
    resume=replay.resume,
)
