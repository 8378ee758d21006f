"""`b2bpilot twilio`."""

from __future__ import annotations

import typer

from b2bpilot.cli.frame.commands import Command, Group
from b2bpilot.cli.twilio.cutover import cutover
from b2bpilot.cli.twilio.reconcile import reconcile
from b2bpilot.cli.twilio.rollback import rollback
from b2bpilot.cli.twilio.route import route

app = typer.Typer(
    cls=Group,
    rich_markup_mode=None,
    help="Ask Twilio what it received and where it delivers; switch it over, and back.",
)

app.command("reconcile", cls=Command)(reconcile)
app.command("route", cls=Command)(route)
app.command("cutover", cls=Command)(cutover)
app.command("rollback", cls=Command)(rollback)
