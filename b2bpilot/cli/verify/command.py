"""`b2bpilot verify`."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

import typer

from b2bpilot.cli.frame import values
from b2bpilot.cli.frame.context import pilot_of
from b2bpilot.cli.frame.options import Both, CheckTimeout, RetryChecks, WithTwilio
from b2bpilot.cli.text.durations import parse_duration
from b2bpilot.cli.verify import permissions, verify_run
from b2bpilot.errors import UsageError

Only = Annotated[
    list[str] | None,
    typer.Option(
        help="Run only these checks; repeatable.", metavar="CODE|CATEGORY", autocompletion=values.checks
    ),
]
Skip = Annotated[
    list[str] | None,
    typer.Option(
        help="Skip these checks; repeatable.", metavar="CODE|CATEGORY", autocompletion=values.checks
    ),
]

OnlySubscriber = Annotated[
    list[str] | None,
    typer.Option(
        "--subscriber",
        help="Check only this subscriber; what is wrong with it is a failure. Repeatable.",
        metavar="NAME",
    ),
]


def verify(
    ctx: typer.Context,
    *,
    wait: RetryChecks = None,
    only: Only = None,
    skip: Skip = None,
    subscriber: OnlySubscriber = None,
    strict: Annotated[bool, typer.Option("--strict", help="Exit with 1 for warnings, too.")] = False,
    no_e2e: Annotated[bool, typer.Option("--no-e2e", help="Do not send a test message.")] = False,
    keep: Annotated[bool, typer.Option("--keep", help="Do not remove the test message's row.")] = False,
    with_twilio: WithTwilio = False,
    both: Both = False,
    check_timeout: CheckTimeout = "20s",
    print_iam: Annotated[
        bool,
        typer.Option("--print-iam", help="Print the minimum IAM policy of each command, and check nothing."),
    ] = False,
    yes: Annotated[
        bool, typer.Option("--yes", "-y", help="Send the test message without asking, even in production.")
    ] = False,
) -> None:
    """Check that an environment is deployed correctly and healthy, and say how to fix what is not.

    The last checks send a test message through it, twice: it must become one row, which is then removed. Nobody gets a
    reply. Other subscribers of the topic are checked, too: what is wrong with them is a warning, unless --subscriber asks. -o
    also takes `short` (only what is not ok) and `junit`. --both checks each side of a pair, then what both must have alike
    (category pair); a side that does not answer is a failed check. Exit code 1: a check failed; 2: every check was left out.

    Example: b2bpilot verify -e prod --wait 5m
    """
    from b2bpilot.ops.verify.catalogue import CHECKS
    from b2bpilot.ops.verify.report import has_failed, require_some_asked
    from b2bpilot.ops.verify.selection import for_sides, of_subscribers, select

    if print_iam:
        permissions.show(pilot_of(ctx))
        return
    pilot = pilot_of(ctx)
    if no_e2e and keep:
        raise UsageError("--keep cannot be used with --no-e2e", hint="leave one of them out")
    checks = select(CHECKS, only=only or (), skip=skip or ())
    request = verify_run.VerifyOptions(
        checks=for_sides(of_subscribers(checks) if subscriber else checks, both=both),
        subscribers=tuple(subscriber or ()),
        wait=parse_duration(wait, "--wait") if wait else timedelta(),
        check_seconds=parse_duration(check_timeout, "--check-timeout").total_seconds(),
        strict=strict,
        end_to_end=not no_e2e,
        keep=keep,
        with_twilio=with_twilio,
        yes=yes,
        both=both,
    )
    results = verify_run.run(pilot, request)
    require_some_asked(results)
    if has_failed(results, strict=strict):
        raise typer.Exit(1)
