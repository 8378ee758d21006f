"""`b2bpilot dlq`: the group; each command has a file of its own."""

from __future__ import annotations

import typer

from b2bpilot.cli.dlq.selection import SelectingCommand
from b2bpilot.cli.frame.commands import PilotGroup
from b2bpilot.cli.frame.table import CommandPath, group

app = group(
    typer.Typer(
        cls=PilotGroup, rich_markup_mode=None, help="List dead letters, find their cause, and send them back."
    ),
    {
        "list": CommandPath("b2bpilot.cli.dlq.listing:list_", SelectingCommand),
        "show": CommandPath("b2bpilot.cli.dlq.show:show"),
        "redrive": CommandPath("b2bpilot.cli.dlq.redrive:redrive", SelectingCommand),
        "replay": CommandPath("b2bpilot.cli.dlq.replay:replay", SelectingCommand),
        "export": CommandPath("b2bpilot.cli.dlq.archive:export", SelectingCommand),
        "discard": CommandPath("b2bpilot.cli.dlq.discard:discard", SelectingCommand),
        "restore": CommandPath("b2bpilot.cli.dlq.restore:restore"),
        "edit": CommandPath("b2bpilot.cli.dlq.edit:edit"),
    },
)
