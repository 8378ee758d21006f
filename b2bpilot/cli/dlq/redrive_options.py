"""The options of `dlq redrive` that no other command has."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from b2bpilot.errors import UsageError
from b2bpilot.ops.redrive.via import RedriveVia


class Engine(StrEnum):
    TERMINAL = "terminal"
    LAMBDA = "lambda"


VIA = Annotated[
    RedriveVia, typer.Option("--via", help="How: invoke, async or topic.", metavar="ROUTE", show_default=True)
]
ENGINE = Annotated[
    Engine,
    typer.Option(
        "--engine",
        help="Who does it: terminal, or lambda for a big backlog.",
        metavar="ENGINE",
        show_default=True,
    ),
]
PLAN = Annotated[
    Path | None,
    typer.Option(
        "--plan",
        help="Write the plan to FILE and stop; if FILE exists, send exactly what it names.",
        metavar="FILE",
    ),
]
INCLUDE_COMPLETED = Annotated[
    bool, typer.Option("--include-completed", help="Send also what the database has completed.")
]
INCLUDE_POISON = Annotated[
    bool, typer.Option("--include-poison", help="Send also what came back three times.")
]
MAX_FAILURES = Annotated[
    str,
    typer.Option(
        "--max-failures",
        help="Stop after a stage in which more failed.",
        metavar="PERCENT",
        show_default=True,
    ),
]
RATE = Annotated[
    float | None, typer.Option("--rate", min=0.01, help="At most so many a second.", metavar="N")
]
CONCURRENCY = Annotated[
    int | None,
    typer.Option("--concurrency", min=1, max=32, help="At most so many calls at once.", metavar="N"),
]
WAIT = Annotated[
    str,
    typer.Option(
        "--wait",
        help="How long to look at the rows for the proof; 0s looks once, at the end.",
        metavar="DURATION",
    ),
]
FORCE = Annotated[bool, typer.Option("--force", help="Take more than 1,000 dead letters.")]


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
            raise UsageError(f"{flag} has no meaning with --engine lambda", hint="leave it out")
