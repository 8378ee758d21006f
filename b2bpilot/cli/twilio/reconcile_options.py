"""The options of `twilio reconcile` that no other command has."""

from __future__ import annotations

from typing import Annotated

import typer

from b2bpilot.cli.frame.options import exit_code_if

Since = Annotated[
    str, typer.Option("--since", help="Start of the comparison: 24h, 7d, or ISO 8601 (UTC).", metavar="WHEN")
]
To = Annotated[
    str | None,
    typer.Option(
        "--to", help="Only messages to this number: +15005550001 or whatsapp:+15005550001.", metavar="NUMBER"
    ),
]
Late = Annotated[
    str,
    typer.Option(
        "--late",
        help="Report messages as late that were stored more than DURATION after Twilio's call.",
        metavar="DURATION",
    ),
]
Fresh = Annotated[
    str,
    typer.Option(
        "--fresh",
        help="Do not report messages as missing that are younger than DURATION.",
        metavar="DURATION",
    ),
]
PublishMissing = Annotated[
    bool,
    typer.Option("--publish-missing", help="Publish missing messages, and prove that they were stored."),
]
EvenIfQueued = Annotated[
    bool,
    typer.Option(
        "--even-if-queued",
        help="Also publish messages that may be in one of our queues: what Twilio still has is stored, and the rest of the queued copy (buttons, profile, geography) is skipped.",
    ),
]
AllowPartial = Annotated[
    bool,
    typer.Option(
        "--allow-partial",
        help="Also publish what is left of messages that are or may be redacted at Twilio: a full copy that arrives later is skipped.",
    ),
]
ExitCode = Annotated[
    bool,
    exit_code_if(
        "a message is missing, lost at Twilio, only in the dead-letter queue, or its id is taken by a test message"
    ),
]
