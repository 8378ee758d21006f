"""`b2bpilot twilio`."""

from __future__ import annotations

import typer

from b2bpilot.cli.commands import Command, Group
from b2bpilot.cli.twilio_reconcile import reconcile

app = typer.Typer(
    cls=Group,
    rich_markup_mode=None,
    help="Ask Twilio what it received and where it delivers; switch it over, and back.",
)

app.command("reconcile", cls=Command)(reconcile)
