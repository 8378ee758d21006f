"""`b2bpilot load`."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from b2bpilot.cli.frame.confirm_name import ask_for_name
from b2bpilot.cli.frame.context import Pilot, pilot_of
from b2bpilot.cli.frame.options import DRY_RUN, ConfirmEnvironment, DryRun, PublishVia, Reason, Via, Wait, Yes
from b2bpilot.cli.frame.settings import LOCAL
from b2bpilot.cli.load.options import (
    ALLOW_UNKNOWN,
    AllowUnknown,
    Clients,
    Duplicates,
    Duration,
    High,
    Keep,
    Poison,
    Ramp,
    Report,
    Requests,
    Retry,
)
from b2bpilot.cli.runs.kind import RunKind
from b2bpilot.cli.text.durations import parse_duration
from b2bpilot.cli.text.percent import parse_percent
from b2bpilot.errors import UsageError

if TYPE_CHECKING:
    from b2bpilot.ops.load.plan import LoadPlan
    from b2bpilot.ops.runs.record import RunRecord
    from b2bpilot.ops.subscribers.reach import Reach

RUN = RunKind(
    typed="load",
    unit="",
    key="request",
    well="accepted",
    perhaps={"sending": "perhaps accepted", "unknown": "perhaps accepted"},
    resume="b2bpilot.cli.load.command:resume",
)


def load(
    ctx: typer.Context,
    *,
    clients: Clients = 100,
    requests: Requests = None,
    duration: Duration = None,
    ramp: Ramp = "0s",
    via: Via = PublishVia.WEBHOOK,
    duplicates: Duplicates = "0%",
    poison: Poison = "0%",
    high: High = "0%",
    retry: Retry = "60s",
    wait: Wait = "5m",
    report: Report = None,
    keep: Keep = False,
    allow_unknown_subscribers: AllowUnknown = False,
    dry_run: DryRun = False,
    reason: Reason = None,
    confirm: ConfirmEnvironment = None,
    yes: Yes = False,
) -> None:
    """Send test messages from many clients at once, and prove what happened to each of them.

    Exit code 0: each was stored exactly once, none was lost, duplicates were skipped, poison is in the dead-letter queue, the
    processor stayed within its reserved concurrency, and urgent messages (--high) passed a backlog where the express lane is
    on. What was sent is removed. Exit code 4: one of these is not so, or not yet. 5: others take test messages, or may.

    Example: b2bpilot load -e staging --clients 100 --requests 10 --duplicates 5% --report load.html
    """
    from b2bpilot.aws.session import Timeouts
    from b2bpilot.cli.load import loading
    from b2bpilot.ops.load.plan import LoadPlan
    from b2bpilot.ops.load.urgent import checked
    from b2bpilot.ops.publish import routes
    from b2bpilot.ops.subscribers.reach import asked_reach, require_nobody

    pilot = pilot_of(ctx)
    if requests is not None and duration is not None:
        raise UsageError("--requests cannot be used with --duration", hint="leave one of them out")
    plan = LoadPlan(
        clients=clients,
        requests=None if duration else (requests or 10),
        duration=parse_duration(duration, "--duration") if duration else None,
        ramp=parse_duration(ramp, "--ramp", may_be_zero=True),
        duplicates=parse_percent(duplicates, "--duplicates"),
        poison=parse_percent(poison, "--poison"),
        via=routes.Via(via.value),
        retry=parse_duration(retry, "--retry", may_be_zero=True),
        high=parse_percent(high, "--high"),
    )
    plan = checked(plan, pilot.environment.stack)
    ending = loading.Ending(wait=parse_duration(wait, "--wait"), page=_writable(report), keep=keep)
    found = asked_reach(pilot.environment, plan.samples(now=pilot.machine()), timeouts=Timeouts())
    lines = _lines(pilot, plan, keep=keep, found=found)
    if dry_run:
        _show_plan(pilot, plan, found, lines)
        return
    require_nobody(found, allow_unknown=None if allow_unknown_subscribers else ALLOW_UNKNOWN)
    _confirm(pilot, lines, typed=confirm, yes=yes)
    loading.load(pilot, plan, ending, reason=reason)


def _show_plan(pilot: Pilot, plan: LoadPlan, found: Reach, lines: list[str]) -> None:
    fields = {"environment": pilot.environment.name, **plan.parameters(), "reach": found.fields()}
    pilot.output.record({"plan": fields}, text=lines)
    pilot.output.notice(DRY_RUN)


def resume(pilot: Pilot, record: RunRecord, *, yes: bool) -> None:
    """Prove and clean up what an interrupted load had sent; nothing more is sent."""
    from b2bpilot.cli.load import loading

    if record.counts is not None and record.counts.get("cleaned"):
        raise UsageError(
            f"load {record.run_id} was proved, and its rows are removed: nothing is left to check"
        )
    lines = [f"Check and remove what load {record.run_id} sent to {pilot.environment}; nothing is sent."]
    pilot.confirmation(yes=yes or pilot.environment.name == LOCAL).ask(lines, "Continue?")
    loading.resume(pilot, record, loading.Ending(wait=timedelta(minutes=5), page=None, keep=False))


def _confirm(pilot: Pilot, lines: list[str], *, typed: str | None, yes: bool) -> None:
    """Production needs its name typed; the local environment is one's own."""
    from b2bpilot.ops.dead_letters.discard import needs_name

    name = pilot.environment.name
    if needs_name(name, is_everything=False):
        ask_for_name(pilot.confirmation(yes=False), lines, name=name, typed=typed)
        return
    pilot.confirmation(yes=yes or name == LOCAL).ask(lines, "Continue?")


def _lines(pilot: Pilot, plan: LoadPlan, *, keep: bool, found: Reach) -> list[str]:
    much = (
        _counted(plan.messages, "test message")
        if plan.messages
        else f"test messages for {plan.spelled_duration}"
    )
    route = "the webhook" if plan.via.value == PublishVia.WEBHOOK.value else "the topic"
    lines = [f"Load {pilot.environment}: {much} from {_counted(plan.clients, 'client')}, through {route}"]
    if plan.duplicates:
        lines.append(f"  {plan.duplicates:.1%} of them twice")
    if plan.high:
        by = f", sent to {plan.high_number}" if plan.high_number else ""
        lines.append(f"  {plan.high:.1%} of them with high priority{by}")
    if plan.poison:
        lines.append(
            f"  {plan.poison:.1%} can never be stored: they become dead letters, and the queue's alarm may ring"
        )
    lines.append(
        "  their rows and dead letters are not removed"
        if keep
        else "  their rows and dead letters are removed at the end"
    )
    if told := found.told():
        lines.append(f"  {told[:1].lower()}{told[1:]}")
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
