"""The options that several commands have: one spelling and one help text each."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer
from typer.models import OptionInfo

DEFAULT_LIMIT = 20
FOUND_SOMETHING = 3
"""What --exit-code ends with where there was something to find."""
WHEN = "30m, 2h, 1d, or ISO 8601 (UTC)"
"""How a time is typed, for the help of every option that takes one."""

DryRun = Annotated[bool, typer.Option("--dry-run", help="Show the plan and stop.")]
DRY_RUN = "Dry run: nothing was changed."
"""What every one ends with."""
Reason = Annotated[
    str | None,
    typer.Option("--reason", help="Why you do this; recorded in the run's journal.", metavar="TEXT"),
]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask for confirmation.")]
ConfirmEnvironment = Annotated[
    str | None,
    typer.Option(
        "--confirm",
        help="Confirm with the environment's name, where --yes is not enough: in production, and without a filter.",
        metavar="NAME",
    ),
]
Reveal = Annotated[bool, typer.Option("--reveal", help="Show phone numbers and texts in full.")]
Limit = Annotated[
    int | None,
    typer.Option("--limit", min=1, help=f"Maximum number to list.  [default: {DEFAULT_LIMIT}]", metavar="N"),
]
Rate = Annotated[float | None, typer.Option("--rate", min=0.01, help="Maximum per second.", metavar="N")]
Concurrency = Annotated[
    int | None,
    typer.Option("--concurrency", min=1, max=32, help="Maximum number of concurrent calls.", metavar="N"),
]
Wait = Annotated[
    str,
    typer.Option(
        "--wait",
        help="How long to wait for the rows that prove the result.",
        metavar="DURATION",
        show_default=True,
    ),
]
WaitIfAsked = Annotated[
    str | None,
    typer.Option("--wait", help="Wait for the rows: 30s, or DURATION.", metavar="[DURATION]"),
]
"""Of what does not wait by itself, and proves nothing then."""
RetryChecks = Annotated[
    str | None,
    typer.Option("--wait", help="Retry failing checks for up to DURATION.", metavar="[DURATION]"),
]
SourceTimeout = Annotated[
    str,
    typer.Option("--timeout", help="Timeout of a single source.", show_default=True, metavar="DURATION"),
]
CheckTimeout = Annotated[
    str,
    typer.Option("--check-timeout", help="Timeout of a single check.", metavar="DURATION", show_default=True),
]
WithTwilio = Annotated[
    bool, typer.Option("--with-twilio", help="Also query Twilio, with its account's token.")
]
Both = Annotated[
    bool, typer.Option("--both", help="Ask both sides of a pair: this region's, and PairRegion's.")
]


class PublishVia(StrEnum):
    """How `publish` and `load` send: the words are those of `ops.publish`, which loads client libraries."""

    TOPIC = "topic"
    WEBHOOK = "webhook"


Via = Annotated[
    PublishVia,
    typer.Option(
        "--via",
        help="topic, or webhook: a request signed with the account's token.",
        metavar="ROUTE",
        show_default=True,
    ),
]


def exit_code_if(found: str) -> OptionInfo:
    """Return --exit-code of a command that looks for something: it ends with FOUND_SOMETHING then."""
    option: OptionInfo = typer.Option("--exit-code", help=f"Exit with {FOUND_SOMETHING} if {found}.")
    return option
