"""`b2bpilot dlq redrive`: its options and its help. What it does is in redrive_run.py and, inside AWS, in remote.py."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from b2bpilot.cli.dlq.options import Adopt
from b2bpilot.cli.dlq.selection import checked_selection, selection_as_listed
from b2bpilot.cli.frame.context import Pilot, pilot_of
from b2bpilot.cli.frame.options import Concurrency, DryRun, Rate, Reason, Wait, Yes
from b2bpilot.cli.runs.kind import RunKind
from b2bpilot.cli.text.durations import parse_duration
from b2bpilot.cli.text.percent import parse_percent
from b2bpilot.errors import UsageError
from b2bpilot.ops.redrive.via import RedriveVia

ROUTES = " or ".join([", ".join([*RedriveVia][:-1]), [*RedriveVia][-1]])


class RedriveEngine(StrEnum):
    TERMINAL = "terminal"
    LAMBDA = "lambda"


Via = Annotated[
    RedriveVia | None,
    typer.Option("--via", help=f"Route: {ROUTES}.  [default: {RedriveVia.INVOKE}]", metavar="ROUTE"),
]
Engine = Annotated[
    RedriveEngine,
    typer.Option(
        "--engine",
        help="Where it runs: terminal, or lambda for a large backlog.",
        metavar="ENGINE",
        show_default=True,
    ),
]
PlanFile = Annotated[
    Path | None,
    typer.Option(
        "--plan",
        help="Write the plan to FILE and stop; if FILE exists, send exactly what it lists.",
        metavar="FILE",
    ),
]
IncludeCompleted = Annotated[
    bool, typer.Option("--include-completed", help="Also send messages that are already completed.")
]
IncludePoison = Annotated[
    bool, typer.Option("--include-poison", help="Also send messages that came back three times.")
]
MaxFailures = Annotated[
    str,
    typer.Option(
        "--max-failures",
        help="Stop after a stage in which more than PERCENT failed.",
        metavar="PERCENT",
        show_default=True,
    ),
]
Force = Annotated[bool, typer.Option("--force", help="Allow more than 1,000 dead letters.")]
MEANINGLESS_INSIDE_AWS = {
    "via": "--via",
    "rate": "--rate",
    "plan_file": "--plan",
    "include_completed": "--include-completed",
    "include_poison": "--include-poison",
    "wait": "--wait",
    "force": "--force",
}
"""By their parameters: what the redriver does not know, its proof does not wait for, or its run is not limited by."""
MEANINGLESS_WITHOUT_ROWS = {"include_completed": "--include-completed", "wait": "--wait"}
"""What asks the rows."""


def redrive(
    ctx: typer.Context,
    *,
    via: Via = None,
    engine: Engine = RedriveEngine.TERMINAL,
    dry_run: DryRun = False,
    plan_file: PlanFile = None,
    include_completed: IncludeCompleted = False,
    include_poison: IncludePoison = False,
    max_failures: MaxFailures = "20%",
    rate: Rate = None,
    concurrency: Concurrency = None,
    wait: Wait = "60s",
    force: Force = False,
    adopt: Adopt = None,
    reason: Reason = None,
    yes: Yes = False,
) -> None:
    """Send dead letters back to the processor, or to --subscriber, and prove what happened to each.

    The rows prove it; of another subscriber's dead letters its function's answer does. Completed messages are only removed.
    Dead letters are sent in stages of 1, 5, 20, 100 and 500; a stage with too many failures is the last one, or with --via
    async and topic the next one is. Dead letters of others are left alone. --wait 0s checks the rows once, at the end. Exit
    code 0: all of its own completed, or as a subscriber's function said; 4: some are not, with where they are, could not be
    seen, or were only accepted for a subscriber; 5: all are others'.

    Example: b2bpilot dlq redrive -e prod --group G1 --reason "constraint dropped"
    """
    from b2bpilot.cli.dlq import redrive_run, remote
    from b2bpilot.ops.redrive.options import RedriveOptions
    from b2bpilot.ops.redrive.routes import route_for

    pilot = pilot_of(ctx)
    selection = checked_selection(ctx, pilot)
    failures = parse_percent(max_failures, "--max-failures")
    _require_meaningful(ctx, pilot, engine)
    asked = RedriveOptions(
        via=via or RedriveVia.INVOKE,
        include_completed=include_completed,
        include_poison=include_poison,
        max_failures=failures,
        rate=rate,
        concurrency=concurrency,
        wait=parse_duration(wait, "--wait", may_be_zero=True),
        force=force,
        adopted=frozenset(adopt or ()),
    )
    if engine is RedriveEngine.LAMBDA:
        remote.redrive_inside_aws(pilot, selection, asked, dry_run=dry_run, reason=reason, yes=yes)
    else:
        redrive_run.redrive_from_here(
            pilot,
            selection_as_listed(ctx, pilot),
            replace(asked, via=route_for(pilot.environment.recipient, via)),
            plan_file=plan_file,
            dry_run=dry_run,
            reason=reason,
            yes=yes,
        )


def _require_meaningful(ctx: typer.Context, pilot: Pilot, engine: RedriveEngine) -> None:
    """Raises UsageError for an option that would be ignored, its default included when it was typed."""
    if pilot.subscriber and (subscriber := pilot.environment.subscriber):
        _refuse(ctx, MEANINGLESS_WITHOUT_ROWS, f"--subscriber {subscriber}")
        if engine is RedriveEngine.LAMBDA:
            raise UsageError(
                f"--engine lambda redrives the processor's alone, not those of subscriber {subscriber}",
                hint="leave it out",
            )
    if engine is RedriveEngine.LAMBDA:
        _refuse(ctx, MEANINGLESS_INSIDE_AWS, "--engine lambda")


def _refuse(ctx: typer.Context, meaningless: Mapping[str, str], beside: str) -> None:
    for parameter, flag in meaningless.items():
        source = ctx.get_parameter_source(parameter)
        if source is not None and source.name == "COMMANDLINE":
            raise UsageError(f"{flag} cannot be used with {beside}", hint="leave it out")


RUN = RunKind(
    typed="dlq redrive",
    unfinished={"accepted": "accepted, the dead letter perhaps deleted"},
    resume="b2bpilot.cli.dlq.redrive_run:resume",
)
RUN_INSIDE_AWS = RunKind(
    typed="dlq redrive --engine lambda",
    perhaps={"planned": "perhaps redriven inside AWS"},
    resume="b2bpilot.cli.dlq.remote:resume",
)
