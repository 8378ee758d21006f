"""The options of `dlq redrive` that no other command has."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from b2bpilot.errors import UsageError
from b2bpilot.ops.redrive.via import RedriveVia


class RedriveEngine(StrEnum):
    TERMINAL = "terminal"
    LAMBDA = "lambda"


Via = Annotated[
    RedriveVia,
    typer.Option("--via", help="Route: invoke, async or topic.", metavar="ROUTE", show_default=True),
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


def refuse_what_lambda_cannot(ctx: typer.Context) -> None:
    """Raises UsageError for an option that would be ignored, its default included when it was typed."""
    for parameter, flag in MEANINGLESS_INSIDE_AWS.items():
        source = ctx.get_parameter_source(parameter)
        if source is not None and source.name == "COMMANDLINE":
            raise UsageError(f"{flag} cannot be used with --engine lambda", hint="leave it out")
