"""`b2bpilot subscribers`: can each of the topic's subscriptions receive, and which messages does it take?"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from typer.core import TyperGroup

from b2bpilot.advice import our_command
from b2bpilot.cli.frame.commands import PilotGroup
from b2bpilot.cli.frame.context import Pilot, pilot_of
from b2bpilot.cli.frame.options import Reveal
from b2bpilot.cli.frame.table import CommandPath, group
from b2bpilot.cli.subscribers import subscription_view
from b2bpilot.errors import UsageError
from b2bpilot.pipeline.message import Priority, Source
from b2bpilot.plural import many

if TYPE_CHECKING:
    from b2bpilot.aws.session import AwsAccess
    from b2bpilot.ops.subscribers.evaluation import SubscriptionEvaluation
    from b2bpilot.ops.subscribers.topic_report import TopicReport
    from b2bpilot.pipeline.message import PilotMessage

UNHEALTHY = 1


class ListingGroup(PilotGroup):
    """Lists when no command follows."""

    def parse_args(self, ctx: typer.Context, args: list[str]) -> list[str]:  # type: ignore[override]  # as PilotGroup's
        return TyperGroup.parse_args(self, ctx, args)


_listing = typer.Typer(cls=ListingGroup, rich_markup_mode=None, invoke_without_command=True)


CoverageOption = Annotated[
    bool,
    typer.Option(
        "--coverage", help="Show who gets which kinds of message, by their filter policies; nothing is sent."
    ),
]


@_listing.callback()
def without_a_word(ctx: typer.Context, *, coverage: CoverageOption = False) -> None:
    """List the topic's subscribers, and whether each can receive what is published.

    Who is missing is listed, too: a stack that imports the topic while no subscription ends in it. SNS counts failures for the
    whole topic only; those in the table are runs of the subscriber's own function.

    Exit code 1: one is unhealthy (it cannot receive, or has dead letters), one is missing, or none delivers to the processor. With
    --coverage: the processor certainly does not get some kind of message.

    Example: b2bpilot subscribers -e prod
    """
    if ctx.invoked_subcommand is None:
        list_(ctx, coverage=coverage)
    elif coverage:
        raise UsageError(
            f"--coverage cannot be used with {ctx.invoked_subcommand}", hint="leave one of them out"
        )


def list_(ctx: typer.Context, *, coverage: CoverageOption = False) -> None:
    """List the topic's subscribers, as `b2bpilot subscribers` does.

    Who is missing is listed, too: a stack that imports the topic while no subscription ends in it. SNS counts failures for the
    whole topic only; those in the table are runs of the subscriber's own function.

    Exit code 1: one is unhealthy (it cannot receive, or has dead letters), one is missing, or none delivers to the processor. With
    --coverage: the processor certainly does not get some kind of message.

    Example: b2bpilot subscribers list -e prod
    """
    from b2bpilot.ops.subscribers.topic_report import report_on_topic

    pilot = pilot_of(ctx)
    if coverage:
        _show_coverage(pilot)
        return
    found = report_on_topic(pilot.environment, now=pilot.now())
    show(pilot, found, pilot.environment.access)
    if found.lacks_processor:
        stack = pilot.environment.stack
        pilot.output.notice(
            f"No subscriber is {stack.processor_function_name}: nothing that is published is stored. "
            "Deploy template.yaml again, or see " + our_command("verify", "--only", "topic")
        )
    if found.is_unhealthy:
        raise typer.Exit(UNHEALTHY)


def _show_coverage(pilot: Pilot) -> None:
    from b2bpilot.aws.subscriptions import subscriptions
    from b2bpilot.cli.subscribers import coverage_view
    from b2bpilot.ops.subscribers.topic_report import TIMEOUTS
    from b2bpilot.ops.subscribers.who_gets_what import who_gets_what

    environment = pilot.environment
    listed = subscriptions(environment.access, environment.stack.topic_arn, timeouts=TIMEOUTS)
    found = who_gets_what(environment, listed)
    coverage_view.show(pilot, found)
    if found.missed:
        raise typer.Exit(UNHEALTHY)


def show(pilot: Pilot, found: TopicReport, access: AwsAccess) -> None:
    """Show all of them, and why one is not healthy."""
    pilot.output.rows("subscriptions", (subscription_view.row(one, access) for one in found.reports))
    pilot.output.record(
        {"topic_24h": found.counts, **subscription_view.absence_fields(found.absence, access)},
        text=[*subscription_view.absent(found.absence, access), *subscription_view.counts(found)],
    )
    for line in subscription_view.reasons(found.reports, access):
        pilot.output.notice(line)


def try_message(
    ctx: typer.Context,
    *,
    param: Annotated[
        list[str] | None,
        typer.Option(help="Twilio parameter of the message; repeatable.", metavar="KEY=VALUE"),
    ] = None,
    attribute: Annotated[
        list[str] | None,
        typer.Option(
            help="SNS attribute, added to the message's own or replacing one; repeatable. KEY:Number=VALUE sets a type.",
            metavar="KEY=VALUE",
        ),
    ] = None,
    file: Annotated[
        str | None,
        typer.Option("--file", help="Message body as published (JSON); - reads stdin.", metavar="PATH"),
    ] = None,
    source: Annotated[
        Source, typer.Option(help=f"Publisher: {', '.join(Source)}.", metavar="SOURCE")
    ] = Source.TWILIO,
    priority: Annotated[
        Priority, typer.Option(help=f"Priority: {', '.join(Priority)}.", metavar="PRIORITY")
    ] = Priority.NORMAL,
    is_test: Annotated[bool, typer.Option("--test", help="Make it a test message.")] = False,
    reveal: Reveal = False,
) -> None:
    """Show which subscribers a message would reach, and which key of a filter policy rejects it. Sends nothing.

    Example: b2bpilot subscribers test -e prod --param Body=hello --attribute priority=high
    """
    from b2bpilot.aws.subscriptions import subscriptions
    from b2bpilot.ops.parameters import parse_parameter
    from b2bpilot.ops.subscribers import evaluation
    from b2bpilot.ops.subscribers.topic_report import TIMEOUTS

    pilot = pilot_of(ctx)
    if file is not None and (
        param or is_test or source is not Source.TWILIO or priority is not Priority.NORMAL
    ):
        raise UsageError("--file is the whole message except its attributes", hint="leave out the others")
    message: PilotMessage = (
        evaluation.from_text(_read(file))
        if file is not None
        else evaluation.composed(
            dict(parse_parameter(text) for text in param or []),
            source=source,
            test=is_test,
            priority=priority,
            now=pilot.now(),
        )
    )
    encoded = evaluation.encoded(message, dict(_pair(text) for text in attribute or []))
    found = subscriptions(pilot.environment.access, pilot.environment.stack.topic_arn, timeouts=TIMEOUTS)
    _show(pilot, evaluation.evaluate_all(found, encoded), reveal=reveal)


def _show(pilot: Pilot, evaluations: list[SubscriptionEvaluation], *, reveal: bool) -> None:
    pilot.output.rows(
        "subscriptions", (subscription_view.evaluation_row(one, reveal=reveal) for one in evaluations)
    )
    reached = sum(one.delivers is True for one in evaluations)
    unknown = sum(one.delivers is None for one in evaluations)
    doubt = f"; for {unknown} it is unknown" if unknown else ""
    changed = " A changed filter policy takes up to 15 minutes to take effect." if evaluations else ""
    pilot.output.notice(
        f"The message would reach {reached} of {many(len(evaluations), 'subscriber')}{doubt}.{changed}"
    )


def _pair(text: str) -> tuple[str, str]:
    name, separator, value = text.partition("=")
    if not separator:
        raise UsageError(
            f"--attribute: {text!r} is not KEY=VALUE", hint="for example --attribute source=stale"
        )
    return name, value


def _read(path: str) -> str:
    if path == "-":
        return sys.stdin.read()
    try:
        return Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as exc:
        raise UsageError(
            f"{path} cannot be read: {getattr(exc, 'strerror', None) or 'it is not UTF-8'}"
        ) from exc


app = group(
    _listing,
    {
        "list": CommandPath(f"{__name__}:list_", "List the topic's subscribers; the default."),
        "test": CommandPath(f"{__name__}:try_message", "Show which subscribers a message would reach."),
        "new": CommandPath("b2bpilot.cli.subscribers.new:new", "Write a folder that becomes a subscriber."),
        "backfill": CommandPath(
            "b2bpilot.cli.subscribers.backfill:backfill",
            "Send messages from the table to one subscriber only.",
        ),
    },
)
