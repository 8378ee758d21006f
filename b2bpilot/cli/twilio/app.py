"""`b2bpilot twilio`."""

from __future__ import annotations

import typer

from b2bpilot.cli.frame.commands import PilotGroup
from b2bpilot.cli.frame.table import CommandPath, group

app = group(
    typer.Typer(
        cls=PilotGroup,
        rich_markup_mode=None,
        help="See what Twilio received and where it delivers; switch it over, and back.",
    ),
    {
        "reconcile": CommandPath(
            "b2bpilot.cli.twilio.reconcile:reconcile", "Compare Twilio's inbound messages with the table."
        ),
        "route": CommandPath(
            "b2bpilot.cli.twilio.route:route", "Show which URL receives the messages of each number."
        ),
        "cutover": CommandPath(
            "b2bpilot.cli.twilio.cutover:cutover", "Point a number or a Messaging Service at another webhook."
        ),
        "rollback": CommandPath("b2bpilot.cli.twilio.rollback:rollback", "Restore what a cut-over changed."),
    },
)
