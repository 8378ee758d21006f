"""The options of `twilio cutover` that no other command has."""

from __future__ import annotations

from typing import Annotated

import typer

from b2bpilot.twilio.webhook_setting import ProbeKind

To = Annotated[
    str,
    typer.Option(
        "--to",
        help="New webhook URL, or `stack` for the environment's own.",
        metavar="URL",
        autocompletion=lambda: ["stack"],
    ),
]
Number = Annotated[str | None, typer.Option("--number", help="Number to switch over.", metavar="NUMBER")]
Service = Annotated[
    str | None, typer.Option("--service", help="Messaging Service to switch over.", metavar="SID")
]
Fallback = Annotated[
    str | None,
    typer.Option(
        "--fallback",
        help="Also set the fallback URL, or `pair` for the other side's; by default it is not changed.",
        metavar="URL",
        autocompletion=lambda: ["pair"],
    ),
]
Probe = Annotated[
    ProbeKind,
    typer.Option(
        "--probe",
        help="Request that probes the URLs before the switch: json (a test message) or form.",
        metavar="KIND",
        show_default=True,
    ),
]
ConfirmTarget = Annotated[
    str | None,
    typer.Option(
        "--confirm", help="Confirm without a prompt: the number, or the SID in the plan.", metavar="NAME"
    ),
]
