"""`b2bpilot dlq`: the group; each command has a file of its own."""

from __future__ import annotations

import typer

from b2bpilot.cli.dlq.selection import SelectingCommand
from b2bpilot.cli.frame.commands import Group
from b2bpilot.cli.frame.table import Place, group

app = group(
    typer.Typer(
        cls=Group, rich_markup_mode=None, help="See the dead letters, understand them, send them back."
    ),
    {
        "list": Place("b2bpilot.cli.dlq.listing:list_", SelectingCommand),
        "show": Place("b2bpilot.cli.dlq.show:show"),
        "redrive": Place("b2bpilot.cli.dlq.redrive:redrive", SelectingCommand),
        "replay": Place("b2bpilot.cli.dlq.replay:replay", SelectingCommand),
        "export": Place("b2bpilot.cli.dlq.archive:export", SelectingCommand),
        "discard": Place("b2bpilot.cli.dlq.discard:discard", SelectingCommand),
        "restore": Place("b2bpilot.cli.dlq.restore:restore"),
        "edit": Place("b2bpilot.cli.dlq.edit:edit"),
    },
)
