"""`b2bpilot runs`: what changing commands did from this machine, and going on with one that was interrupted."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Annotated

import typer

from b2bpilot.cli.frame import values
from b2bpilot.cli.frame.commands import PilotGroup
from b2bpilot.cli.frame.context import Pilot, pilot_of
from b2bpilot.cli.frame.options import DEFAULT_LIMIT, Limit, Yes
from b2bpilot.cli.frame.settings import Format
from b2bpilot.cli.frame.table import CommandPath, group
from b2bpilot.cli.output import Row, pairs
from b2bpilot.cli.runs import run_record
from b2bpilot.cli.runs.kind import kind_of
from b2bpilot.errors import NOTHING_MORE_CHANGED, NotConfirmed, UsageError
from b2bpilot.pipeline.clock import WORTH_SAYING

if TYPE_CHECKING:
    from b2bpilot.ops.runs.record import RunRecord

app = group(
    typer.Typer(
        cls=PilotGroup,
        rich_markup_mode=None,
        help="See what was changed, by whom and why; resume what was interrupted.",
    ),
    {
        "list": CommandPath(f"{__name__}:list_", "List the runs of changing commands, newest first."),
        "show": CommandPath(f"{__name__}:show", "Show one run: who, why, and what happened to each message."),
        "resume": CommandPath(f"{__name__}:resume", "Resume an interrupted run, under its own id."),
    },
)

RunId = Annotated[
    str, typer.Argument(help="Run id, or its beginning or end.", metavar="RUN", autocompletion=values.runs)
]


def list_(
    ctx: typer.Context,
    *,
    limit: Limit = None,
) -> None:
    """List the runs of changing commands, newest first. --env on the command line shows only that environment's.

    Example: b2bpilot runs list -o json
    """
    from b2bpilot.ops.runs.runs import list_runs

    pilot = pilot_of(ctx)
    named = pilot.given.get("env")
    found: Iterator[RunRecord] = (
        record
        for record in list_runs(pilot.runs_home, unreadable=pilot.output.notice)
        if named is None or record.environment == named
    )
    most, now = limit or DEFAULT_LIMIT, pilot.machine()
    shown: list[RunRecord] = []

    def rows() -> Iterator[Row]:
        for record in islice(found, most):
            shown.append(record)
            yield run_record.row(record, now=now)

    count = pilot.output.rows("runs", rows())
    _tell_of_the_clock(pilot, shown)
    if count == 0:
        of = f" of environment {named}" if named else ""
        pilot.output.notice(f"No runs{of} in {pilot.runs_home / 'runs'}.")
    elif count == most:
        pilot.output.notice(f"The newest {count}; there may be more: --limit N")


def show(
    ctx: typer.Context,
    run: RunId,
    *,
    everything: Annotated[bool, typer.Option("--all", help="Also show messages without problems.")] = False,
) -> None:
    """Show one run: who, why, and what happened to each message. JSON has all messages; a table has those with a problem.

    Example: b2bpilot runs show 20261123T194501Z-redrive-3f9a
    """
    from b2bpilot.ops.runs.runs import find

    pilot = pilot_of(ctx)
    record = find(pilot.runs_home, run)
    output = pilot.output
    output.record(
        {"run": run_record.fields(record)}, text=pairs(run_record.story(record, now=pilot.machine()))
    )
    shown = [
        message
        for message in record.messages.values()
        if everything or output.format is not Format.TABLE or not run_record.is_well(message, record)
    ]
    if shown and output.format is Format.TABLE:
        output.lines([""])
    output.rows("messages", (run_record.message_row(message, record) for message in shown))
    if len(shown) < len(record.messages):
        output.notice(f"{len(record.messages) - len(shown):,} more without problems: --all")
    _tell_of_the_clock(pilot, [record])
    for line in run_record.advice(record, can_resume=kind_of(record).resume is not None):
        output.notice(line)


def resume(
    ctx: typer.Context,
    run: RunId,
    *,
    yes: Yes = False,
) -> None:
    """Resume an interrupted run, under its own id. What is known to be done is not done again.

    Example: b2bpilot runs resume 3f9a --yes
    """
    from b2bpilot.ops.runs.runs import find, require_ended

    record = find(early(ctx).runs_home, run)
    pilot = in_environment_of(ctx, record)
    require_ended(record)
    resumer = kind_of(record).resumer()
    if resumer is None:
        raise UsageError(f"a run of {record.command!r} cannot be resumed", hint="run the command again")
    run_record.require_same_place(pilot, record)
    try:
        resumer(pilot, record, yes=yes)
    except NotConfirmed as exc:
        exc.outcome = NOTHING_MORE_CHANGED
        raise


def _tell_of_the_clock(pilot: Pilot, shown: Sequence[RunRecord]) -> None:
    """Their times are AWS's, and their ages are counted by this machine's clock, which may have been set since."""
    now = pilot.machine()
    if any(one.started_at - now >= WORTH_SAYING for one in shown):
        pilot.output.notice(
            "Runs are dated after this machine's now: its clock is behind AWS's, which tells the times, so ages are too small."
        )
        return
    off = [one for one in shown if one.machine_ahead and abs(one.machine_ahead) >= WORTH_SAYING]
    if off:
        told = run_record.off_by(off[0])
        of = "that run" if len(shown) == 1 else f"run {off[0].run_id}"
        more = f", and of {len(off) - 1:,} more" if len(off) > 1 else ""
        pilot.output.notice(
            f"In {of}{more}, this machine's clock was {told} AWS's, which tells the times: ages are right if it was set since."
        )


def early(ctx: typer.Context) -> Pilot:
    """The Pilot before its settings are resolved: the run names the environment."""
    pilot = ctx.obj
    assert isinstance(pilot, Pilot)  # noqa: S101  # nosec B101  # main() puts it there
    return pilot


def in_environment_of(ctx: typer.Context, record: RunRecord) -> Pilot:
    """The run's environment wins over variables and files; another one on the line is a mistake. Raises UsageError."""
    pilot = early(ctx)
    if pilot.subscriber is None and record.subscriber is not None:
        pilot.subscriber, pilot.subscriber_said_as = (
            record.subscription or record.subscriber,
            f"run {record.run_id}",
        )
    named = pilot.given.setdefault("env", record.environment)
    if named != record.environment:
        raise UsageError(
            f"run {record.run_id} is of environment {record.environment}, not {named}", hint="leave --env out"
        )
    if record.environment != "local":
        pilot.given.setdefault("region", record.region)
    return pilot_of(ctx)
