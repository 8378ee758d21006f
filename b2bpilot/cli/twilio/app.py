"""`b2bpilot twilio`."""

from __future__ import annotations

import typer

from b2bpilot.cli.frame.commands import Group
from b2bpilot.cli.frame.table import Place, group

app = group(
    typer.Typer(
        cls=Group,
        rich_markup_mode=None,
        help="Ask Twilio what it received and where it delivers; switch it over, and back.",
    ),
    {
        "reconcile": Place("b2bpilot.cli.twilio.reconcile:reconcile"),
        "route": Place("b2bpilot.cli.twilio.route:route"),
        "cutover": Place("b2bpilot.cli.twilio.cutover:cutover"),
        "rollback": Place("b2bpilot.cli.twilio.rollback:rollback"),
    },
)
