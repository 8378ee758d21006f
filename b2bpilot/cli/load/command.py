"""`b2bpilot load`."""

from __future__ import annotations

from datetime import timedelta
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from b2bpilot.cli.frame.confirm_name import ask_for_name
from b2bpilot.cli.frame.context import Pilot, pilot_of
from b2bpilot.cli.frame.settings import LOCAL
from b2bpilot.cli.runs.kind import RunKind
from b2bpilot.cli.text.durations import parse_duration
from b2bpilot.cli.text.percent import parse_percent
from b2bpilot.errors import UsageError

if TYPE_CHECKING:
    from b2bpilot.ops.load.plan import LoadPlan
    from b2bpilot.ops.runs.record import RunRecord

RUN = RunKind(
    typed="load",
    key="request",
    well="accepted",
    perhaps={"sending": "perhaps accepted", "unknown": "perhaps accepted"},
    resume=lambda pilot, record, *, yes: resume(pilot, record, yes=yes),
)
MOST_CLIENTS = 1_000


class Via(StrEnum):
    WEBHOOK = "webhook"
    TOPIC = "topic"


def load(
    ctx: typer.Context,
    *,
    clients: Annotated[
        int, typer.Option(min=1, max=MOST_CLIENTS, help="So many at once.", metavar="N", show_default=True)
    ] = 100,
    requests: Annotated[
        int | None, typer.Option(min=1, help="Messages for each client, 10 unless --duration.", metavar="N")
    ] = None,
    duration: Annotated[
        str | None, typer.Option(help="Go on for so long instead.", metavar="DURATION")
    ] = None,
    ramp: Annotated[str, typer.Option(help="Start the clients over so long.", metavar="DURATION")] = "0s",
    via: Annotated[
        Via,
        typer.Option(
            help="webhook, signed with the account's token, or topic.", metavar="ROUTE", show_default=True
        ),
    ] = Via.WEBHOOK,
    duplicates: Annotated[
        str, typer.Option(help="So many messages are sent twice.", metavar="PERCENT", show_default=True)
    ] = "0%",
    poison: Annotated[
        str,
        typer.Option(
            help="So many can never be stored: they become dead letters.",
            metavar="PERCENT",
            show_default=True,
        ),
    ] = "0%",
    retry: Annotated[
        str,
        typer.Option(
            help="Make a request that was not accepted again for so long.",
            metavar="DURATION",
            show_default=True,
        ),
    ] = "60s",
    wait: Annotated[
        str,
        typer.Option(
            help="How long to look at the rows for the proof.", metavar="DURATION", show_default=True
        ),
    ] = "5m",
    report: Annotated[
        Path | None, typer.Option(help="Write a page with plots, to send to somebody.", metavar="FILE.html")
    ] = None,
    keep: Annotated[bool, typer.Option("--keep", help="Leave the rows and dead letters there.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show the plan and stop.")] = False,
    reason: Annotated[
        str | None, typer.Option(help="Why; it is recorded in the run's journal.", metavar="TEXT")
    ] = None,
    confirm: Annotated[
        str | None, typer.Option(help="The environment's name, where it must be typed.", metavar="NAME")
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    """Send test messages from many clients at once, and prove what became of every one of them.

    Each is stored exactly once, none is lost, duplicates are skipped, poison is in the dead-letter queue, the processor stayed
    within its reserve: exit code 0. What was sent is removed again. Exit code 4: a promise was not kept, or not yet.

    Example: b2bpilot load -e staging --clients 100 --requests 10 --duplicates 5% --report load.html
    """
    from b2bpilot.cli.load import loading
    from b2bpilot.ops.load.plan import LoadPlan
    from b2bpilot.ops.publish.routes import Via as Route

    pilot = pilot_of(ctx)
    if requests is not None and duration is not None:
        raise UsageError("--requests has no meaning with --duration", hint="leave one of them out")
    plan = LoadPlan(
        clients=clients,
        requests=None if duration else (requests or 10),
        duration=parse_duration(duration, "--duration") if duration else None,
        ramp=parse_duration(ramp, "--ramp", may_be_zero=True),
        duplicates=parse_percent(duplicates, "--duplicates"),
        poison=parse_percent(poison, "--poison"),
        via=Route(via.value),
        retry=parse_duration(retry, "--retry", may_be_zero=True),
    )
    plan.check()
    ending = loading.Ending(wait=parse_duration(wait, "--wait"), page=_writable(report), keep=keep)
    lines = _lines(pilot, plan, keep=keep)
    if dry_run:
        fields = {"environment": pilot.environment.name, **plan.parameters()}
        pilot.output.record({"plan": fields}, text=[*lines, "Nothing was sent."])
        return
    _confirm(pilot, lines, typed=confirm, yes=yes)
    loading.load(pilot, plan, ending, reason=reason)


def resume(pilot: Pilot, record: RunRecord, *, yes: bool) -> None:
    """Prove and clean up what an interrupted load had sent; nothing more is sent."""
    from b2bpilot.cli.load import loading

    if record.counts is not None and record.counts.get("cleaned"):
        raise UsageError(
            f"load {record.run_id} was proved, and its rows are removed: there is nothing to look at any more"
        )
    lines = [
        f"Look at what load {record.run_id} sent to {pilot.environment}, and remove it; nothing is sent."
    ]
    pilot.confirmation(yes=yes or pilot.environment.name == LOCAL).ask(lines, "Go on?")
    loading.resume(pilot, record, loading.Ending(wait=timedelta(minutes=5), page=None, keep=False))


def _confirm(pilot: Pilot, lines: list[str], *, typed: str | None, yes: bool) -> None:
    """Production needs its name typed; the local environment is one's own."""
    from b2bpilot.ops.dead_letters.discard import needs_name

    name = pilot.environment.name
    if needs_name(name, is_everything=False):
        ask_for_name(pilot.confirmation(yes=False), lines, name=name, typed=typed)
        return
    pilot.confirmation(yes=yes or name == LOCAL).ask(lines, "Go on?")


def _lines(pilot: Pilot, plan: LoadPlan, *, keep: bool) -> list[str]:
    much = (
        _counted(plan.messages, "test message")
        if plan.messages
        else f"test messages for {plan.spelled_duration}"
    )
    route = "the webhook" if plan.via.value == Via.WEBHOOK.value else "the topic"
    lines = [f"Load {pilot.environment}: {much} from {_counted(plan.clients, 'client')}, through {route}"]
    if plan.duplicates:
        lines.append(f"  {plan.duplicates:.1%} of them twice")
    if plan.poison:
        lines.append(
            f"  {plan.poison:.1%} can never be stored: they become dead letters, and the queue's alarm may ring"
        )
    lines.append(
        "  what they leave stays there" if keep else "  their rows and dead letters are removed at the end"
    )
    return lines


def _counted(count: int, what: str) -> str:
    return f"{count:,} {what}" if count == 1 else f"{count:,} {what}s"


def _writable(report: Path | None) -> Path | None:
    """Raises UsageError now, not after a load of ten minutes."""
    if report is None:
        return None
    from b2bpilot.paths import open_private

    try:
        with open_private(report, "a"):
            return report
    except OSError as exc:
        raise UsageError(f"--report: {report} cannot be written: {exc.strerror}") from exc
