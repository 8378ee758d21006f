"""`b2bpilot dlq`: the group; each command has a file of its own."""

from __future__ import annotations

import typer

from b2bpilot.cli import dlq_archive, dlq_list, dlq_redrive, dlq_replay, dlq_show, runs
from b2bpilot.cli.commands import Command, Group
from b2bpilot.cli.dlq_selection import SelectingCommand

app = typer.Typer(
    cls=Group, rich_markup_mode=None, help="See the dead letters, understand them, send them back."
)

app.command("list", cls=SelectingCommand)(dlq_list.list_)
app.command("show", cls=Command)(dlq_show.show)
app.command("redrive", cls=SelectingCommand)(dlq_redrive.redrive)
app.command("replay", cls=SelectingCommand)(dlq_replay.replay)
dlq_archive.register(app)
runs.RESUMERS[dlq_replay.COMMAND] = dlq_replay.resume
