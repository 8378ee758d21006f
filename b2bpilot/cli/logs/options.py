"""The options of `logs`."""

from __future__ import annotations

from typing import Annotated

import typer

from b2bpilot.cli.frame import values
from b2bpilot.cli.frame.options import WHEN

LEVELS = ("debug", "info", "warning", "error", "critical")


Functions = Annotated[
    list[str] | None,
    typer.Argument(
        help="webhook, processor, express, stale, redriver.  [default: all]",
        metavar="[FUNCTION]...",
        autocompletion=values.functions,
    ),
]
Subscriber = Annotated[
    str | None,
    typer.Option(
        "--subscriber",
        help="Only the functions of this subscriber of the topic: name or subscription ARN.",
        metavar="NAME",
        autocompletion=values.subscribers,
    ),
]
Follow = Annotated[
    bool, typer.Option("--follow", "-f", help="Keep showing new lines until Ctrl-C, which is exit code 0.")
]
Lines = Annotated[
    int | None,
    typer.Option(
        "--lines", "-n", min=0, help="Only the last N lines; 0 with --follow: only new ones.", metavar="N"
    ),
]
Since = Annotated[
    str | None,
    typer.Option(
        "--since",
        help=f"Start: {WHEN}.  [default: 10m; with --lines as far back as it takes, up to 1d]",
        metavar="WHEN",
    ),
]
Until = Annotated[str | None, typer.Option("--until", help="End.", metavar="WHEN")]
MessageId = Annotated[
    str | None,
    typer.Option(
        "--message-id", help="Only lines about this message: message_id or MessageSid.", metavar="ID"
    ),
]
RequestId = Annotated[
    str | None, typer.Option("--request-id", help="Only lines of this Lambda request.", metavar="ID")
]
Level = Annotated[
    str | None,
    typer.Option(
        "--level", help=f"Minimum level: {', '.join(LEVELS)}.", metavar="LEVEL", autocompletion=lambda: LEVELS
    ),
]
Filters = Annotated[
    list[str] | None,
    typer.Option(
        "--filter",
        help="Only lines that contain TEXT, or whose FIELD has this VALUE; repeatable, all must match.",
        metavar="TEXT|FIELD=VALUE",
    ),
]
