"""`b2bpilot verify`."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

import typer

from b2bpilot.cli.frame.context import pilot_of
from b2bpilot.cli.text.durations import parse_duration
from b2bpilot.cli.verify import permissions, verify_run
from b2bpilot.errors import UsageError

Names = list[str] | None


def verify(
    ctx: typer.Context,
    *,
    wait: Annotated[
        str | None,
        typer.Option(help="Look again for so long, while it can still become true.", metavar="[DURATION]"),
    ] = None,
    only: Annotated[
        Names, typer.Option(help="Only these checks; repeatable.", metavar="CODE|CATEGORY")
    ] = None,
    skip: Annotated[
        Names, typer.Option(help="Not these checks; repeatable.", metavar="CODE|CATEGORY")
    ] = None,
    strict: Annotated[bool, typer.Option("--strict", help="End with 1 for a warning, too.")] = False,
    no_e2e: Annotated[bool, typer.Option("--no-e2e", help="Send no test message.")] = False,
    keep: Annotated[bool, typer.Option("--keep", help="Leave the test message's row.")] = False,
    with_twilio: Annotated[
        bool, typer.Option("--with-twilio", help="Ask Twilio, too: its token, and where its messages go.")
    ] = False,
    check_timeout: Annotated[
        str, typer.Option(help="How long one check may take.", metavar="DURATION", show_default=True)
    ] = "20s",
    print_iam: Annotated[
        bool, typer.Option("--print-iam", help="Print the least policy for each command; check nothing.")
    ] = False,
    yes: Annotated[
        bool, typer.Option("--yes", "-y", help="Send the test message without asking, in production, too.")
    ] = False,
) -> None:
    """Check that an environment is deployed right and healthy, and say how to fix what is not.

    At last a test message goes through it, twice, and must be one row, which is then removed. Nobody gets a reply.
    -o also takes `short` (only what is not ok) and `junit`. Ends with 1 when a check failed, with 2 when all were left out.

    Example: b2bpilot verify -e prod --wait 5m
    """
    from b2bpilot.ops.verify.catalogue import CHECKS
    from b2bpilot.ops.verify.report import has_failed, require_some_asked
    from b2bpilot.ops.verify.selection import select

    if print_iam:
        permissions.show(pilot_of(ctx))
        return
    pilot = pilot_of(ctx, views=verify_run.VIEWS)
    if no_e2e and keep:
        raise UsageError("--keep has no meaning with --no-e2e", hint="leave one of them out")
    request = verify_run.Request(
        checks=select(CHECKS, only=only or (), skip=skip or ()),
        wait=parse_duration(wait, "--wait") if wait else timedelta(),
        check_seconds=parse_duration(check_timeout, "--check-timeout").total_seconds(),
        strict=strict,
        end_to_end=not no_e2e,
        keep=keep,
        with_twilio=with_twilio,
        yes=yes,
    )
    results = verify_run.run(pilot, request)
    require_some_asked(results)
    if has_failed(results, strict=strict):
        raise typer.Exit(1)
