"""`b2bpilot dlq`: the group; each command has a file of its own."""

from __future__ import annotations

import typer

from b2bpilot.cli.dlq.selection import DeadLetterCommand, SelectingCommand
from b2bpilot.cli.frame.commands import PilotGroup
from b2bpilot.cli.frame.table import CommandPath, group

app = group(
    typer.Typer(
        cls=PilotGroup, rich_markup_mode=None, help="List dead letters, find their cause, and send them back."
    ),
    {
        "list": CommandPath(
            "b2bpilot.cli.dlq.listing:list_", "List dead letters by cause.", SelectingCommand
        ),
        "show": CommandPath("b2bpilot.cli.dlq.show:show", "Show one dead letter in full.", DeadLetterCommand),
        "redrive": CommandPath(
            "b2bpilot.cli.dlq.redrive:redrive",
            "Send dead letters back, and prove what became of them.",
            SelectingCommand,
        ),
        "replay": CommandPath(
            "b2bpilot.cli.dlq.replay:replay",
            "Process copies of dead letters; the queue keeps them all.",
            SelectingCommand,
        ),
        "export": CommandPath(
            "b2bpilot.cli.dlq.archive:export", "Copy dead letters to a file as JSON lines.", SelectingCommand
        ),
        "discard": CommandPath(
            "b2bpilot.cli.dlq.discard:discard", "Remove dead letters from the queue.", SelectingCommand
        ),
        "restore": CommandPath(
            "b2bpilot.cli.dlq.restore:restore",
            "Put exported or discarded dead letters back into the queue.",
            DeadLetterCommand,
        ),
        "edit": CommandPath(
            "b2bpilot.cli.dlq.edit:edit",
            "Correct the message in a dead letter with your editor.",
            DeadLetterCommand,
        ),
    },
)
