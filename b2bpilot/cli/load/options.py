"""The options of `load` that no other command has."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

MOST_CLIENTS = 1_000


Clients = Annotated[
    int,
    typer.Option(
        "--clients",
        min=1,
        max=MOST_CLIENTS,
        help="Number of concurrent clients.",
        metavar="N",
        show_default=True,
    ),
]
Requests = Annotated[
    int | None,
    typer.Option(
        "--requests", min=1, help="Messages per client.  [default: 10, without --duration]", metavar="N"
    ),
]
Duration = Annotated[
    str | None, typer.Option("--duration", help="Send for DURATION instead.", metavar="DURATION")
]
Ramp = Annotated[
    str, typer.Option("--ramp", help="Start the clients gradually, over DURATION.", metavar="DURATION")
]
Duplicates = Annotated[
    str,
    typer.Option(
        "--duplicates", help="Share of messages that are sent twice.", metavar="PERCENT", show_default=True
    ),
]
Poison = Annotated[
    str,
    typer.Option(
        "--poison",
        help="Share of messages that cannot be stored and become dead letters.",
        metavar="PERCENT",
        show_default=True,
    ),
]
High = Annotated[
    str,
    typer.Option(
        "--high",
        help="Share of messages that have high priority.",
        metavar="PERCENT",
        show_default=True,
    ),
]
Retry = Annotated[
    str,
    typer.Option(
        "--retry",
        help="Retry requests that were not accepted for up to DURATION.",
        metavar="DURATION",
        show_default=True,
    ),
]
Report = Annotated[
    Path | None, typer.Option("--report", help="Write an HTML report with charts.", metavar="FILE.html")
]
Keep = Annotated[bool, typer.Option("--keep", help="Do not remove the rows and dead letters.")]
ALLOW_UNKNOWN = "--allow-unknown-subscribers"
AllowUnknown = Annotated[
    bool,
    typer.Option(
        ALLOW_UNKNOWN, help="Send although it is unknown whether other subscribers get the messages, too."
    ),
]
